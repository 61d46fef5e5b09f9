//! A forgotten password: an email with a link to set a new one.
//!
//! The answer is the same for every address; otherwise it would reveal who has an account.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, DatabaseErrors, RateLimits};
use crate::http::{Fields, FromFields, Json};
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::Email;

/// The address of the account.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    #[schema(value_type = String, format = "idn-email", example = "ada@example.com")]
    email: Email,
}

impl FromFields for Forgotten {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { email: fields.parsed("email", Email::parse)? })
    }
}

/// If there is an account, an email is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResetSent {
    #[schema(example = "reset_sent", pattern = "^reset_sent$")]
    status: &'static str,
}

/// Request a link to set a new password
///
/// It goes to the confirmed account of the address, else to the newest unconfirmed one. The answer is the same for every
/// address.
#[utoipa::path(
    post, path = "/password/forgot", tag = "password", request_body = Forgotten,
    responses((status = 202, description = "If there is an account, an email is on its way", body = ResetSent),
              BodyErrors, RateLimits, DatabaseErrors)
)]
pub async fn request_password_reset(
    app: web::Data<App>,
    request: RequestContext,
    Json(forgotten): Json<Forgotten>,
) -> Result<HttpResponse, Problem> {
    app.accounts.request_password_reset(&forgotten.email, &request).await?;
    Ok(HttpResponse::Accepted().json(ResetSent { status: "reset_sent" }))
}
