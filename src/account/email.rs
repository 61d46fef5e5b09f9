//! Changing the address of an account: it changes once the new address is confirmed, and the old one can undo it.
//!
//! If it changed at once, a typo would lock its owner out, and a stolen session would be a stolen account.

use diesel::QueryResult;
use uuid::Uuid;

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::link::Link;
use crate::mail::{MailKind, NewMail, outbox};
use crate::request::RequestContext;
use crate::session;
use crate::user::email_changes::{self, EmailChange};
use crate::user::{Email, UserId, addresses, users};

use super::{Accounts, Error, LinkState, Reauthenticated};

impl Accounts {
    /// Requests another address. The new address gets a link, the old one a notice with a link to undo the change. It
    /// replaces a pending request. Nothing tells whether the new address belongs to another account; its owner gets a
    /// mail.
    pub async fn request_email_change(
        &self,
        reauth: &Reauthenticated<'_>,
        email: &Email,
        request: &RequestContext,
    ) -> Result<(), Error> {
        let user = reauth.user;
        self.transaction(async |conn| {
            self.begin_change(conn, user, EventKind::EmailChangeRequested, request.at).await?;
            reauth.finish(conn).await?;
            let change = email_changes::insert(conn, user.id(), &user.email, email, request.at).await?;
            for kind in [MailKind::ChangeEmail, MailKind::EmailChangeNotice] {
                outbox::insert(conn, NewMail::about_change(kind, user.id(), change), request).await?;
            }
            let actor = Actor::Owner(request);
            audit::record(conn, user.id(), EventKind::EmailChangeRequested, actor, request.at).await?;
            Ok(())
        })
        .await?;
        self.mail_waker.wake();
        Ok(())
    }
}

pub(super) async fn describe_change(conn: &mut Connection, link: &Link) -> QueryResult<Option<LinkState>> {
    let Some(change) = change_of(conn, link).await?.filter(|change| change.undone_at.is_none()) else {
        return Ok(None);
    };
    let was_spent = change.confirmed_at.is_some();
    if !was_spent && addresses::is_taken(conn, &link.email_canonical).await? {
        return Ok(None);
    }
    Ok(Some(LinkState { email: change.new_email, was_spent }))
}

pub(super) async fn confirm_change(
    conn: &mut Connection,
    link: &Link,
    request: &RequestContext,
) -> Result<Option<LinkState>, Error> {
    let Some(change) = change_of(conn, link).await? else {
        return Ok(None);
    };
    email_changes::lock_addresses(conn, &change).await?;
    if users::find(conn, UserId(change.user_id)).await?.is_none_or(|user| user.is_disabled()) {
        return Ok(None);
    }
    let Some(confirmed) = email_changes::set_confirmed(conn, change.id, request.at).await? else {
        // Read again: another click may have been quicker, and may have found the address taken.
        let change = change_of(conn, link).await?;
        let done = change.filter(|change| change.confirmed_at.is_some() && change.undone_at.is_none());
        return Ok(done.map(|change| LinkState { email: change.new_email, was_spent: true }));
    };
    let user_id = UserId(confirmed.user_id);
    if !move_account(conn, user_id, &confirmed.old_email, &confirmed.new_email, request).await? {
        // The address was taken meanwhile, or the account moved on: the request ends here.
        email_changes::set_undone(conn, confirmed.id, request.at).await?;
        return Ok(None);
    }
    audit::record(conn, user_id, EventKind::EmailChanged, Actor::Owner(request), request.at).await?;
    Ok(Some(LinkState { email: confirmed.new_email, was_spent: false }))
}

pub(super) async fn describe_undo(conn: &mut Connection, link: &Link) -> QueryResult<Option<LinkState>> {
    let change = change_of(conn, link).await?;
    Ok(change.map(|change| LinkState { was_spent: change.undone_at.is_some(), email: change.old_email }))
}

/// Undoes a change, before or after it took effect, and ends all sessions: the thief who requested it knew the
/// password.
pub(super) async fn undo_change(
    conn: &mut Connection,
    link: &Link,
    request: &RequestContext,
) -> Result<Option<LinkState>, Error> {
    let Some(change) = change_of(conn, link).await? else {
        return Ok(None);
    };
    email_changes::lock_addresses(conn, &change).await?;
    // Read again under the lock: another click may have been quicker, or an earlier change was undone and deleted this one.
    let Some(change) = change_of(conn, link).await? else {
        return Ok(None);
    };
    if change.undone_at.is_some() {
        return Ok(Some(LinkState { email: change.old_email, was_spent: true }));
    }
    let user_id = UserId(change.user_id);
    // From whatever address the account has by now.
    if change.confirmed_at.is_some() {
        let Some(user) = users::find(conn, user_id).await? else {
            return Ok(None);
        };
        if !move_account(conn, user_id, &user.email, &change.old_email, request).await? {
            return Ok(None);
        }
    }
    let Some(undone) = email_changes::set_undone(conn, change.id, request.at).await? else {
        return Ok(None);
    };
    // Later requests came from the same hands. So did changes that took effect: the links to undo those went to an address
    // of those hands, and would give them the account again.
    email_changes::delete_later(conn, &undone).await?;
    session::store::delete_all(conn, user_id, None).await?;
    audit::record(conn, user_id, EventKind::EmailChangeUndone, Actor::Owner(request), request.at).await?;
    Ok(Some(LinkState { email: undone.old_email, was_spent: false }))
}

/// The change that a link refers to, if it belongs to the link's account.
async fn change_of(conn: &mut Connection, link: &Link) -> QueryResult<Option<EmailChange>> {
    let Some(id) = link.reference.as_deref().and_then(|id| id.parse::<Uuid>().ok()) else {
        return Ok(None);
    };
    let change = email_changes::find(conn, id).await?;
    Ok(change.filter(|change| change.user_id == link.user_id.0))
}

async fn move_account(
    conn: &mut Connection,
    user_id: UserId,
    from: &str,
    to: &str,
    request: &RequestContext,
) -> QueryResult<bool> {
    match (Email::parse(from), Email::parse(to)) {
        (Ok(from), Ok(to)) => users::set_email(conn, user_id, &from, &to, request.at).await,
        _ => Ok(false),
    }
}
