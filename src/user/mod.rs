//! Who somebody is: addresses, usernames, accounts.

pub mod changes;
pub mod cleaning;
mod email;
pub mod email_change;
pub mod export;
pub mod import;
pub mod queries;
mod username;

pub use email::{Email, EmailError, deliverable};
pub use username::{Username, UsernameError};

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::schema::users;

/// How long an account may stay unconfirmed.
pub const UNCONFIRMED_TTL: Duration = Duration::days(7);

/// The identity of an account: a UUIDv7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

impl UserId {
    /// A new identity.
    #[must_use]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for UserId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account, as far as it may be shown to its owner.
#[derive(Clone, Debug, Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct User {
    /// Its identity.
    pub id: Uuid,
    /// The address as it was typed.
    pub email: String,
    /// The canonical spelling of the address.
    pub email_canonical: String,
    /// The username as it was typed.
    pub username: Option<String>,
    /// When the address was proved.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When an operator shut the account.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the password was set.
    pub password_set_at: DateTime<Utc>,
    /// When the account was registered.
    pub created_at: DateTime<Utc>,
}

impl User {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> UserId {
        UserId(self.id)
    }

    /// What a reset link refers to: the password that it replaces, by the moment in which that was set.
    #[must_use]
    pub fn password_reference(&self) -> String {
        self.password_set_at.timestamp_micros().to_string()
    }

    /// Whether an operator shut the account.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }

    /// Whether the address was proved.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed_at.is_some()
    }
}
