//! Accounts as data: addresses, usernames, users, and the queries that store them.
//!
//! The queries take a connection: the operations in `account/` own the transactions. Whatever changes which accounts an
//! address has locks its row in `addresses` first, so that registrations and confirmations of one address happen one
//! after the other.

pub mod addresses;
mod email;
pub mod email_changes;
pub mod registrations;
mod username;
pub mod users;

pub use email::{Email, EmailError, deliverable, mailbox_of};
pub use username::{Username, UsernameError};

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::schema::users as users_table;

/// How long an account may stay unconfirmed.
pub const UNCONFIRMED_TTL: Duration = Duration::days(7);

/// The id of an account, a UUIDv7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

impl UserId {
    /// A new id.
    #[expect(clippy::new_without_default, reason = "each one differs")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A new credential version: 128 random bits that only the database knows.
pub fn new_credential_version() -> Uuid {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    Uuid::from_bytes(bytes)
}

/// An address in both spellings.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    pub typed: &'a str,
    pub canonical: &'a str,
}

impl<'a> From<&'a Email> for Address<'a> {
    fn from(email: &'a Email) -> Self {
        Self { typed: email.as_typed(), canonical: email.canonical() }
    }
}

/// An account, without its password hash.
#[derive(Clone, Debug, Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = users_table, check_for_backend(diesel::pg::Pg))]
pub struct User {
    pub id: Uuid,
    /// The address as the user typed it.
    pub email: String,
    pub email_canonical: String,
    /// The username as the user typed it.
    pub username: Option<String>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
    /// `None` for an account without a password.
    pub password_set_at: Option<DateTime<Utc>>,
    /// New whenever a password is set. A re-authentication or a link from before then no longer counts.
    pub credential_version: Uuid,
    pub created_at: DateTime<Utc>,
}

impl User {
    pub fn id(&self) -> UserId {
        UserId(self.id)
    }

    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }

    pub fn is_confirmed(&self) -> bool {
        self.confirmed_at.is_some()
    }

    pub fn address(&self) -> Address<'_> {
        Address { typed: &self.email, canonical: &self.email_canonical }
    }

    /// What others would try first as this user's password.
    pub fn own_words(&self) -> [&str; 2] {
        [self.email.as_str(), self.username.as_deref().unwrap_or_default()]
    }
}
