//! The status of every mail, for the admin: what waits, what left, what was given up and why. Never a link: no row
//! has one.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{outbox, users};
use crate::user::UserId;

/// A mail and what became of it.
#[derive(Clone, Debug, Queryable, Serialize)]
pub struct MailStatus {
    /// Its identity, also in its `Message-ID`.
    pub id: Uuid,
    /// Where it goes.
    pub to: String,
    /// Which mail was promised.
    pub kind: String,
    /// `queued`, `sent` or `failed` (given up).
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was promised.
    pub queued_at: DateTime<Utc>,
    /// When it is tried next, if it is queued.
    pub due_at: DateTime<Utc>,
    /// When it left.
    pub sent_at: Option<DateTime<Utc>>,
    /// Whether it waits for a mail server that is away.
    pub waits_for_server: bool,
    /// What the mail server said last, or what went wrong.
    pub last_reply: Option<String>,
}

/// Where a mail goes: a certain address, that of its change, or that of its account.
const TO: &str = "coalesce(outbox.address, \
                  (select case outbox.kind when 'change_email' then new_email else old_email end \
                   from email_changes where id = outbox.email_change_id), users.email, '-')";

macro_rules! columns {
    () => {
        (
            outbox::id,
            sql::<Text>(TO),
            outbox::kind,
            outbox::state,
            outbox::attempts,
            outbox::queued_at,
            outbox::due_at,
            outbox::sent_at,
            outbox::waits_for_server,
            outbox::last_reply,
        )
    };
}

/// The newest mails, of one state or of all.
///
/// # Errors
/// Those of the database.
pub async fn list(conn: &mut Connection, state: Option<&str>, limit: i64) -> QueryResult<Vec<MailStatus>> {
    let mut query = outbox::table.left_join(users::table).select(columns!()).order(outbox::id.desc()).into_boxed();
    if let Some(state) = state {
        query = query.filter(outbox::state.eq(state));
    }
    query.limit(limit).load(conn).await
}

/// All mails of an account, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of(conn: &mut Connection, user_id: UserId) -> QueryResult<Vec<MailStatus>> {
    let mails = outbox::table.left_join(users::table).filter(outbox::user_id.eq(user_id.0));
    mails.select(columns!()).order(outbox::id.desc()).load(conn).await
}

/// One mail.
///
/// # Errors
/// Those of the database.
pub async fn find(conn: &mut Connection, id: Uuid) -> QueryResult<Option<MailStatus>> {
    outbox::table.left_join(users::table).filter(outbox::id.eq(id)).select(columns!()).first(conn).await.optional()
}

/// Makes a mail that was not sent due `now`, with all its tries before it; or all that were given up. Gives how many.
///
/// # Errors
/// Those of the database.
pub async fn retry(conn: &mut Connection, id: Option<Uuid>, now: DateTime<Utc>) -> QueryResult<usize> {
    let mut wanted = outbox::table.select(outbox::id).filter(outbox::state.ne("sent")).into_boxed();
    wanted = match id {
        Some(id) => wanted.filter(outbox::id.eq(id)),
        None => wanted.filter(outbox::state.eq("failed")),
    };
    let ids: Vec<Uuid> = wanted.load(conn).await?;
    let mut retried = 0;
    for id in ids {
        // One that is promised anew meanwhile stands in its place: the constraint refuses a second one.
        let changed = diesel::update(outbox::table.find(id))
            .set((
                outbox::state.eq("queued"),
                outbox::queued_at.eq(now),
                outbox::due_at.eq(now),
                outbox::attempts.eq(0),
                outbox::waits_for_server.eq(false),
                outbox::claimed_until.eq(None::<DateTime<Utc>>),
            ))
            .execute(conn)
            .await;
        retried += match changed {
            Err(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _)) => 0,
            changed => changed?,
        };
    }
    super::outbox::notify(conn).await?;
    Ok(retried)
}
