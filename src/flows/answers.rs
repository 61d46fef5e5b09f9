//! Answer types that several flows share, so that no flow has to know another.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::client::device_name;
use crate::session::queries::Session;
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

/// A letter with a link to set a password is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResetSent {
    /// Always the same.
    #[schema(example = "reset_sent", pattern = "^reset_sent$")]
    status: &'static str,
}

impl ResetSent {
    pub(super) const BODY: Self = Self { status: "reset_sent" };
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

/// A session, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its identity: a UUIDv7.
    id: Uuid,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// Where it was begun.
    #[schema(value_type = String, example = "192.0.2.7")]
    ip: IpAddr,
    /// With what.
    #[schema(required, example = "curl/8.5.0")]
    user_agent: Option<String>,
    /// The same for a person, such as `Firefox on Linux`.
    #[schema(example = "curl")]
    device: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionView {
    pub(super) fn new(session: Session, current_id: Uuid) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            ip: session.ip.addr(),
            device: device_name(session.user_agent.as_deref()),
            user_agent: session.user_agent,
            current: session.id == current_id,
        }
    }
}
