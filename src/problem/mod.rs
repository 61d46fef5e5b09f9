//! Every error that the API can answer, as `application/problem+json` (RFC 9457).
//!
//! The table is in `code.rs`; what becomes of the errors of other modules in `translate.rs`. What an error says is
//! what everybody may know: the inside goes to the log, with the request id.

mod code;
mod translate;

pub use code::Code;
pub use translate::FieldIssue;

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// An error answer. The request id is added on the way out.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which one.
    pub code: Code,
    /// What is wrong, in words that help.
    pub detail: String,
    /// The wrong fields, with [`Code::ValidationFailed`].
    pub errors: Vec<FieldProblem>,
    /// Seconds to wait, as `Retry-After`.
    pub retry_after: Option<u32>,
    /// What happened inside: for the log, with the request id, and never for the caller.
    pub cause: Option<String>,
}

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// A JSON pointer (RFC 6901) to the field.
    #[schema(example = "/email")]
    pub pointer: String,
    /// What is wrong with it; stable.
    #[schema(example = "malformed")]
    pub code: &'static str,
    /// The same in words.
    #[schema(example = "must be an e-mail address such as ada@example.com")]
    pub detail: String,
}

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
    #[schema(example = "This needs a session. Sign in with POST /login.")]
    pub detail: String,
    /// The code; stable.
    pub code: Code,
    /// The request, as in `X-Request-Id`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", example = "0198c0de-0000-7000-8000-000000000000")]
    pub request_id: String,
    /// Every field that is wrong; with `validation_failed` only.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
}

impl Problem {
    /// A problem with the usual words of its code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: code.detail().to_owned(),
            errors: Vec::new(),
            retry_after: code.retry_after(),
            cause: None,
        }
    }

    /// The same with other words.
    #[must_use]
    pub fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::new(code) }
    }

    /// Fields are wrong.
    #[must_use]
    pub fn validation_failed(errors: Vec<FieldProblem>) -> Self {
        Self { errors, ..Self::new(Code::ValidationFailed) }
    }

    /// A fault of ours: `error` goes to the log, the caller learns nothing but that.
    #[must_use]
    pub fn internal(error: impl fmt::Display) -> Self {
        Self { cause: Some(error.to_string()), ..Self::new(Code::Internal) }
    }

    /// The body, for the service at `public_url`, of the request `request_id`.
    #[must_use]
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

    /// An empty answer: `server/edge.rs` writes the body, as it knows the request id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.code.status())
    }
}
