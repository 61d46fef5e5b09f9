//! One's own account.

use actix_web::HttpResponse;

use crate::guard::SignedIn;

use super::answers::AccountView;
use super::responses::{DatabaseFaults, NeedsSession};

/// Show one's account
///
/// Also before the address is confirmed.
#[utoipa::path(
    get, path = "/me", tag = "account",
    responses((status = 200, description = "The account", body = AccountView), NeedsSession, DatabaseFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn get_account(signed_in: SignedIn) -> HttpResponse {
    HttpResponse::Ok().json(AccountView::from(&signed_in.user))
}
