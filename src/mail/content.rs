//! The mails: each a kind with three templates (subject, text, HTML) per language in `templates/mail`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::request::{Client, RequestContext};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal)+) => {
        /// A mail that can be written. To add one: a line here and in `shipped.rs`, three templates per language, and
        /// what it needs in `recipient.rs`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum MailKind {
            $($(#[$doc])* $variant,)+
        }

        impl MailKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in the queue and in file names.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// The link that proves an address.
    ConfirmEmail "confirm_email"
    /// To the owner of an address that somebody registered again, or wanted for their account.
    AlreadyRegistered "already_registered"
    /// The link that sets a new password.
    ResetPassword "reset_password"
    /// That the password is another one now.
    PasswordChanged "password_changed"
    /// The link that proves another address of an account.
    ChangeEmail "change_email"
    /// To the address before, with the link that takes the change back.
    EmailChangeNotice "email_change_notice"
    /// That the account is gone.
    AccountDeleted "account_deleted"
    /// To an admin who wants to know whether mails leave.
    Test "test"
}

impl MailKind {
    /// The names of all of them.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|kind| kind.name()).collect()
    }

    /// The mail of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// A mail as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailContent {
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// What a mail says it comes from.
#[derive(Clone, Debug)]
pub struct MailOrigin {
    /// When.
    pub at: DateTime<Utc>,
    /// From where; none of an account that an admin made.
    pub client: Option<Client>,
}

/// The words that templates can use, as `{{ words.service }}` and so on. All mails share them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TemplateVariables {
    /// The name of the service.
    pub service: String,
    /// The address that the mail goes to.
    pub email: String,
    /// The other address, in mails about a change of it.
    pub other_email: String,
    /// The link, or empty in a mail without one.
    pub link: String,
    /// How long the link lives, such as `24 hours`.
    pub lifetime: String,
    /// When the mail was caused; in `confirm_email` when its account was registered, whoever asked for the mail.
    pub when: String,
    /// The network address that it was caused from; in `confirm_email` empty for an account that nobody registered.
    pub ip: String,
    /// The program that it was caused with; empty where `ip` is.
    pub device: String,
}

impl TemplateVariables {
    /// The words that say who caused a mail to `email`.
    #[must_use]
    pub fn new(service: &str, email: &str, request: &RequestContext) -> Self {
        let words = Self { service: service.to_owned(), email: email.to_owned(), ..Self::default() };
        words.with_origin(request.at, Some(&request.client), &request.language)
    }

    /// The same with another origin.
    #[must_use]
    pub fn with_origin(self, at: DateTime<Utc>, client: Option<&Client>, language: &str) -> Self {
        Self {
            when: super::language::when(language, at),
            ip: client.map(|client| client.ip.to_string()).unwrap_or_default(),
            device: client
                .map(|client| super::language::device(language, client.user_agent.as_deref()))
                .unwrap_or_default(),
            ..self
        }
    }

    /// Adds a link that lives for `ttl`.
    #[must_use]
    pub fn with_link(self, link: String, ttl: std::time::Duration, language: &str) -> Self {
        Self { link, lifetime: super::language::lifetime(language, ttl), ..self }
    }

    /// TemplateVariables to try a template with.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            service: "auth.example.com".into(),
            email: "ada@example.com".into(),
            other_email: "ada@example.org".into(),
            link: "https://auth.example.com/confirm/token".into(),
            lifetime: "24 h".into(),
            when: "2026-11-21 19:40 UTC".into(),
            ip: "192.0.2.7".into(),
            device: "curl/8.5.0".into(),
        }
    }
}
