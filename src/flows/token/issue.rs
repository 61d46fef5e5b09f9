//! Token: an access token for the other services of a confirmed user.
//!
//! Nobody can revoke a token, so it lives for minutes, and a session that has ended gets no new one.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access_token::Subject;
use crate::app::App;
use crate::flows::documented_errors::{ConfirmedChange, DatabaseErrors};
use crate::http::extract::Confirmed;
use crate::problem::Problem;
use crate::request::RequestContext;

/// An access token, as OAuth shapes it (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessToken {
    /// A JWT, signed with ES256.
    #[schema(example = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9…")]
    access_token: String,
    #[schema(pattern = "^Bearer$", example = "Bearer")]
    token_type: &'static str,
    /// In seconds.
    #[schema(example = 600)]
    expires_in: u64,
}

/// Get an access token for your other services
///
/// A signed token that your other services verify by themselves, with the keys of `/.well-known/jwks.json`. It says who the
/// user is (`sub`), and expires after minutes (`ACCESS_TTL`); ask for a new one then. This service takes sessions only.
#[utoipa::path(
    post, path = "/token", tag = "token",
    responses((status = 200, description = "The token", body = AccessToken), ConfirmedChange, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn issue_access_token(
    Confirmed { user, session_id, signed_in_at }: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
) -> Result<HttpResponse, Problem> {
    let ttl = app.access_tokens.config().ttl;
    let subject = Subject { user: &user, session_id, signed_in_at };
    let access_token = app.access_tokens.issue(&app.db, subject, ttl, request.at).await?;
    Ok(HttpResponse::Ok().json(AccessToken { access_token, token_type: "Bearer", expires_in: ttl.as_secs() }))
}
