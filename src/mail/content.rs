//! What a mail says: its kind, and the variables of its templates.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::link::{CODE_TTL, Code};
use crate::request::{Client, RequestContext};

use super::language;

/// To add one: a variant here, three templates per language in `templates/mail`, and its recipient in `compose.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum MailKind {
    ConfirmEmail,
    /// To the owner of an address that another request wanted for a new account, or for another one.
    AlreadyRegistered,
    ResetPassword,
    PasswordChanged,
    /// To the new address, with the link that confirms it.
    ChangeEmail,
    /// To the old address, with the link that undoes the change.
    EmailChangeNotice,
    /// To the address that an account had before the change was undone.
    EmailChangeUndone,
    /// To the owner of an account, once only a new password helps.
    SignInLocked,
    AccountDeleted,
    /// Sent by `vestibule mail test`.
    Test,
}

impl MailKind {
    /// As in the outbox and in the names of templates.
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn names() -> Vec<&'static str> {
        Self::VARIANTS.iter().map(|kind| kind.name()).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailContent {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// For the development mailbox: the digits of the code.
    pub code: Option<String>,
}

/// When and from where the mail was caused.
#[derive(Clone, Debug)]
pub struct MailOrigin {
    pub at: DateTime<Utc>,
    /// `None` for an account that an admin made.
    pub client: Option<Client>,
}

/// What templates can use, as `{{ service }}` and so on. All mails have the same variables; some are empty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TemplateVariables {
    pub service: String,
    /// The address that the mail goes to.
    pub email: String,
    /// The other address, in mails about a change of it.
    pub other_email: String,
    pub link: String,
    /// How long the link works, such as `24 hours`.
    pub lifetime: String,
    /// Eight digits to type instead of opening the link, such as `1234 5678`; in `confirm_email` only.
    pub code: String,
    /// How long the code works.
    pub code_lifetime: String,
    /// When the mail was requested; in `confirm_email` when the account was registered.
    pub when: String,
    /// The network address that it was requested from; empty for an account that an admin made.
    pub ip: String,
    /// The program that it was requested with; empty where `ip` is.
    pub device: String,
}

impl TemplateVariables {
    /// Those of a mail to `email` that `request` caused.
    pub fn new(service: &str, email: &str, request: &RequestContext) -> Self {
        let variables = Self { service: service.to_owned(), email: email.to_owned(), ..Self::default() };
        let origin = MailOrigin { at: request.at, client: Some(request.client.clone()) };
        variables.with_origin(&origin, &request.language)
    }

    pub fn with_origin(self, origin: &MailOrigin, language: &str) -> Self {
        let client = origin.client.as_ref();
        let device = |client: &Client| language::device(language, client.user_agent.as_deref());
        Self {
            when: language::when(language, origin.at),
            ip: client.map(|client| client.ip.to_string()).unwrap_or_default(),
            device: client.map(device).unwrap_or_default(),
            ..self
        }
    }

    pub fn with_link(self, link: String, ttl: Duration, language: &str) -> Self {
        Self { link, lifetime: language::lifetime(language, ttl), ..self }
    }

    pub fn with_code(self, code: Code, language: &str) -> Self {
        Self { code: code.to_string(), code_lifetime: language::lifetime(language, CODE_TTL), ..self }
    }

    /// To try a template with.
    pub fn sample() -> Self {
        Self {
            service: "auth.example.com".into(),
            email: "ada@example.com".into(),
            other_email: "ada@example.org".into(),
            link: "https://auth.example.com/confirm/token".into(),
            lifetime: "24 h".into(),
            code: "1234 5678".into(),
            code_lifetime: "15 min".into(),
            when: "2026-11-21 19:40 UTC".into(),
            ip: "192.0.2.7".into(),
            device: "curl/8.5.0".into(),
        }
    }
}
