//! Deleting an account, with its sessions, its queued mails and its events.

use crate::audit::Actor;
use crate::db::Connection;
use crate::mail::{NewMail, outbox};
use crate::request::RequestContext;
use crate::user::{User, users};

use super::{Accounts, Error, Reauthenticated};

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

/// Deletes an account whose address is locked. An owner with a confirmed address gets a last mail; an unconfirmed address
/// may be a stranger's.
pub(super) async fn delete(conn: &mut Connection, user: &User, actor: Actor<'_>) -> Result<(), Error> {
    if !users::delete(conn, user).await? {
        return Err(Error::Outdated);
    }
    if let Actor::Owner(request) = actor
        && user.is_confirmed()
    {
        outbox::insert(conn, NewMail::account_deleted(&user.email), request).await?;
    }
    Ok(())
}
