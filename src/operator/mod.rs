//! What an operator can do to an account from the command line. Each change is one transaction, and an event of the
//! account.

mod look;

pub use look::{AccountDetails, SessionSummary, find, find_with_parameters, list, show};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::AsyncConnection as _;
use serde::Serialize;
use uuid::Uuid;

use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::password::{HashParameters, PasswordHash};
use crate::session;
use crate::user::queries::{self, NewUser};
use crate::user::{Email, User, UserId, Username, changes, email_change};
use crate::{throttle, user};

/// An account, as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Its identity.
    pub id: Uuid,
    /// The address as it was typed.
    pub email: String,
    /// The username as it was typed.
    pub username: Option<String>,
    /// When the address was proved.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it was shut.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// `disabled`, `confirmed` or `unconfirmed`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.disabled_at, self.confirmed_at) {
            (Some(_), _) => "disabled",
            (None, Some(_)) => "confirmed",
            (None, None) => "unconfirmed",
        }
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let User { id, email, username, confirmed_at, disabled_at, created_at, .. } = user;
        Self { id, email, username, confirmed_at, disabled_at, created_at }
    }
}

/// An account to make.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Its address.
    pub email: &'a Email,
    /// Its username.
    pub username: Option<&'a Username>,
    /// The hash of its password.
    pub hash: &'a PasswordHash,
    /// What that was hashed under.
    pub parameters: &'a HashParameters,
    /// Whether its address counts as proved.
    pub is_confirmed: bool,
}

/// What became of an account to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there.
    Done(Uuid),
    /// Its address belongs to somebody.
    AddressTaken,
    /// Its username belongs to somebody.
    UsernameTaken,
    /// Not, as somebody renewed the parameters of the address meanwhile.
    Outrun,
}

/// A change by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The address counts as proved.
    Confirm,
    /// Nobody can sign in.
    Disable,
    /// Somebody can again.
    Enable,
    /// Nobody is signed in.
    SignOut,
    /// It is gone.
    Delete,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Changed {
    /// It was made.
    Done(Account),
    /// There is no such account.
    Unknown,
    /// The address belongs to another account.
    AddressTaken,
    /// Several people registered the address: whose word is it? These are their accounts.
    Ambiguous(Vec<Account>),
}

/// What a password of an account of this address is hashed under; makes the address known.
///
/// # Errors
/// Those of the database.
pub async fn parameters_for(
    conn: &mut Connection,
    email: &Email,
    cost: u32,
    now: DateTime<Utc>,
) -> QueryResult<HashParameters> {
    queries::lock_address(conn, email.canonical(), &HashParameters::random(cost), now).await
}

/// Makes an account.
///
/// # Errors
/// Those of the database.
pub async fn create(conn: &mut Connection, new: &NewAccount<'_>, now: DateTime<Utc>) -> QueryResult<Created> {
    let id = UserId::new();
    let created = conn.transaction(async |conn| {
        let shared = queries::lock_address(conn, new.email.canonical(), new.parameters, now).await?;
        if shared != *new.parameters {
            return Ok(Created::Outrun);
        }
        if new.is_confirmed && queries::is_address_taken(conn, new.email.canonical()).await? {
            return Ok(Created::AddressTaken);
        }
        let user = NewUser { id, email: new.email, username: new.username, password_hash: new.hash, created_at: now };
        queries::insert(conn, &user).await?;
        event::record_operator(conn, id, EventKind::CreatedByOperator, now).await?;
        if new.is_confirmed {
            confirm(conn, id, new.email.canonical(), now).await?;
        }
        queries::delete_surplus(conn, new.email.canonical()).await?;
        Ok::<_, Error>(Created::Done(id.0))
    });
    match created.await {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(Created::UsernameTaken),
        created => created,
    }
}

/// Changes an account.
///
/// # Errors
/// Those of the database.
pub async fn change(conn: &mut Connection, name: &str, change: Change, now: DateTime<Utc>) -> QueryResult<Changed> {
    conn.transaction(async |conn| {
        let Some(user) = find(conn, name).await? else {
            return Ok(Changed::Unknown);
        };
        let (id, canonical) = (user.id(), user.email_canonical.clone());
        queries::lock_known_address(conn, &canonical).await?;
        match change {
            Change::Confirm => {
                let rivals = look::rivals(conn, name, &user).await?;
                if !rivals.is_empty() {
                    return Ok(Changed::Ambiguous(rivals));
                }
                if !user.is_confirmed() && queries::is_address_taken(conn, &canonical).await? {
                    return Ok(Changed::AddressTaken);
                }
                confirm(conn, id, &canonical, now).await?;
            }
            Change::Disable => {
                changes::set_disabled_at(conn, id, Some(now)).await?;
                session::queries::delete_all(conn, id, None).await?;
                event::record_operator(conn, id, EventKind::DisabledByOperator, now).await?;
            }
            Change::Enable => {
                changes::set_disabled_at(conn, id, None).await?;
                event::record_operator(conn, id, EventKind::EnabledByOperator, now).await?;
            }
            Change::SignOut => {
                session::queries::delete_all(conn, id, None).await?;
                event::record_operator(conn, id, EventKind::SignedOutByOperator, now).await?;
            }
            Change::Delete => {
                changes::delete(conn, &user).await?;
            }
        }
        Ok::<_, Error>(Changed::Done(user.into()))
    })
    .await
}

/// Sets a password that was hashed under `parameters`, ends all sessions and lifts the limit on logins. `false` where
/// the account changed meanwhile.
///
/// # Errors
/// Those of the database.
pub async fn set_password(
    conn: &mut Connection,
    id: Uuid,
    hash: &PasswordHash,
    parameters: &HashParameters,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    conn.transaction(async |conn| {
        let Some(user) = queries::find(conn, UserId(id)).await? else {
            return Ok(false);
        };
        queries::lock_known_address(conn, &user.email_canonical).await?;
        if queries::find_parameters(conn, &user.email_canonical).await?.as_ref() != Some(parameters) {
            return Ok(false);
        }
        if !changes::set_password(conn, user.id(), user.password_set_at, hash, now).await? {
            return Ok(false);
        }
        email_change::delete_pending(conn, user.id()).await?;
        session::queries::delete_all(conn, user.id(), None).await?;
        throttle::lift(conn, &user).await?;
        event::record_operator(conn, user.id(), EventKind::PasswordSetByOperator, now).await?;
        Ok::<_, Error>(true)
    })
    .await
}

/// Confirms an account, as a click on its link would.
async fn confirm(conn: &mut Connection, id: UserId, canonical: &str, now: DateTime<Utc>) -> QueryResult<()> {
    if user::queries::set_confirmed(conn, id, canonical, now).await? {
        queries::delete_unconfirmed_of(conn, canonical).await?;
        event::record_operator(conn, id, EventKind::ConfirmedByOperator, now).await?;
    }
    Ok(())
}
