//! The account of the session.

use actix_web::HttpResponse;

use crate::flows::documented_errors::{DatabaseErrors, NeedsSession};
use crate::flows::views::UserView;
use crate::http::extract::SignedIn;

/// View your account
///
/// Also before the address is confirmed.
#[utoipa::path(
    get, path = "/me", tag = "account",
    responses((status = 200, description = "The account", body = UserView), NeedsSession, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn get_account(signed_in: SignedIn) -> HttpResponse {
    HttpResponse::Ok().json(UserView::from(&signed_in.user))
}
