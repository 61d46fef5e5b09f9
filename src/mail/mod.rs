//! Mail: letters, the queue that they wait in, and the worker that delivers them.
//!
//! A letter is queued in the transaction that promises it and sent by nobody else than the worker, which mints the
//! link at that moment. If a letter were sent inside a request, a slow mail server would be a slow sign-up; if it were
//! not in the transaction, a crash would lose it.

mod addressee;
mod advice;
mod delivery;
pub mod fate;
mod letter;
mod limits;
mod listen;
pub mod mailbox;
mod message;
mod plan;
mod promise;
pub mod queue;
mod smtp;
mod worker;

pub use advice::advice;
pub use delivery::{Delivery, DeliveryError};
pub use letter::{Letter, LetterKind, Origin, TemplateError, Templates, Words};
pub use mailbox::Mailbox;
pub use plan::MailerParts;
pub use promise::Promise;
pub use worker::{MailHealth, Mailer};

use chrono::{DateTime, Utc};
use diesel::QueryResult;

use crate::db::Connection;

/// Forgets some of the departures that limit nothing any more.
///
/// # Errors
/// Those of the database.
pub async fn delete_old_departures(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<usize> {
    limits::delete_before(conn, now - limits::MEMORY).await
}
