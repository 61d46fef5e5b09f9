//! Checking a password: at sign-in, and again for sensitive operations.
//!
//! Both are counted: a side entrance without a limit would be where passwords are guessed. For a user who is signed in, the
//! tries count for the account and not for its public name, or strangers could keep its owner from using it.

use chrono::{DateTime, Utc};

use crate::audit::{self, Actor, EventKind};
use crate::db::{Connection, DbError};
use crate::password::{HashParameters, HashPermit, Password};
use crate::request::RequestContext;
use crate::throttle::{self, Action, LoginAttempt, LoginName};
use crate::user::{User, users};

use super::{Accounts, Error};

/// A try with a password. It counts as a failure until it is finished.
pub(super) struct Attempt {
    counted: Option<LoginAttempt>,
    pub(super) permit: HashPermit,
}

/// This request had the current password of `user`.
pub struct Reauthenticated<'a> {
    pub(super) user: &'a User,
    /// What a new password of the account is hashed under.
    pub(super) parameters: HashParameters,
    attempt: Attempt,
    at: DateTime<Utc>,
}

impl Attempt {
    /// The password was right; in the transaction of the operation.
    ///
    /// For an unconfirmed account, only this try is taken back. Otherwise, registering an address with a guessed password and
    /// signing in would lift the limit on guessing its owner's password.
    pub(super) async fn finish(&self, conn: &mut Connection<'_>, user: &User, now: DateTime<Utc>) -> Result<(), Error> {
        match &self.counted {
            Some(attempt) if user.is_confirmed() => throttle::finish_login(conn, attempt, user, now).await?,
            Some(attempt) => throttle::take_back_login(conn, attempt).await?,
            None => {}
        }
        Ok(())
    }

    /// Whether no other try may follow if this one fails.
    pub(super) fn is_last(&self) -> bool {
        self.counted.as_ref().is_some_and(LoginAttempt::is_last)
    }
}

impl Reauthenticated<'_> {
    pub(super) fn permit(&self) -> &HashPermit {
        &self.attempt.permit
    }

    pub(super) async fn finish(&self, conn: &mut Connection<'_>) -> Result<(), Error> {
        self.attempt.finish(conn, self.user, self.at).await
    }
}

impl Accounts {
    /// Takes a permit to hash, out of the share of the client.
    pub(super) fn reserve_hash(&self, request: &RequestContext) -> Result<HashPermit, Error> {
        Ok(self.hasher.reserve(self.limits.as_ref().map(|_| request.client.network()))?)
    }

    /// Counts an action of this client. It must wait: the caller rolls back, so that a refused try is not counted.
    pub(super) async fn count(
        &self,
        conn: &mut Connection<'_>,
        action: Action,
        request: &RequestContext,
    ) -> Result<(), Error> {
        match &self.limits {
            Some(limits) => {
                throttle::count(conn, &request.client, &[action], limits, request.at).await?.map_err(Error::RateLimited)
            }
            None => Ok(()),
        }
    }

    /// Takes a permit to hash, then counts a try of this client with this name. Without a permit it is no try. A client
    /// that was told to wait a moment ago is refused before either.
    pub(super) async fn begin_attempt(&self, request: &RequestContext, name: &LoginName) -> Result<Attempt, Error> {
        let (client, now) = (&request.client, request.at);
        if let Some(wait) = self.refusals.find(client.network(), name, now) {
            return Err(Error::RateLimited(wait));
        }
        let permit = self.reserve_hash(request)?;
        let Some(limits) = &self.limits else {
            return Ok(Attempt { counted: None, permit });
        };
        let begun = self.transaction(async |conn| {
            let begun = throttle::begin_login(conn, client, name, limits, now).await?;
            begun.map_err(|refused| {
                self.refusals.remember(client.network(), name, refused, now);
                Error::RateLimited(refused.wait)
            })
        });
        let counted = begun.await?;
        Ok(Attempt { counted: Some(counted), permit })
    }

    /// Forgets the failures of an account under all its names.
    pub(super) async fn clear_failures(&self, conn: &mut Connection<'_>, user: &User) -> Result<(), Error> {
        throttle::clear(conn, user).await?;
        self.refusals.forget(&LoginName::all_of(user));
        Ok(())
    }

    /// Checks the current password of `user`.
    pub async fn reauthenticate<'a>(
        &self,
        user: &'a User,
        typed: &Password,
        request: &RequestContext,
    ) -> Result<Reauthenticated<'a>, Error> {
        let attempt = self.begin_attempt(request, &LoginName::of_account(user.id())).await?;
        let id = user.id();
        let found = self.db.run(async |conn| users::find_with_hash(conn, id).await).await?;
        let (parameters, account) = found.ok_or(Error::Outdated)?;
        let hash = attempt.permit.hash(typed, &parameters).await?;
        if account.has_hash(&hash) {
            return Ok(Reauthenticated { user, parameters, attempt, at: request.at });
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
        conn: &mut Connection<'_>,
        user: &User,
        kind: EventKind,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        if !users::lock_unchanged(conn, user).await? {
            return Err(Error::Outdated);
        }
        match throttle::wait_of_account(conn, user, kind, now).await? {
            Some(wait) if self.limits.is_some() => Err(Error::RateLimited(wait)),
            _ => Ok(()),
        }
    }
}
