//! What an admin does to an account by its name: an address, a username or an id.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::session;
use crate::user::{Email, User, addresses, users};

use super::{Accounts, Error, confirm, delete, queries};

/// An account, as an admin sees it.
#[derive(Clone, Debug, Serialize)]
pub struct AccountSummary {
    pub id: Uuid,
    pub email: String,
    pub username: Option<String>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

impl AccountSummary {
    /// `disabled`, `confirmed` or `unconfirmed`.
    pub fn state(&self) -> &'static str {
        match (self.disabled_at, self.confirmed_at) {
            (Some(_), _) => "disabled",
            (None, Some(_)) => "confirmed",
            (None, None) => "unconfirmed",
        }
    }
}

impl From<User> for AccountSummary {
    fn from(user: User) -> Self {
        let User { id, email, username, confirmed_at, disabled_at, created_at, .. } = user;
        Self { id, email, username, confirmed_at, disabled_at, created_at }
    }
}

impl Accounts {
    /// Confirms the address of an account, as a click on its link would. If several people registered the address, the
    /// account must be named by its id ([`Error::Ambiguous`]).
    pub async fn confirm_by_admin(&self, name: &str) -> Result<User, Error> {
        self.change_by_name(name, async |conn, user| {
            let canonical = user.email_canonical.as_str();
            if !user.is_confirmed() {
                refuse_ambiguous(conn, name).await?;
                if addresses::is_taken(conn, canonical).await? {
                    return Err(Error::AddressTaken);
                }
            }
            confirm::confirm(conn, user.id(), canonical, Actor::Admin, self.clock.now()).await.map(drop)
        })
        .await
    }

    /// Disables an account: its sessions end, and nobody can sign in to it.
    pub async fn disable(&self, name: &str) -> Result<User, Error> {
        self.change_by_name(name, async |conn, user| {
            let now = self.clock.now();
            users::set_disabled_at(conn, user.id(), Some(now)).await?;
            session::store::delete_all(conn, user.id(), None).await?;
            Ok(audit::record(conn, user.id(), EventKind::Disabled, Actor::Admin, now).await?)
        })
        .await
    }

    /// Enables an account again.
    pub async fn enable(&self, name: &str) -> Result<User, Error> {
        self.change_by_name(name, async |conn, user| {
            users::set_disabled_at(conn, user.id(), None).await?;
            Ok(audit::record(conn, user.id(), EventKind::Enabled, Actor::Admin, self.clock.now()).await?)
        })
        .await
    }

    /// Ends all sessions of an account.
    pub async fn sign_out_by_admin(&self, name: &str) -> Result<User, Error> {
        self.change_by_name(name, async |conn, user| {
            session::store::delete_all(conn, user.id(), None).await?;
            Ok(audit::record(conn, user.id(), EventKind::SessionsEnded, Actor::Admin, self.clock.now()).await?)
        })
        .await
    }

    pub async fn delete_by_admin(&self, name: &str) -> Result<User, Error> {
        self.change_by_name(name, async |conn, user| delete::delete(conn, user, Actor::Admin).await).await
    }

    /// Finds an account, locks its address and changes it, in one transaction. Returns the account as it was before.
    async fn change_by_name(
        &self,
        name: &str,
        change: impl AsyncFnOnce(&mut Connection<'_>, &User) -> Result<(), Error>,
    ) -> Result<User, Error> {
        self.transaction(async |conn| {
            let user = queries::find_by_name(conn, name).await?.ok_or(Error::NotFound)?;
            addresses::lock(conn, &user.email_canonical).await?;
            change(conn, &user).await?;
            Ok(user)
        })
        .await
    }
}

/// Refuses an address that several people registered: each of these accounts may belong to another person.
async fn refuse_ambiguous(conn: &mut Connection<'_>, name: &str) -> Result<(), Error> {
    let Ok(email) = Email::parse(name) else {
        return Ok(());
    };
    let found = users::find_by_email(conn, email.canonical()).await?;
    let accounts = found.map_or(Vec::new(), |candidates| candidates.accounts);
    if accounts.len() > 1 {
        return Err(Error::Ambiguous(accounts.into_iter().map(|account| account.user.into()).collect()));
    }
    Ok(())
}
