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
use crate::user::{Email, User, UserId, users};

use super::{Accounts, Error, LinkState, Proof, Reauthenticated};

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
            for (kind, to) in [(MailKind::ChangeEmail, email.into()), (MailKind::EmailChangeNotice, user.address())] {
                outbox::insert(conn, NewMail::about_change(kind, (user.id(), change), to), request).await?;
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

pub(super) async fn describe_change(
    conn: &mut Connection<'_>,
    link: &Link,
    session: Option<&User>,
) -> QueryResult<Option<LinkState>> {
    let Some(change) = change_of(conn, link).await?.filter(|change| change.undone_at.is_none()) else {
        return Ok(None);
    };
    let was_spent = change.confirmed_at.is_some();
    let accounts = users::list_of_address(conn, &link.email_canonical).await?;
    if !was_spent && accounts.iter().any(|user| user.is_confirmed() && user.id != change.user_id) {
        return Ok(None);
    }
    let is_proven = was_spent || session.is_some_and(|user| user.id == change.user_id);
    Ok(Some(LinkState { is_password_required: !is_proven, ..LinkState::new(change.new_email, was_spent) }))
}

pub(super) async fn describe_undo(conn: &mut Connection<'_>, link: &Link) -> QueryResult<Option<LinkState>> {
    let change = change_of(conn, link).await?;
    Ok(change.map(|change| LinkState::new(change.old_email, change.undone_at.is_some())))
}

async fn confirm_change(
    conn: &mut Connection<'_>,
    link: &Link,
    owner: &User,
    request: &RequestContext,
) -> Result<Option<LinkState>, Error> {
    let Some(change) = change_of(conn, link).await? else {
        return Ok(None);
    };
    email_changes::lock_addresses(conn, &change).await?;
    let user = users::find(conn, UserId(change.user_id)).await?.filter(|user| !user.is_disabled());
    // Read again under the lock: a new password, for example, ends the change.
    let (Some(user), Some(change)) = (user, change_of(conn, link).await?) else {
        return Ok(None);
    };
    if user.credential_version != owner.credential_version {
        return Err(Error::PasswordRequired);
    }
    let Some(confirmed) = email_changes::set_confirmed(conn, change.id, request.at).await? else {
        // Read again: another click may have been quicker, and may have found the address taken.
        let change = change_of(conn, link).await?;
        let done = change.filter(|change| change.confirmed_at.is_some() && change.undone_at.is_none());
        return Ok(done.map(|change| LinkState::new(change.new_email, true)));
    };
    if !move_account(conn, user.id(), &confirmed.old_email, &confirmed.new_email, request).await? {
        // The address was taken meanwhile, or the account moved on: the request ends here.
        email_changes::set_undone(conn, confirmed.id, request.at).await?;
        return Ok(None);
    }
    audit::record(conn, user.id(), EventKind::EmailChanged, Actor::Owner(request), request.at).await?;
    Ok(Some(LinkState::new(confirmed.new_email, false)))
}

impl Accounts {
    /// Needs a proof of the account as well: a link alone would give the address of anyone who clicks to a stranger's account.
    pub(super) async fn confirm_email_change(
        &self,
        link: &Link,
        proof: &Proof,
        request: &RequestContext,
    ) -> Result<Option<LinkState>, Error> {
        let found = self.db.run(async |conn| {
            let state = describe_change(conn, link, None).await?;
            QueryResult::Ok(state.zip(users::find(conn, link.user_id).await?))
        });
        let Some((state, user)) = found.await? else {
            return Ok(None);
        };
        if state.was_spent {
            return Ok(Some(state));
        }
        let (owner, reauth) = match proof {
            Proof::Password(password) => (&user, Some(self.reauthenticate(&user, password, request).await?)),
            Proof::Session(Some(owner)) if owner.id == user.id => (owner.as_ref(), None),
            Proof::Session(_) | Proof::Registration(_) => return Err(Error::PasswordRequired),
        };
        self.transaction(async |conn| {
            let confirmed = confirm_change(conn, link, owner, request).await?;
            if let Some(reauth) = &reauth {
                reauth.finish(conn).await?;
            }
            Ok(confirmed)
        })
        .await
    }

    /// Undoes a change, before or after it took effect. The thief who requested it knew the password: it stops working, and
    /// all sessions end.
    pub(super) async fn undo_email_change(
        &self,
        link: &Link,
        request: &RequestContext,
    ) -> Result<Option<LinkState>, Error> {
        let undone = self.transaction(async |conn| undo_change(conn, link, request).await).await?;
        self.mail_waker.wake();
        Ok(undone)
    }
}

async fn undo_change(
    conn: &mut Connection<'_>,
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
    let user_id = UserId(change.user_id);
    if change.undone_at.is_some() {
        return Ok(Some(undone_state(conn, change.old_email, user_id, true).await?));
    }
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
    users::clear_password(conn, user_id).await?;
    session::store::delete_all(conn, user_id, None).await?;
    if let Ok(new) = Email::parse(&undone.new_email) {
        let mail = NewMail::about_change(MailKind::EmailChangeUndone, (user_id, undone.id), (&new).into());
        outbox::insert(conn, mail, request).await?;
    }
    audit::record(conn, user_id, EventKind::EmailChangeUndone, Actor::Owner(request), request.at).await?;
    Ok(Some(undone_state(conn, undone.old_email, user_id, false).await?))
}

/// Until a new password is set, anyone who reads the old mailbox can go on to that.
async fn undone_state(
    conn: &mut Connection<'_>,
    old_email: String,
    user_id: UserId,
    was_spent: bool,
) -> QueryResult<LinkState> {
    let user = users::find(conn, user_id).await?.filter(|user| user.password_set_at.is_none() && !user.is_disabled());
    Ok(LinkState { without_password: user.map(Box::new), ..LinkState::new(old_email, was_spent) })
}

/// The change that a link refers to, if it belongs to the link's account.
async fn change_of(conn: &mut Connection<'_>, link: &Link) -> QueryResult<Option<EmailChange>> {
    let Some(id) = link.reference.as_deref().and_then(|id| id.parse::<Uuid>().ok()) else {
        return Ok(None);
    };
    let change = email_changes::find(conn, id).await?;
    Ok(change.filter(|change| change.user_id == link.user_id.0))
}

async fn move_account(
    conn: &mut Connection<'_>,
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
