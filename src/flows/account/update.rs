//! Another username, or none.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, ConfirmedChange, DatabaseErrors, RateLimits, UsernameTaken};
use crate::flows::views::UserView;
use crate::http::extract::Confirmed;
use crate::http::{Fields, FromFields, Json};
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::Username;

/// What to change.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// A public name to sign in with, unique without case; `null` removes it.
    #[schema(value_type = Option<String>, required, min_length = 3, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "countess")]
    username: Option<Username>,
}

impl FromFields for AccountChange {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { username: fields.parsed_or_null("username", Username::parse)? })
    }
}

/// Change your username
#[utoipa::path(
    patch, path = "/me", tag = "account", request_body = AccountChange,
    responses((status = 200, description = "The account as it is now", body = UserView),
              ConfirmedChange, BodyErrors, UsernameTaken, RateLimits, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn update_account(
    confirmed: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
    Json(change): Json<AccountChange>,
) -> Result<HttpResponse, Problem> {
    let changed = app.accounts.change_username(&confirmed.user, change.username.as_ref(), &request).await?;
    Ok(HttpResponse::Ok().json(UserView::from(&changed)))
}
