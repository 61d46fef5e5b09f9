//! Deleting the account. It asks for the password, because a stolen session must not be enough.

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, HashingErrors, RateLimits, SignedInReauth};
use crate::http::extract::SignedIn;
use crate::http::{Fields, FromFields, Json};
use crate::password::Password;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::session;

/// The current password.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountDeletion {
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    password: Password,
}

impl FromFields for AccountDeletion {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { password: Password::new(&fields.text("password")?) })
    }
}

/// Delete your account
///
/// Deletes everything that is stored about it. Also before the address is confirmed.
#[utoipa::path(
    delete, path = "/me", tag = "account", request_body = AccountDeletion,
    responses((status = 204, description = "The account is deleted"),
              SignedInReauth, BodyErrors, RateLimits, HashingErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn delete_account(
    req: HttpRequest,
    signed_in: SignedIn,
    app: web::Data<App>,
    request: RequestContext,
    Json(deletion): Json<AccountDeletion>,
) -> Result<HttpResponse, Problem> {
    let reauth = app.accounts.reauthenticate(&signed_in.user, &deletion.password, &request).await?;
    app.accounts.delete(&reauth, &request).await?;
    session::sign_out(&req)?;
    Ok(HttpResponse::NoContent().finish())
}
