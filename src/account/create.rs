//! Creating an account: a registration by its owner, or a command of an admin.
//!
//! For a registration, a known address changes neither the result nor the work, only which mail is sent later. Otherwise
//! anybody could find out who has an account.

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::mail::{MailKind, outbox};
use crate::password::HashParameters;
use crate::throttle::Action;
use crate::token::Token;
use crate::user::users::NewUser;
use crate::user::{Email, UserId, Username, addresses, registrations, users};

use super::{Accounts, Error, HashedPassword, confirm};

/// An account to create.
#[derive(Debug)]
pub struct NewAccount {
    pub email: Email,
    pub username: Option<Username>,
    /// As typed.
    pub password: String,
    /// Whether the address counts as confirmed; on the word of an admin only.
    pub is_confirmed: bool,
}

/// An account that was created.
#[derive(Debug)]
pub struct Created {
    pub id: UserId,
    /// Proves later that the confirmation comes from the client that registered.
    pub registration: Token,
}

impl Accounts {
    /// Creates an account. For its owner it is unconfirmed, and a mail with a link is queued.
    pub async fn create(&self, actor: Actor<'_>, new: &NewAccount) -> Result<Created, Error> {
        let permit = match actor {
            Actor::Owner(request) => {
                let permit = self.reserve_hash(request)?;
                // Before the password is judged, which costs more than most of what strangers can ask for.
                self.transaction(async |conn| self.count(conn, Action::Register, request).await).await?;
                permit
            }
            Actor::Admin | Actor::Import | Actor::System => self.hasher.reserve(None)?,
        };
        let username = new.username.as_ref().map_or("", Username::as_typed);
        let password = self.password_policy.check(&new.password, &[new.email.as_typed(), username])?;
        let (fresh, now) = (HashParameters::random(self.bcrypt_cost), self.clock.now());
        let canonical = new.email.canonical();
        let shared = self.db.run(async |conn| addresses::lock_or_insert(conn, canonical, &fresh, now).await).await?;
        let insert =
            async |conn: &mut Connection<'_>, hashed: &HashedPassword| self.insert(conn, actor, new, hashed).await;
        let created = self.hash_and_store(&permit, password.password(), shared, insert).await?;
        self.mail_waker.wake();
        Ok(created)
    }

    async fn insert(
        &self,
        conn: &mut Connection<'_>,
        actor: Actor<'_>,
        new: &NewAccount,
        hashed: &HashedPassword,
    ) -> Result<Created, Error> {
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
        let (id, registration, now) = (UserId::new(), Token::random(), self.clock.now());
        let (kind, from) = match actor {
            Actor::Owner(request) => (EventKind::Registered, Some(request.client.network())),
            Actor::Admin | Actor::Import | Actor::System => (EventKind::Created, None),
        };
        let (username, password_hash) = (username.as_ref(), &hashed.hash);
        let user = NewUser { id, email, username, password_hash, from, created_at: now };
        let asked = async |conn: &mut Connection<'_>| match actor {
            Actor::Owner(request) => outbox::ask(conn, MailKind::ConfirmEmail, email.into(), request).await,
            Actor::Admin | Actor::Import | Actor::System => Ok(()),
        };
        let [mut first, mut second, mut third, mut fourth, mut fifth] = [*conn; 5];
        let (inserted, kept, recorded, deleted, asked) = tokio::join!(biased;
            users::insert(&mut first, &user),
            registrations::insert(&mut second, id, &registration, now),
            audit::record(&mut third, id, kind, actor, now),
            registrations::delete_surplus(&mut fourth, canonical),
            asked(&mut fifth));
        inserted.and(kept).and(recorded).and(deleted).and(asked)?;
        if *is_confirmed {
            confirm::confirm(conn, id, canonical, actor, now).await?;
        }
        Ok(Created { id, registration })
    }
}
