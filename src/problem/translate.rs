//! What becomes of other modules' errors: the only place that says so.

use crate::db::DbError;
use crate::link::LinkError;
use crate::password::{QueueFull, WeakPassword};
use crate::throttle::Wait;
use crate::user::queries::{CONFIRMED_EMAIL_KEY, USERNAME_KEY};
use crate::user::{EmailError, UsernameError};

use super::{Code, Problem};

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if error.is_constraint(USERNAME_KEY) {
            Self::new(Code::UsernameTaken)
        } else if error.is_constraint(CONFIRMED_EMAIL_KEY) {
            Self::new(Code::LinkUsed)
        } else if let DbError::Unavailable(reason) = error {
            Self { cause: Some(reason), ..Self::new(Code::Unavailable) }
        } else {
            Self::internal(error)
        }
    }
}

impl From<diesel::result::Error> for Problem {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

impl From<QueueFull> for Problem {
    fn from(QueueFull: QueueFull) -> Self {
        Self::new(Code::Overloaded)
    }
}

impl From<Wait> for Problem {
    fn from(wait: Wait) -> Self {
        Self { retry_after: Some(wait.seconds), ..Self::new(Code::RateLimited) }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        Self::new(match error {
            LinkError::Invalid => Code::LinkInvalid,
            LinkError::Expired => Code::LinkExpired,
        })
    }
}

/// What is wrong with the value of a field.
#[derive(Debug)]
pub struct FieldIssue {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

impl FieldIssue {
    /// An issue with a stable code, in words.
    #[must_use]
    pub fn new(code: &'static str, detail: &str) -> Self {
        Self { code, detail: detail.to_owned() }
    }
}

impl From<EmailError> for FieldIssue {
    fn from(error: EmailError) -> Self {
        let code = match error {
            EmailError::TooLong => "too_long",
            EmailError::Malformed => "malformed",
        };
        Self { code, detail: error.to_string() }
    }
}

impl From<UsernameError> for FieldIssue {
    fn from(error: UsernameError) -> Self {
        let code = match error {
            UsernameError::Length => "wrong_length",
            UsernameError::Character => "wrong_character",
        };
        Self { code, detail: error.to_string() }
    }
}

impl From<WeakPassword> for FieldIssue {
    fn from(error: WeakPassword) -> Self {
        let code = match error {
            WeakPassword::TooShort(_) => "too_short",
            WeakPassword::TooLong => "too_long",
            WeakPassword::ControlCharacter => "control_character",
            WeakPassword::Guessable(_) => "too_guessable",
        };
        Self { code, detail: error.to_string() }
    }
}
