//! The queries on sessions. They take a connection: the flow owns the transaction.

use chrono::{DateTime, Duration, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Timestamptz};
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use uuid::Uuid;

use crate::db::schema::{sessions, users};
use crate::db::{CLEANING_BATCH, Connection};
use crate::password::PasswordHash;
use crate::user::{User, UserId};

use super::{NewSession, Presented, SessionToken};

/// How exactly the last use is kept at most: one write a minute and session.
const LAST_SEEN_PRECISION: Duration = Duration::seconds(60);

/// A session, as its owner may see it.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    /// Its identity.
    pub id: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// Without use it ends after this many seconds.
    pub idle_seconds: i32,
    /// Where it was begun.
    pub ip: IpNet,
    /// With what.
    pub user_agent: Option<String>,
}

impl Session {
    /// When it ends if it is not used again.
    #[must_use]
    pub fn ends_at(&self) -> DateTime<Utc> {
        self.expires_at.min(self.last_seen_at + Duration::seconds(self.idle_seconds.into()))
    }
}

/// Inserts a session for an account, as long as `password_hash` is still its hash. `false` where it is not, or the
/// account is gone or disabled: a login must not outrun a change of password.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    conn: &mut Connection,
    session: &NewSession,
    user: &User,
    password_hash: &PasswordHash,
) -> QueryResult<bool> {
    let unchanged = users::table
        .find(user.id)
        .filter(users::password_hash.eq(password_hash.as_str()))
        .filter(users::disabled_at.is_null())
        .select(users::id)
        // Not merely the key: whoever sets a password waits for this, or this for them, and then sees what they did.
        .for_share()
        .first::<Uuid>(conn)
        .await
        .optional()?;
    if unchanged.is_none() {
        return Ok(false);
    }
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(session.id),
            sessions::token_sha256.eq(session.token.sha256().as_slice()),
            sessions::user_id.eq(user.id),
            sessions::created_at.eq(session.created_at),
            sessions::last_seen_at.eq(session.created_at),
            sessions::expires_at.eq(session.expires_at),
            sessions::idle_seconds.eq(session.idle_seconds),
            sessions::ip.eq(IpNet::from(session.client.ip)),
            sessions::user_agent.eq(session.client.user_agent.as_deref()),
        ))
        .execute(conn)
        .await?;
    Ok(true)
}

/// The session of this token and its account, if it is alive; notes that it was used. One round trip, and a second one
/// once a minute, or ten times in its idle time.
///
/// # Errors
/// Those of the database.
pub async fn find_and_touch(
    conn: &mut Connection,
    token: &SessionToken,
    now: DateTime<Utc>,
) -> QueryResult<Option<Presented>> {
    let found: Option<(Session, User)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_sha256.eq(token.sha256().as_slice()))
        .filter(users::disabled_at.is_null())
        .select((Session::as_select(), User::as_select()))
        .first(conn)
        .await
        .optional()?;
    let Some((session, user)) = found.filter(|(session, _)| now < session.ends_at()) else {
        return Ok(None);
    };
    // A short idle time is kept more exactly, else a session in use would end.
    let precision = LAST_SEEN_PRECISION.min(Duration::seconds((session.idle_seconds / 10).into()));
    if now - session.last_seen_at >= precision {
        diesel::update(sessions::table.find(session.id)).set(sessions::last_seen_at.eq(now)).execute(conn).await?;
    }
    Ok(Some(Presented { session_id: session.id, user }))
}

/// The sessions of an account that are alive, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(conn: &mut Connection, user_id: UserId, now: DateTime<Utc>) -> QueryResult<Vec<Session>> {
    let mut sessions: Vec<Session> = sessions::table
        .filter(sessions::user_id.eq(user_id.0))
        .filter(sessions::expires_at.gt(now))
        .order(sessions::id.desc())
        .select(Session::as_select())
        .load(conn)
        .await?;
    sessions.retain(|session| now < session.ends_at());
    Ok(sessions)
}

/// Deletes the session of this token.
///
/// # Errors
/// Those of the database.
pub async fn delete(conn: &mut Connection, token: &SessionToken) -> QueryResult<usize> {
    let sha256 = token.sha256();
    diesel::delete(sessions::table.filter(sessions::token_sha256.eq(sha256.as_slice()))).execute(conn).await
}

/// Deletes one session of an account. `false` where it is none of theirs.
///
/// # Errors
/// Those of the database.
pub async fn delete_one(conn: &mut Connection, user_id: UserId, id: Uuid) -> QueryResult<bool> {
    let session = sessions::table.find(id).filter(sessions::user_id.eq(user_id.0));
    Ok(diesel::delete(session).execute(conn).await? == 1)
}

/// Deletes the sessions of an account, but for the one to `keep`.
///
/// # Errors
/// Those of the database.
pub async fn delete_all(conn: &mut Connection, user_id: UserId, keep: Option<Uuid>) -> QueryResult<usize> {
    let sessions = sessions::table.filter(sessions::user_id.eq(user_id.0));
    match keep {
        Some(id) => diesel::delete(sessions.filter(sessions::id.ne(id))).execute(conn).await,
        None => diesel::delete(sessions).execute(conn).await,
    }
}

/// Deletes some of the sessions that have ended.
///
/// # Errors
/// Those of the database.
pub async fn delete_ended(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<usize> {
    let ended = || {
        let is_idle = sql::<Bool>("last_seen_at + idle_seconds * interval '1 second' <= ").bind::<Timestamptz, _>(now);
        sessions::table.filter(sessions::expires_at.le(now).or(is_idle))
    };
    let some: Vec<Uuid> = ended().select(sessions::id).limit(CLEANING_BATCH).load(conn).await?;
    diesel::delete(ended().filter(sessions::id.eq_any(some))).execute(conn).await
}
