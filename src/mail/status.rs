//! The status of each mail, for the admin: queued, sent or failed, and why. Never a link: no row has one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{outbox, users};
use crate::user::UserId;

#[derive(Clone, Debug, Queryable, Serialize)]
pub struct MailStatus {
    /// Also in its `Message-ID`.
    pub id: Uuid,
    pub to: String,
    /// As it was queued, see [`super::MailKind`].
    pub kind: String,
    /// `queued`, `sent` or `failed`.
    pub state: String,
    pub attempts: i32,
    pub queued_at: DateTime<Utc>,
    /// When it is tried next, while it is queued.
    pub due_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    /// The mail server is away.
    pub waits_for_server: bool,
    /// The last reply of the mail server, or what went wrong.
    pub last_reply: Option<String>,
}

macro_rules! columns {
    () => {
        (
            outbox::id,
            outbox::address,
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

/// The newest mails, in one state or in all.
pub async fn list(conn: &mut Connection<'_>, state: Option<&str>, limit: i64) -> QueryResult<Vec<MailStatus>> {
    let mut query = outbox::table.select(columns!()).order(outbox::id.desc()).into_boxed();
    if let Some(state) = state {
        query = query.filter(outbox::state.eq(state));
    }
    query.limit(limit).load(conn).await
}

/// The newest mails of an account and of those that were asked for with its address, or the newest `before` one of them, the
/// newest first.
pub async fn list_of(
    conn: &mut Connection<'_>,
    user_id: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<MailStatus>> {
    let address = users::table.filter(users::id.eq(user_id.0)).select(users::email_canonical);
    let asked_for = outbox::user_id.is_null().and(outbox::canonical.eq_any(address));
    let mails = outbox::table.filter(outbox::user_id.eq(user_id.0).or(asked_for.nullable()));
    let mails = mails.filter(outbox::id.lt(before.unwrap_or(Uuid::max())));
    mails.select(columns!()).order(outbox::id.desc()).limit(limit).load(conn).await
}

pub async fn find(conn: &mut Connection<'_>, id: Uuid) -> QueryResult<Option<MailStatus>> {
    outbox::table.filter(outbox::id.eq(id)).select(columns!()).first(conn).await.optional()
}

/// Queues a mail that was not sent, or without an `id` all that failed, as if they were new. Returns how many.
pub async fn retry(conn: &mut Connection<'_>, id: Option<Uuid>, now: DateTime<Utc>) -> QueryResult<usize> {
    let mut wanted = outbox::table.select(outbox::id).filter(outbox::state.ne("sent")).into_boxed();
    wanted = match id {
        Some(id) => wanted.filter(outbox::id.eq(id)),
        None => wanted.filter(outbox::state.eq("failed")),
    };
    let ids: Vec<Uuid> = wanted.load(conn).await?;
    let mut retried = 0;
    for id in ids {
        // The same mail may have been queued again meanwhile. Then the constraint refuses a second one.
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
    Ok(retried)
}
