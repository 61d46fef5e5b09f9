//! Signing in: a name and a password for a new session.
//!
//! Every sign-in computes exactly one hash: also for an unknown name, for several accounts of an address, for an account
//! without a password. A different number would take a different time, and reveal who has an account.

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::mail::{MailKind, NewMail, outbox};
use crate::password::{HashParameters, Password};
use crate::request::RequestContext;
use crate::session::{self, NewSession};
use crate::throttle::LoginName;
use crate::user::users::Candidates;
use crate::user::{Email, User, Username, addresses, users};

use super::reauth::Attempt;
use super::{Accounts, Error};

/// What an owner signs in with.
#[derive(Debug)]
pub enum SignInName {
    Email(Email),
    Username(Username),
}

impl SignInName {
    fn login_name(&self) -> LoginName {
        match self {
            Self::Email(email) => LoginName::of_email(email.canonical()),
            Self::Username(username) => LoginName::of_username(username),
        }
    }
}

impl Accounts {
    /// Signs in, also before the address is confirmed.
    pub async fn sign_in(
        &self,
        name: &SignInName,
        password: &Password,
        is_remembered: bool,
        request: &RequestContext,
    ) -> Result<(User, NewSession), Error> {
        let attempt = self.begin_attempt(request, &name.login_name()).await?;
        let Candidates { parameters, accounts } = self.find_candidates(name).await?;
        let hash = attempt.permit.hash(password, &parameters).await?;
        // All are compared, the confirmed account first: which one matches takes no different time.
        let matching: Vec<&User> =
            accounts.iter().filter(|account| account.has_hash(&hash)).map(|account| &account.user).collect();
        let refused = || accounts.first().map(|account| &account.user);
        let Some(user) = matching.first().copied() else {
            return Err(self.refuse(refused(), &attempt, request).await);
        };
        let session = NewSession::new(&self.session_config, request.client.clone(), is_remembered, request.at);
        match self.transaction(async |conn| begin_session(conn, &session, user, &attempt, request).await).await {
            Err(Error::Outdated) => return Err(self.refuse(refused(), &attempt, request).await),
            began => began?,
        }
        if !parameters.is_current(self.bcrypt_cost) {
            self.renew_hash(user, password, &attempt).await;
        }
        Ok((user.clone(), session))
    }

    /// For an unknown name: no accounts, and parameters to hash with all the same.
    async fn find_candidates(&self, name: &SignInName) -> Result<Candidates, Error> {
        let found = self.db.run(async |conn| match name {
            SignInName::Email(email) => users::find_by_email(conn, email.canonical()).await,
            SignInName::Username(username) => users::find_by_username(conn, username).await,
        });
        let unknown = || Candidates { parameters: HashParameters::random(self.bcrypt_cost), accounts: Vec::new() };
        Ok(found.await?.unwrap_or_else(unknown))
    }

    /// The one answer to a sign-in that fails. If the name has an account, its owner can read about it, and hears of it when
    /// no other try is possible.
    async fn refuse(&self, user: Option<&User>, attempt: &Attempt, request: &RequestContext) -> Error {
        if let Some(user) = user {
            let recorded = self.transaction(async |conn| {
                let kind = EventKind::SignInRefused;
                audit::record(conn, user.id(), kind, Actor::Owner(request), request.at).await?;
                if attempt.is_last() && user.is_confirmed() {
                    outbox::insert(conn, NewMail::to_owner(MailKind::SignInLocked, user), request).await?;
                }
                Ok(())
            });
            // An account that was deleted meanwhile has no events any more.
            let _ = recorded.await.inspect_err(|error| log::debug!("an event was not recorded: {error}"));
            self.mail_waker.wake();
        }
        Error::InvalidCredentials
    }

    /// Hashes under fresh parameters of today's cost. If that fails, the old hash still works.
    async fn renew_hash(&self, user: &User, password: &Password, attempt: &Attempt) {
        let parameters = HashParameters::random(self.bcrypt_cost);
        let renewed = async {
            let hash = attempt.permit.hash(password, &parameters).await?;
            self.transaction(async |conn| {
                addresses::lock_or_insert(conn, &user.email_canonical, &parameters, self.clock.now()).await?;
                Ok(users::renew_hash(conn, user, &hash, &parameters).await?)
            })
            .await
        };
        if let Err(error) = renewed.await {
            log::warn!("the password hash of {} was not renewed: {error}", user.id);
        }
    }
}

/// The one way in which sessions begin: inserts the session, forgets the failures, records the event. All of it in one
/// round trip, so it is undone if the account was disabled, or its credentials changed meanwhile: [`Error::Outdated`].
async fn begin_session(
    conn: &mut Connection<'_>,
    session: &NewSession,
    user: &User,
    attempt: &Attempt,
    request: &RequestContext,
) -> Result<(), Error> {
    let [mut first, mut second, mut third] = [*conn; 3];
    let (inserted, finished, recorded) = tokio::join!(biased;
        session::store::insert(&mut first, session, user),
        attempt.finish(&mut second, user, request.at),
        audit::record(&mut third, user.id(), EventKind::SignedIn, Actor::Owner(request), request.at));
    if !inserted? {
        return Err(Error::Outdated);
    }
    finished?;
    Ok(recorded?)
}
