//! Deleting an account, with its sessions, its queued mails and its events.

use std::collections::HashSet;

use chrono::Duration;

use crate::audit::Actor;
use crate::db::Connection;
use crate::mail::{NewMail, outbox};
use crate::request::RequestContext;
use crate::throttle;
use crate::user::email_changes::{self, EmailChange};
use crate::user::{Email, User, users};

use super::{Accounts, Error, Reauthenticated};

/// How long an address still hears of the deletion after the account left it.
const FAREWELL_AFTER: Duration = Duration::days(7);
/// More changes than an account can request in that time.
const CHANGES_SEEN: i64 = 2000;

impl Accounts {
    /// Deletes the account of its owner.
    pub async fn delete(&self, reauth: &Reauthenticated<'_>, request: &RequestContext) -> Result<(), Error> {
        let user = reauth.user;
        self.transaction(async |conn| {
            if !users::lock_unchanged(conn, user).await? {
                return Err(Error::Outdated);
            }
            reauth.finish(conn).await?;
            delete(conn, user, Actor::Owner(request)).await
        })
        .await?;
        self.mail_waker.wake();
        Ok(())
    }
}

/// Deletes an account whose address is locked. An owner with a confirmed address gets a last mail, to each address that the
/// account had in the last days: a thief who changed the address must not be the only one to read it. An unconfirmed address
/// may be a stranger's.
pub(super) async fn delete(conn: &mut Connection<'_>, user: &User, actor: Actor<'_>) -> Result<(), Error> {
    let changes = email_changes::list(conn, user.id(), None, CHANGES_SEEN).await?;
    outbox::detach_notices(conn, user.id()).await?;
    // Otherwise, a stranger who registers and deletes an address would lift the limit on guessing its owner's password.
    if user.is_confirmed() {
        outbox::delete_asked(conn, &user.email_canonical).await?;
        throttle::clear(conn, user).await?;
    }
    if !users::delete(conn, user).await? {
        return Err(Error::Outdated);
    }
    if let Actor::Owner(request) = actor
        && user.is_confirmed()
    {
        let is_recent = |change: &EmailChange| change.confirmed_at.is_some_and(|at| at > request.at - FAREWELL_AFTER);
        let earlier =
            changes.iter().filter(|change| is_recent(change)).flat_map(|change| [&change.old_email, &change.new_email]);
        let all: Vec<Email> =
            std::iter::once(&user.email).chain(earlier).filter_map(|text| Email::parse(text).ok()).collect();
        let mut told = HashSet::new();
        for email in all.iter().filter(|email| told.insert(email.canonical())) {
            outbox::insert(conn, NewMail::account_deleted(email.into()), request).await?;
        }
    }
    Ok(())
}
