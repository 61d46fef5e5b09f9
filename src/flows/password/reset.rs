//! A new password by a link from an email. The link works once.
//!
//! It proves the address as well, so it confirms it. Every session ends: this may be an owner who takes the account back.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, HashingErrors, LinkErrors};
use crate::http::{Fields, FromFields, Json};
use crate::link::{Link, Purpose};
use crate::problem::Problem;
use crate::request::RequestContext;

/// The new password, and the token of the link.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    token: String,
    /// At least 8 characters (`PASSWORD_MIN_LENGTH`), and hard to guess.
    #[schema(format = Password, max_length = 256, example = "brick-violet-otter-19")]
    password: String,
}

impl FromFields for PasswordReset {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let (token, password) = (fields.text("token"), fields.text("password"));
        Some(Self { token: token?, password: password? })
    }
}

/// Set a new password by a link
///
/// Every session of the account ends. A password that is refused does not spend the link.
#[utoipa::path(
    post, path = "/password/reset", tag = "password", request_body = PasswordReset,
    responses((status = 204, description = "The password is set"), BodyErrors, LinkErrors, HashingErrors)
)]
pub async fn reset_password(
    app: web::Data<App>,
    request: RequestContext,
    Json(reset): Json<PasswordReset>,
) -> Result<HttpResponse, Problem> {
    let link = read_link(&app, &reset.token)?;
    app.accounts.reset_password(&link, &reset.password, &request).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) fn read_link(app: &App, token: &str) -> Result<Link, Problem> {
    Ok(app.links.read(token, &[Purpose::ResetPassword], app.clock.now())?)
}
