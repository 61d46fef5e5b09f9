//! The fate of every letter, for the operator: what waits, what left, what was given up and why. Never a link: no row
//! has one.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{mails, users};

use super::queue;

/// A letter and what became of it.
#[derive(Clone, Debug, Queryable, Serialize)]
pub struct Fate {
    /// Its identity, also in its `Message-ID`.
    pub id: Uuid,
    /// Where it goes.
    pub to: String,
    /// Which letter was promised.
    pub letter: String,
    /// `queued`, `sent` or `parked` (given up).
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

type Columns = (
    mails::id,
    users::email,
    mails::letter,
    mails::state,
    mails::attempts,
    mails::queued_at,
    mails::due_at,
    mails::sent_at,
    mails::waits_for_server,
    mails::last_reply,
);

const COLUMNS: Columns = (
    mails::id,
    users::email,
    mails::letter,
    mails::state,
    mails::attempts,
    mails::queued_at,
    mails::due_at,
    mails::sent_at,
    mails::waits_for_server,
    mails::last_reply,
);

/// The newest letters, of one state or of all.
///
/// # Errors
/// Those of the database.
pub async fn list(conn: &mut Connection, state: Option<&str>, limit: i64) -> QueryResult<Vec<Fate>> {
    let mut query = mails::table.inner_join(users::table).select(COLUMNS).order(mails::id.desc()).into_boxed();
    if let Some(state) = state {
        query = query.filter(mails::state.eq(state));
    }
    query.limit(limit).load(conn).await
}

/// One letter.
///
/// # Errors
/// Those of the database.
pub async fn find(conn: &mut Connection, id: Uuid) -> QueryResult<Option<Fate>> {
    mails::table.inner_join(users::table).filter(mails::id.eq(id)).select(COLUMNS).first(conn).await.optional()
}

/// Makes a letter that was not sent due `now`, with all its tries before it; or all that were given up. Gives how many.
///
/// # Errors
/// Those of the database.
pub async fn retry(conn: &mut Connection, id: Option<Uuid>, now: DateTime<Utc>) -> QueryResult<usize> {
    let mut wanted = mails::table.select(mails::id).filter(mails::state.ne("sent")).into_boxed();
    wanted = match id {
        Some(id) => wanted.filter(mails::id.eq(id)),
        None => wanted.filter(mails::state.eq("parked")),
    };
    let ids: Vec<Uuid> = wanted.load(conn).await?;
    let mut retried = 0;
    for id in ids {
        // One that is promised anew meanwhile stands in its place: the constraint refuses a second one.
        let changed = diesel::update(mails::table.find(id))
            .set((
                mails::state.eq("queued"),
                mails::queued_at.eq(now),
                mails::due_at.eq(now),
                mails::attempts.eq(0),
                mails::waits_for_server.eq(false),
                mails::claimed_until.eq(None::<DateTime<Utc>>),
            ))
            .execute(conn)
            .await;
        retried += match changed {
            Err(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _)) => 0,
            changed => changed?,
        };
    }
    queue::notify(conn).await?;
    Ok(retried)
}
