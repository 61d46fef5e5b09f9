//! Email: queued in the transaction that causes it, then composed and delivered by a worker.
//!
//! If a request sent its mail itself, a slow mail server would make sign-up slow. If the mail were queued outside the
//! transaction, a crash could lose it.

pub mod code_tries;
mod compose;
mod content;
mod delivery;
mod diagnose;
mod language;
mod limits;
pub mod mailbox;
pub mod outbox;
mod refusal;
mod smtp;
mod smtp_server;
pub mod status;
mod templates;
mod wake;
mod worker;

pub use compose::MailerParts;
pub use content::{MailContent, MailKind, MailOrigin, TemplateVariables};
pub use delivery::{Delivery, DeliveryError};
pub use diagnose::diagnose;
pub use mailbox::Mailbox;
pub use outbox::NewMail;
/// The database connections of the worker: one for each mail that is being sent.
pub use smtp::CONNECTIONS as MAIL_CONNECTIONS;
pub use smtp_server::SmtpUrlError;
pub use templates::{MailTemplateError, MailTemplates};
pub use wake::{MailWaker, notify};
pub use worker::{MailHealth, Mailer};
