//! Another address. It waits until the new address is confirmed at `/confirm/{token}`; the old one is notified and can
//! undo the change.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, ConfirmedReauth, HashingErrors, RateLimits};
use crate::flows::views::ConfirmationSent;
use crate::http::extract::Confirmed;
use crate::http::{Fields, FromFields, Json};
use crate::password::Password;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::Email;

/// The new address, and the current password.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailChangeRequest {
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    password: Password,
    #[schema(value_type = String, format = "idn-email", example = "ada@example.org")]
    email: Email,
}

impl FromFields for EmailChangeRequest {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let (password, email) = (fields.text("password"), fields.parsed("email", Email::parse));
        Some(Self { password: Password::new(&password?), email: email? })
    }
}

/// Change your address
///
/// The new address gets a link, the old one a notice with a link to undo the change. Only the latest request counts. The
/// answer is the same if the address belongs to another account; its owner gets an email.
#[utoipa::path(
    post, path = "/email/change", tag = "account", request_body = EmailChangeRequest,
    responses((status = 202, description = "An email is on its way", body = ConfirmationSent),
              ConfirmedReauth, BodyErrors, RateLimits, HashingErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn request_email_change(
    confirmed: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
    Json(change): Json<EmailChangeRequest>,
) -> Result<HttpResponse, Problem> {
    let reauth = app.accounts.reauthenticate(&confirmed.user, &change.password, &request).await?;
    app.accounts.request_email_change(&reauth, &change.email, &request).await?;
    Ok(HttpResponse::Accepted().json(ConfirmationSent::BODY))
}
