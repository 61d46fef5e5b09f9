//! One's own account.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::guard::SignedIn;
use crate::user::User;

use super::responses::{DatabaseFaults, NeedsSession};

/// An account, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct AccountView {
    /// Its identity: a UUIDv7.
    id: Uuid,
    /// The address as it was typed.
    #[schema(format = "idn-email", example = "ada@example.com")]
    email: String,
    /// The username as it was typed.
    #[schema(required, example = "ada")]
    username: Option<String>,
    /// Whether the address was proved.
    confirmed: bool,
    /// When it was registered.
    created_at: DateTime<Utc>,
}

impl From<&User> for AccountView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            username: user.username.clone(),
            confirmed: user.is_confirmed(),
            created_at: user.created_at,
        }
    }
}

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
