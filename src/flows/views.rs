//! Answers that several flows share.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::request::device_name;
use crate::session::{NewSession, Session};
use crate::user::User;

/// An email with a link to confirm the address is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConfirmationSent {
    #[schema(example = "confirmation_sent", pattern = "^confirmation_sent$")]
    status: &'static str,
}

impl ConfirmationSent {
    pub const BODY: Self = Self { status: "confirmation_sent" };
}

/// What spending a link or a code did.
#[derive(Serialize, ToSchema)]
pub struct Confirmation {
    pub status: ConfirmationStatus,
    /// After a change of address was undone: a token for `POST /password/reset`, because the old password no longer works.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reset_token: Option<String>,
}

/// Whether this request confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationStatus {
    /// This request did.
    Confirmed,
    /// An earlier one did.
    AlreadyConfirmed,
}

impl ConfirmationStatus {
    pub fn new(was_spent: bool) -> Self {
        if was_spent { Self::AlreadyConfirmed } else { Self::Confirmed }
    }
}

/// An account, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// A UUIDv7.
    id: Uuid,
    /// The address as it was typed.
    #[schema(format = "idn-email", example = "ada@example.com")]
    email: String,
    /// The username as it was typed.
    #[schema(required, example = "ada")]
    username: Option<String>,
    /// Whether the address is confirmed.
    confirmed: bool,
    created_at: DateTime<Utc>,
}

impl From<&User> for UserView {
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
    /// A UUIDv7.
    id: Uuid,
    created_at: DateTime<Utc>,
    /// To five minutes, or more exactly if the session may be unused for less than 12 hours.
    last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// Where the user signed in.
    #[schema(value_type = String, example = "192.0.2.7")]
    ip: IpAddr,
    /// The program that the user signed in with.
    #[schema(required, example = "curl/8.5.0")]
    user_agent: Option<String>,
    /// The program for people, such as `Firefox on Linux`.
    #[schema(example = "curl")]
    device: String,
    /// Whether this request belongs to it.
    current: bool,
}

impl SessionView {
    pub fn new(session: Session, current_id: Uuid) -> Self {
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

/// A session, as its client gets it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionHandle {
    /// Not a secret.
    id: Uuid,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// The secret, with the transport `bearer` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    token: Option<String>,
}

impl SessionHandle {
    pub fn new(session: &NewSession, token: Option<String>) -> Self {
        Self { id: session.id, expires_at: session.expires_at, token }
    }
}
