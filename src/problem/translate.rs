//! What becomes of other modules' errors: the only place that says so.

use crate::account;
use crate::db::DbError;
use crate::link::LinkError;
use crate::password::WeakPassword;
use crate::session;
use crate::user::{EmailError, UsernameError};

use super::{Code, FieldProblem, Problem};

impl From<account::Error> for Problem {
    fn from(error: account::Error) -> Self {
        use account::Error;
        match error {
            Error::Database(error) => error.into(),
            Error::Overloaded(_) => Self::new(Code::Overloaded),
            Error::RateLimited(wait) => Self { retry_after: Some(wait.seconds), ..Self::new(Code::RateLimited) },
            Error::WeakPassword(weak) => Self::weak_password("password", weak),
            Error::InvalidCredentials => Self::new(Code::InvalidCredentials),
            Error::WrongPassword => Self::new(Code::WrongPassword),
            Error::Outdated => Self::new(Code::Unauthenticated),
            Error::LinkUsed | Error::AddressTaken => Self::new(Code::LinkUsed),
            Error::UsernameTaken => Self::new(Code::UsernameTaken),
            Error::Conflict => Self::with_detail(Code::Unavailable, CONFLICT),
            // Only commands name accounts, and parameters that changed are dealt with where passwords are hashed.
            error @ (Error::NotFound | Error::Ambiguous(_) | Error::ParametersChanged(_)) => Self::internal(error),
        }
    }
}

const CONFLICT: &str = "Other requests are changing this account. Nothing was changed. Try again in a few seconds.";

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(reason) => Self { cause: Some(reason), ..Self::new(Code::Unavailable) },
            error => Self::internal(error),
        }
    }
}

impl From<session::Error> for Problem {
    fn from(error: session::Error) -> Self {
        match error {
            session::Error::CrossOrigin => Self::new(Code::CrossOrigin),
            session::Error::Unavailable(reason) => Self { cause: Some(reason), ..Self::new(Code::Unavailable) },
            session::Error::Internal(reason) => Self::internal(reason),
        }
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

impl Problem {
    /// The policy refuses the password in `field`.
    pub fn weak_password(field: &str, weak: WeakPassword) -> Self {
        Self::validation_failed(vec![FieldProblem::new(field, weak.into())])
    }
}

/// What is wrong with the value of a field.
#[derive(Debug)]
pub struct FieldIssue {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

impl FieldIssue {
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
