//! Every error that the API can answer, as `application/problem+json` (RFC 9457).
//!
//! `code.rs` has the table; what becomes of the errors of other modules stands below. An answer says what anybody may know;
//! internal details go to the log, with the request id.

mod code;

pub use code::Code;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::account;
use crate::db::DbError;
use crate::link::LinkError;
use crate::password::WeakPassword;
use crate::session;
use crate::user::{EmailError, UsernameError};

/// An error answer. `http/edge.rs` adds the request id.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    /// The invalid fields, with [`Code::ValidationFailed`].
    pub errors: Vec<FieldProblem>,
    /// Seconds to wait, as `Retry-After`.
    pub retry_after: Option<u32>,
    /// For the log, with the request id; never for the caller.
    pub cause: Option<String>,
}

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// A JSON pointer (RFC 6901) to the field.
    #[schema(example = "/email")]
    pub pointer: String,
    /// What is wrong with it; stable.
    #[schema(example = "malformed")]
    pub code: &'static str,
    /// The same in words.
    #[schema(example = "must be an email address such as ada@example.com")]
    pub detail: String,
}

impl FieldProblem {
    pub fn new(name: &str, issue: FieldIssue) -> Self {
        // RFC 6901, section 3.
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self { pointer, code: issue.code, detail: issue.detail }
    }
}

/// The id of a request, as in `X-Request-Id`.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The body of an error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A page of this service that explains the code.
    #[serde(rename = "type")]
    #[schema(format = "uri", example = "http://127.0.0.1:8080/problems/unauthenticated")]
    pub type_: String,
    /// The code in words.
    #[schema(example = "Not signed in")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 401)]
    pub status: u16,
    /// What is wrong this time.
    #[schema(example = "You need a session. Sign in with POST /login.")]
    pub detail: String,
    /// The code; stable.
    pub code: Code,
    /// The request, as in `X-Request-Id`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", example = "0198c0de-0000-7000-8000-000000000000")]
    pub request_id: String,
    /// Every invalid field; with `validation_failed` only.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
}

impl Problem {
    /// A problem with the detail of its code.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: code.detail().to_owned(),
            errors: Vec::new(),
            retry_after: code.retry_after(),
            cause: None,
        }
    }

    pub fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::new(code) }
    }

    pub fn validation_failed(errors: Vec<FieldProblem>) -> Self {
        Self { errors, ..Self::new(Code::ValidationFailed) }
    }

    /// `error` goes to the log; the caller learns only that there was one.
    pub fn internal(error: impl fmt::Display) -> Self {
        Self { cause: Some(error.to_string()), ..Self::new(Code::Internal) }
    }

    /// The body, for the service at `public_url`, of the request `request_id`.
    pub fn body(&self, public_url: &str, request_id: &str) -> ProblemBody {
        ProblemBody {
            type_: format!("{}/problems/{}", public_url.trim_end_matches('/'), self.code.name()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    /// Empty: `http/edge.rs` writes the body, because it knows the request id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.code.status())
    }
}

impl From<account::Error> for Problem {
    fn from(error: account::Error) -> Self {
        use account::Error;
        match error {
            Error::Database(error) => error.into(),
            Error::Overloaded(_) => Self::new(Code::Overloaded),
            Error::RateLimited(wait) => Self { retry_after: Some(wait.seconds), ..Self::new(Code::RateLimited) },
            Error::WeakPassword(weak) => Self::weak_password("password", weak),
            Error::InvalidCredentials => Self::new(Code::InvalidCredentials),
            Error::PasswordRequired => Self::new(Code::PasswordRequired),
            Error::WrongPassword => Self::new(Code::WrongPassword),
            Error::Outdated => Self::new(Code::Unauthenticated),
            Error::LinkUsed | Error::AddressTaken => Self::new(Code::LinkUsed),
            Error::CodeInvalid => Self::new(Code::CodeInvalid),
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
