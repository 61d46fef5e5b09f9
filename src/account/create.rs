//! Creating an account: a registration by its owner, or a command of an admin.
//!
//! For a registration, a known address changes neither the result nor the work, only which mail is sent later. Otherwise
//! anybody could find out who has an account.

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::mail::{MailKind, NewMail, outbox};
use crate::password::{HashParameters, NewPassword};
use crate::request::RequestContext;
use crate::throttle;
use crate::user::users::NewUser;
use crate::user::{Email, UserId, Username, addresses, users};

use super::{Accounts, Error, HashedPassword, confirm};

/// An account to create.
#[derive(Debug)]
pub struct NewAccount {
    pub email: Email,
    pub username: Option<Username>,
    pub password: NewPassword,
    /// Whether the address counts as confirmed; on the word of an admin only.
    pub is_confirmed: bool,
}

impl Accounts {
    /// Creates an account. For its owner it is unconfirmed, and a mail with a link is queued.
    pub async fn create(&self, actor: Actor<'_>, new: &NewAccount) -> Result<UserId, Error> {
        let _permit = self.hasher.reserve()?;
        if let Actor::Owner(request) = actor {
            self.throttle_registration(request).await?;
        }
        let (fresh, now) = (HashParameters::random(self.bcrypt_cost), self.clock.now());
        let canonical = new.email.canonical();
        let shared = self.db.run(async |conn| addresses::lock_or_insert(conn, canonical, &fresh, now).await).await?;
        let insert = async |conn: &mut Connection, hashed: &HashedPassword| self.insert(conn, actor, new, hashed).await;
        let id = self.hash_and_store(new.password.password(), shared, insert).await?;
        self.mail_waker.wake();
        Ok(id)
    }

    async fn throttle_registration(&self, request: &RequestContext) -> Result<(), Error> {
        if !self.has_rate_limits {
            return Ok(());
        }
        let (ip, at) = (request.client.ip, request.at);
        let counted = self.transaction(async |conn| Ok(throttle::count_registration(conn, ip, at).await?));
        counted.await?.map_err(Error::RateLimited)
    }

    async fn insert(
        &self,
        conn: &mut Connection,
        actor: Actor<'_>,
        new: &NewAccount,
        hashed: &HashedPassword,
    ) -> Result<UserId, Error> {
        let NewAccount { email, username, is_confirmed, .. } = new;
        let canonical = email.canonical();
        let current = addresses::lock_or_insert(conn, canonical, &hashed.parameters, self.clock.now()).await?;
        if current != hashed.parameters {
            return Err(Error::ParametersChanged(current));
        }
        if *is_confirmed && addresses::is_taken(conn, canonical).await? {
            return Err(Error::AddressTaken);
        }
        // Only now: with the time before the wait for the lock, this could be the oldest account, and surplus.
        let (id, now) = (UserId::new(), self.clock.now());
        let username = username.as_ref();
        users::insert(conn, &NewUser { id, email, username, password_hash: &hashed.hash, created_at: now }).await?;
        let kind = match actor {
            Actor::Owner(_) => EventKind::Registered,
            Actor::Admin | Actor::Import | Actor::System => EventKind::Created,
        };
        audit::record(conn, id, kind, actor, now).await?;
        if *is_confirmed {
            confirm::confirm(conn, id, canonical, actor, now).await?;
        }
        users::delete_surplus(conn, canonical).await?;
        if let Actor::Owner(request) = actor {
            outbox::insert(conn, NewMail::to_account(MailKind::ConfirmEmail, id), request).await?;
        }
        Ok(id)
    }
}
