//! Setting a password: by an owner who knows the current one, by a link from an email, or by an admin.
//!
//! A thief who knew the old password may be behind a session or a pending change of address: both end. A reset link works
//! once, because it refers to the credential version that it replaces.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::link::Link;
use crate::mail::{MailKind, NewMail, outbox};
use crate::password::{HashParameters, NewPassword};
use crate::request::RequestContext;
use crate::session::{self, NewSession};
use crate::user::{Email, User, addresses, email_changes, users};

use super::{Accounts, Error, HashedPassword, Reauthenticated, confirm};

impl Accounts {
    /// Replaces the password. Every other session than `session_id` ends, and that one gets a new token: a copy of the old one
    /// is worth nothing any more. The owner gets a mail.
    pub async fn change_password(
        &self,
        reauth: &Reauthenticated<'_>,
        session_id: Uuid,
        new: &NewPassword,
        request: &RequestContext,
    ) -> Result<NewSession, Error> {
        let user = reauth.user;
        let parameters = self.parameters_for(user, reauth.parameters.clone());
        let session = self.hash_and_store(reauth.permit(), new.password(), parameters, async |conn, hashed| {
            if !users::lock_unchanged(conn, user).await? {
                return Err(Error::Outdated);
            }
            self.replace(conn, user, hashed, Some(session_id), request.at).await?;
            reauth.finish(conn).await?;
            audit::record(conn, user.id(), EventKind::PasswordChanged, Actor::Owner(request), request.at).await?;
            tell_owner(conn, user, request).await?;
            session::store::rotate(conn, session_id, &request.client).await?.ok_or(Error::Outdated)
        });
        let session = session.await?;
        self.mail_waker.wake();
        Ok(session)
    }

    /// Checks a new password of `user` against the policy, before anything is hashed.
    pub fn check_password(&self, user: &User, typed: &str) -> Result<NewPassword, Error> {
        Ok(self.password_policy.check(typed, &user.own_words())?)
    }

    /// Asks for a mail with a link to set a new password. The worker finds out who has the address: the link goes to its
    /// confirmed account, else to the newest unconfirmed one.
    pub async fn request_password_reset(&self, email: &Email, request: &RequestContext) -> Result<(), Error> {
        self.ask_for_mail(MailKind::ResetPassword, email.into(), request).await
    }

    /// The account that a reset link can still set a password of.
    pub async fn find_by_reset_link(&self, link: &Link) -> Result<User, Error> {
        self.find_for_reset(link).await.map(|(user, _)| user)
    }

    /// Sets a password by a link, which proves the address and so confirms it. Ends every session and forgets failed
    /// sign-ins. A refused password does not spend the link.
    pub async fn reset_password(&self, link: &Link, new: &str, request: &RequestContext) -> Result<User, Error> {
        let permit = self.reserve_hash(request)?;
        let (user, parameters) = self.find_for_reset(link).await?;
        let password = self.check_password(&user, new)?;
        let actor = Actor::Owner(request);
        let parameters = self.parameters_for(&user, parameters);
        let reset = self.hash_and_store(&permit, password.password(), parameters, async |conn, hashed| {
            addresses::lock(conn, &user.email_canonical).await?;
            self.replace(conn, &user, hashed, None, request.at).await?;
            confirm::confirm(conn, user.id(), &user.email_canonical, actor, request.at).await?;
            self.clear_failures(conn, &user).await?;
            audit::record(conn, user.id(), EventKind::PasswordReset, actor, request.at).await?;
            tell_owner(conn, &user, request).await
        });
        match reset.await {
            Err(Error::Outdated) => Err(Error::LinkUsed),
            Err(error) => Err(error),
            Ok(()) => {
                self.mail_waker.wake();
                Ok(user)
            }
        }
    }

    async fn find_for_reset(&self, link: &Link) -> Result<(User, HashParameters), Error> {
        let found = self.db.run(async |conn| {
            let user = users::find(conn, link.user_id).await?;
            let parameters = addresses::find_parameters(conn, &link.email_canonical).await?;
            let is_taken = addresses::is_taken(conn, &link.email_canonical).await?;
            diesel::QueryResult::Ok(user.zip(parameters).filter(|(user, _)| user.is_confirmed() || !is_taken))
        });
        let is_meant = |user: &User| {
            user.email_canonical == link.email_canonical
                && link.reference.as_deref() == Some(user.credential_version.to_string().as_str())
                && !user.is_disabled()
        };
        found.await?.filter(|(user, _)| is_meant(user)).ok_or(Error::LinkUsed)
    }

    /// Sets the password of the account that an admin names. Ends every session and forgets failed sign-ins.
    pub async fn set_password_by_admin(&self, user: &User, new: &str) -> Result<(), Error> {
        let password = self.check_password(user, new)?;
        let canonical = user.email_canonical.as_str();
        let shared = self.db.run(async |conn| addresses::find_parameters(conn, canonical).await).await?;
        let parameters = self.parameters_for(user, shared.ok_or(Error::NotFound)?);
        let permit = self.hasher.reserve(None)?;
        let set = self.hash_and_store(&permit, password.password(), parameters, async |conn, hashed| {
            let now = self.clock.now();
            addresses::lock(conn, canonical).await?;
            self.replace(conn, user, hashed, None, now).await?;
            self.clear_failures(conn, user).await?;
            Ok(audit::record(conn, user.id(), EventKind::PasswordChanged, Actor::Admin, now).await?)
        });
        match set.await {
            Err(Error::Outdated) => Err(Error::Conflict),
            result => result,
        }
    }

    /// What a new password is hashed under: the parameters of the address, or fresh ones if those are outdated and the
    /// account is confirmed. Otherwise, a stranger who registers the address could keep the owner's hash at an old scheme.
    fn parameters_for(&self, user: &User, shared: HashParameters) -> HashParameters {
        match user.is_confirmed() && !shared.is_current(self.bcrypt_cost) {
            true => HashParameters::random(self.bcrypt_cost),
            false => shared,
        }
    }

    /// Replaces the password of an account whose address is locked, drops a pending change of address, and ends the
    /// sessions except the one to `keep`.
    async fn replace(
        &self,
        conn: &mut Connection<'_>,
        user: &User,
        hashed: &HashedPassword,
        keep: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let canonical = user.email_canonical.as_str();
        let current = addresses::find_parameters(conn, canonical).await?.ok_or(Error::Outdated)?;
        if current != hashed.parameters {
            if !user.is_confirmed() || current.is_current(self.bcrypt_cost) {
                return Err(Error::ParametersChanged(current));
            }
            addresses::set_parameters(conn, canonical, &hashed.parameters).await?;
        }
        if !users::set_password(conn, user, &hashed.hash, now).await? {
            return Err(Error::Outdated);
        }
        email_changes::delete_pending(conn, user.id()).await?;
        session::store::delete_all(conn, user.id(), keep).await?;
        Ok(())
    }
}

async fn tell_owner(conn: &mut Connection<'_>, user: &User, request: &RequestContext) -> Result<(), Error> {
    Ok(outbox::insert(conn, NewMail::to_owner(MailKind::PasswordChanged, user), request).await?)
}
