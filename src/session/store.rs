//! The queries on sessions.

use chrono::{DateTime, Duration, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Inet, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use uuid::Uuid;

use crate::db::schema::{sessions, users};
use crate::db::{self, Connection};
use crate::request::Client;
use crate::token::Token;
use crate::user::{User, UserId};

use super::{CurrentSession, NewSession};

/// How exactly the last use of a session is kept that may be idle for [`LONG_IDLE`]: one write in that time at most.
const LAST_SEEN_PRECISION: Duration = Duration::minutes(5);
/// The same for a shorter one, or a tenth of its idle time.
const SHORT_LAST_SEEN_PRECISION: Duration = Duration::minutes(1);
const LONG_IDLE: Duration = Duration::hours(12);
/// How many sessions one clean-up statement looks at.
const SLICE: i64 = 10_000;
/// How many sessions of an account are kept, the newest.
const KEPT: i64 = 100;

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub struct Session {
    pub id: Uuid,
    pub created_at: DateTime<Utc>,
    /// To five minutes, or more exactly if the session may be idle for less than 12 hours.
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub idle_seconds: i32,
    pub is_remembered: bool,
    /// Where it began.
    pub ip: IpNet,
    pub user_agent: Option<String>,
}

impl Session {
    /// When it ends if it is not used again.
    pub fn ends_at(&self) -> DateTime<Utc> {
        self.expires_at.min(self.last_seen_at + Duration::seconds(self.idle_seconds.into()))
    }
}

/// Inserts a session for an account, and ends its oldest ones beyond `KEPT`. `false` if its credentials changed since
/// `user` was read, or it is deleted or disabled: a sign-in must not survive a change of password that it did not see.
pub async fn insert(conn: &mut Connection<'_>, session: &NewSession, user: &User) -> QueryResult<bool> {
    let unchanged = users::table
        .find(user.id)
        .filter(users::credential_version.eq(user.credential_version))
        .filter(users::disabled_at.is_null())
        // Not only the key: a change of password then waits for this, or this for it, and sees the outcome.
        .for_share();
    let insert = unchanged
        .select((
            session.id.into_sql::<SqlUuid>(),
            session.token.sha256().to_vec().into_sql::<Binary>(),
            users::id,
            session.created_at.into_sql::<Timestamptz>(),
            session.created_at.into_sql::<Timestamptz>(),
            session.expires_at.into_sql::<Timestamptz>(),
            session.idle_seconds.into_sql::<Integer>(),
            session.is_remembered.into_sql::<Bool>(),
            IpNet::from(session.client.ip).into_sql::<Inet>(),
            session.client.user_agent.as_deref().into_sql::<Nullable<Text>>(),
        ))
        .insert_into(sessions::table)
        .into_columns((
            sessions::id,
            sessions::token_sha256,
            sessions::user_id,
            sessions::created_at,
            sessions::last_seen_at,
            sessions::expires_at,
            sessions::idle_seconds,
            sessions::is_remembered,
            sessions::ip,
            sessions::user_agent,
        ));
    let surplus = db::cached(
        diesel::sql_query(
            "delete from sessions where user_id = $1 \
             and id <= (select id from sessions where user_id = $1 order by id desc offset $2 limit 1)",
        )
        .bind::<SqlUuid, _>(user.id)
        .bind::<BigInt, _>(KEPT),
    );
    let [mut first, mut second] = [*conn; 2];
    let (inserted, ended) = tokio::join!(biased; insert.execute(&mut first), surplus.execute(&mut second));
    let inserted = inserted?;
    ended.map(|_| inserted == 1)
}

/// Gives a session a new token, and returns the session to hand over; `None` if it ended. The old token is dead.
pub async fn rotate(conn: &mut Connection<'_>, id: Uuid, client: &Client) -> QueryResult<Option<NewSession>> {
    let token = Token::random();
    let rotated: Option<Session> = diesel::update(sessions::table.find(id))
        .set(sessions::token_sha256.eq(token.sha256().as_slice()))
        .returning(Session::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    Ok(rotated.map(|session| NewSession {
        id: session.id,
        token,
        created_at: session.created_at,
        expires_at: session.expires_at,
        idle_seconds: session.idle_seconds,
        is_remembered: session.is_remembered,
        client: client.clone(),
    }))
}

/// The living session of this token with its account. Records that it was used. One round trip, and now and then a second
/// one (`last_seen_precision`).
pub async fn find_and_touch(
    conn: &mut Connection<'_>,
    token: &Token,
    now: DateTime<Utc>,
) -> QueryResult<Option<CurrentSession>> {
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
    if now - session.last_seen_at >= last_seen_precision(session.idle_seconds) {
        let touch = diesel::update(sessions::table.find(session.id)).set(sessions::last_seen_at.eq(now));
        db::cached(touch).execute(conn).await?;
    }
    Ok(Some(CurrentSession { session_id: session.id, signed_in_at: session.created_at, user }))
}

/// A short idle time needs more precision, or a session in use would end.
fn last_seen_precision(idle_seconds: i32) -> Duration {
    let idle = Duration::seconds(idle_seconds.into());
    if idle >= LONG_IDLE { LAST_SEEN_PRECISION } else { SHORT_LAST_SEEN_PRECISION.min(idle / 10) }
}

/// The living sessions of an account, the newest first.
pub async fn list(conn: &mut Connection<'_>, user_id: UserId, now: DateTime<Utc>) -> QueryResult<Vec<Session>> {
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

pub async fn delete(conn: &mut Connection<'_>, token: &Token) -> QueryResult<usize> {
    let sha256 = token.sha256();
    diesel::delete(sessions::table.filter(sessions::token_sha256.eq(sha256.as_slice()))).execute(conn).await
}

/// Deletes one session of an account; `false` if the account has no such session.
pub async fn delete_one(conn: &mut Connection<'_>, user_id: UserId, id: Uuid) -> QueryResult<bool> {
    let session = sessions::table.find(id).filter(sessions::user_id.eq(user_id.0));
    Ok(diesel::delete(session).execute(conn).await? == 1)
}

/// Deletes the sessions of an account except the one to `keep`.
pub async fn delete_all(conn: &mut Connection<'_>, user_id: UserId, keep: Option<Uuid>) -> QueryResult<usize> {
    let sessions = sessions::table.filter(sessions::user_id.eq(user_id.0));
    match keep {
        Some(id) => diesel::delete(sessions.filter(sessions::id.ne(id))).execute(conn).await,
        None => diesel::delete(sessions).execute(conn).await,
    }
}

/// Looks at the next sessions after `after` and deletes those that were not used in time: no index knows them, or every use
/// would write to it. Returns how many it deleted and where to continue.
pub async fn delete_idle(
    conn: &mut Connection<'_>,
    now: DateTime<Utc>,
    after: Uuid,
) -> QueryResult<(usize, Option<Uuid>)> {
    let next = sessions::table.filter(sessions::id.gt(after)).order(sessions::id);
    let last: Option<Uuid> = next.select(sessions::id).offset(SLICE - 1).first(conn).await.optional()?;
    let is_idle = sql::<Bool>("last_seen_at + idle_seconds * interval '1 second' <= ").bind::<Timestamptz, _>(now);
    let slice = sessions::table.filter(sessions::id.gt(after)).filter(sessions::id.le(last.unwrap_or(Uuid::max())));
    Ok((diesel::delete(slice.filter(is_idle)).execute(conn).await?, last))
}
