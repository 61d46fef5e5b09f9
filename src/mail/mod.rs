//! Mail: letters, the queue that they wait in, and the worker that delivers them.
//!
//! A letter is queued in the transaction that promises it and sent by nobody else than the worker, which mints the
//! link at that moment. If a letter were sent inside a request, a slow mail server would be a slow sign-up; if it were
//! not in the transaction, a crash would lose it.

mod delivery;
mod letter;
pub mod mailbox;
pub mod queue;
mod worker;

pub use delivery::{Delivery, DeliveryError};
pub use letter::{Letter, LetterKind, Occasion};
pub use mailbox::Mailbox;
pub use worker::{MailHealth, Mailer, MailerParts};
