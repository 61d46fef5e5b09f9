//! The confirmation email again: for the account of the session, or for each unconfirmed account of an address.
//!
//! The answer is the same for every address; otherwise it would reveal who has an account. An email that is queued
//! already is not queued a second time; otherwise anybody could fill an inbox.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use utoipa::ToSchema;

use crate::account::Resend;
use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, CrossOrigin, DatabaseErrors, RateLimits};
use crate::flows::views::ConfirmationSent;
use crate::http::extract::Anyone;
use crate::http::{Fields, FromFields, Json};
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::Email;

/// The address to send to.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Resend)]
pub struct ResendRequest {
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
}

impl FromFields for ResendRequest {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { email: fields.parsed("email", Email::parse)? })
    }
}

/// With a session the body is not read.
impl FromRequest for Resend {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let anyone = Anyone::from_request(req, payload).into_inner();
        let body = Json::<ResendRequest>::from_request(req, payload);
        Box::pin(async move {
            match anyone? {
                Anyone(Some(current)) => Ok(Self::Account(Box::new(current.user))),
                Anyone(None) => body.await.map(|Json(resend)| Self::Address(resend.email)),
            }
        })
    }
}

/// Send the confirmation email again
///
/// With a session, for its account, whatever the body says. Without one, for each unconfirmed account of the address. The
/// answer is the same for every address.
#[utoipa::path(
    post, path = "/resend", tag = "account",
    request_body(content = ResendRequest, description = "Not needed with a session"),
    responses((status = 202, description = "If there is something to confirm, an email is on its way",
               body = ConfirmationSent),
              BodyErrors, CrossOrigin, RateLimits, DatabaseErrors),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn resend_confirmation(
    app: web::Data<App>,
    request: RequestContext,
    resend: Resend,
) -> Result<HttpResponse, Problem> {
    app.accounts.resend_confirmation(&resend, &request).await?;
    Ok(HttpResponse::Accepted().json(ConfirmationSent::BODY))
}
