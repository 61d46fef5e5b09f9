//! Checking a password: at sign-in, and again for sensitive operations.
//!
//! One counter for both: a side entrance without it would be where passwords are guessed.

use chrono::{DateTime, Utc};

use crate::audit::{self, Actor, EventKind};
use crate::db::{Connection, DbError};
use crate::password::{HashParameters, HashPermit, Password};
use crate::request::RequestContext;
use crate::throttle::{self, LoginAttempt, LoginName};
use crate::user::{User, users};

use super::{Accounts, Error};

/// A try with a password. It counts as a failure until it is finished.
pub(super) struct Attempt {
    counted: Option<LoginAttempt>,
    _permit: HashPermit,
}

/// This request had the current password of `user`.
pub struct Reauthenticated<'a> {
    pub(super) user: &'a User,
    /// What a new password of the account is hashed under.
    pub(super) parameters: HashParameters,
    attempt: Attempt,
}

impl Attempt {
    /// Forgets the failures, because the password was right; in the transaction of the operation.
    ///
    /// An unconfirmed account clears no failures. Otherwise, registering an address with a guessed password and signing in
    /// would lift the limit on guessing its owner's password.
    pub(super) async fn finish(&self, conn: &mut Connection, user: &User) -> Result<(), Error> {
        if let Some(attempt) = self.counted.as_ref().filter(|_| user.is_confirmed()) {
            throttle::finish_login(conn, attempt, user).await?;
        }
        Ok(())
    }
}

impl Reauthenticated<'_> {
    pub(super) async fn finish(&self, conn: &mut Connection) -> Result<(), Error> {
        self.attempt.finish(conn, self.user).await
    }
}

impl Accounts {
    /// Takes a permit to hash, then counts a try of this client with this name. Without a permit it is no try.
    pub(super) async fn begin_attempt(&self, request: &RequestContext, name: &LoginName) -> Result<Attempt, Error> {
        let permit = self.hasher.reserve()?;
        if !self.has_rate_limits {
            return Ok(Attempt { counted: None, _permit: permit });
        }
        let (ip, at) = (request.client.ip, request.at);
        let begun = self.transaction(async |conn| Ok(throttle::begin_login(conn, ip, name, at).await?)).await?;
        Ok(Attempt { counted: Some(begun.map_err(Error::RateLimited)?), _permit: permit })
    }

    /// Checks the current password of `user`.
    pub async fn reauthenticate<'a>(
        &self,
        user: &'a User,
        typed: &Password,
        request: &RequestContext,
    ) -> Result<Reauthenticated<'a>, Error> {
        let attempt = self.begin_attempt(request, &LoginName::of_user(user)).await?;
        let id = user.id();
        let found = self.db.run(async |conn| users::find_with_hash(conn, id).await).await?;
        let (parameters, account) = found.ok_or(Error::Outdated)?;
        let hash = self.hasher.hash(typed, &parameters).await?;
        if account.has_hash(&hash) {
            return Ok(Reauthenticated { user, parameters, attempt });
        }
        let refused = self.transaction(async |conn| {
            let kind = EventKind::PasswordRefused;
            Ok(audit::record(conn, id, kind, Actor::Owner(request), request.at).await?)
        });
        Err(match refused.await {
            Ok(()) => Error::WrongPassword,
            // It was deleted meanwhile.
            Err(Error::Database(DbError::Constraint(_))) => Error::Outdated,
            Err(error) => error,
        })
    }

    /// Locks an account for a change that its owner may make ten times an hour, and that is recorded as `kind`.
    pub(super) async fn begin_change(
        &self,
        conn: &mut Connection,
        user: &User,
        kind: EventKind,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if !users::lock_unchanged(conn, user).await? {
            return Err(Error::Outdated);
        }
        match throttle::wait_of_account(conn, user, kind, now).await? {
            Some(wait) if self.has_rate_limits => Err(Error::RateLimited(wait)),
            _ => Ok(()),
        }
    }
}
