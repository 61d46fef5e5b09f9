//! Answer types that several flows share, so that no flow has to know another.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::user::User;

/// A letter is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmationSent {
    /// Always the same.
    #[schema(example = "confirmation_sent", pattern = "^confirmation_sent$")]
    pub(super) status: &'static str,
}

impl ConfirmationSent {
    pub(super) const BODY: Self = Self { status: "confirmation_sent" };
}

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
