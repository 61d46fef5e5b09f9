//! The letters: each a kind with three templates (subject, text, HTML) per language in `templates/mail`.

mod language;
mod shipped;
mod templates;

pub use templates::{TemplateError, Templates};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// A letter that can be written. To add one: a line here and in `shipped.rs`, and three templates per language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterKind {
    /// The link that proves an address.
    ConfirmEmail,
    /// To the owner of an address that somebody registered again.
    AlreadyRegistered,
    /// To an operator who wants to know whether letters leave.
    Test,
}

impl LetterKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ConfirmEmail, Self::AlreadyRegistered, Self::Test];

    /// Its name in the queue and in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::AlreadyRegistered => "already_registered",
            Self::Test => "test",
        }
    }
}

/// Who caused a letter, when and from where: so that somebody who did not can tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Occasion {
    /// When.
    pub at: DateTime<Utc>,
    /// From where.
    pub client: Client,
    /// The language to write in, one that [`Templates::choose`] gave.
    pub language: String,
}

/// A letter as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// The words that templates can use, as `{{ words.service }}` and so on. All letters share them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Words {
    /// The name of the service.
    pub service: String,
    /// The address that the letter goes to.
    pub email: String,
    /// The link, or empty in a letter without one.
    pub link: String,
    /// How long the link lives, such as `24 hours`.
    pub lifetime: String,
    /// When the letter was caused.
    pub when: String,
    /// The network address that it was caused from.
    pub ip: String,
    /// The program that it was caused with.
    pub device: String,
}

impl Words {
    /// The words that say who caused a letter to `email`.
    #[must_use]
    pub fn new(service: &str, email: &str, occasion: &Occasion) -> Self {
        let language = occasion.language.as_str();
        Self {
            service: service.to_owned(),
            email: email.to_owned(),
            link: String::new(),
            lifetime: String::new(),
            when: language::when(language, occasion.at),
            ip: occasion.client.ip.to_string(),
            device: language::device(language, occasion.client.user_agent.as_deref()),
        }
    }

    /// Adds a link that lives for `ttl`.
    #[must_use]
    pub fn with_link(self, link: String, ttl: std::time::Duration, language: &str) -> Self {
        Self { link, lifetime: language::lifetime(language, ttl), ..self }
    }

    /// Words to try a template with.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            service: "auth.example.com".into(),
            email: "ada@example.com".into(),
            link: "https://auth.example.com/confirm/token".into(),
            lifetime: "24 h".into(),
            when: "2026-11-21 19:40 UTC".into(),
            ip: "192.0.2.7".into(),
            device: "curl/8.5.0".into(),
        }
    }
}
