//! Mail: mails, the queue that they wait in, and the worker that delivers them.
//!
//! A mail is queued in the transaction that promises it and sent by nobody else than the worker, which mints the
//! link at that moment. If a mail were sent inside a request, a slow mail server would be a slow sign-up; if it were
//! not in the transaction, a crash would lose it.

mod built_in;
mod compose;
mod content;
mod delivery;
mod diagnose;
mod language;
mod limits;
mod listen;
pub mod mailbox;
mod message;
mod new_mail;
pub mod outbox;
mod recipient;
mod smtp;
pub mod status;
mod templates;
mod worker;

pub use compose::MailerParts;
pub use content::{MailContent, MailKind, MailOrigin, TemplateVariables};
pub use delivery::{Delivery, DeliveryError};
pub use diagnose::diagnose;
pub use limits::SENT_MAILS_TTL;
pub use mailbox::Mailbox;
pub use new_mail::NewMail;
pub use templates::{TemplateError, Templates};
pub use worker::{MailHealth, MailWaker, Mailer};
