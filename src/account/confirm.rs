//! Confirming an address: by a link, by a reset, or on the word of an admin; and the links that are spent at
//! `/confirm/{token}`.
//!
//! If spending a link could confirm another account than the one it was sent for, a stranger could get the address.

use chrono::{DateTime, Utc};

use crate::audit::{self, Actor, EventKind};
use crate::db::Connection;
use crate::link::{Link, Purpose};
use crate::mail::{MailKind, NewMail, outbox};
use crate::request::RequestContext;
use crate::user::{Email, User, UserId, addresses, users};

use super::{Accounts, Error, email};

/// What a genuine link is about.
#[derive(Debug)]
pub struct LinkState {
    /// The address that it confirms, or that the account gets back.
    pub email: String,
    /// Whether it was spent before.
    pub was_spent: bool,
}

/// Which accounts get their confirmation mail again.
#[derive(Debug)]
pub enum Resend {
    Account(Box<User>),
    /// The unconfirmed accounts of an address.
    Address(Email),
}

/// Confirms an account, whose address is locked, and deletes the other unconfirmed accounts of the address. `false` if it
/// was confirmed before, is deleted or has another address.
pub(super) async fn confirm(
    conn: &mut Connection,
    id: UserId,
    canonical: &str,
    actor: Actor<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    if !users::set_confirmed(conn, id, canonical, now).await? {
        return Ok(false);
    }
    users::delete_unconfirmed_of(conn, canonical).await?;
    audit::record(conn, id, EventKind::Confirmed, actor, now).await?;
    Ok(true)
}

impl Accounts {
    /// What a link to confirm an address, to change it or to undo the change would do. Changes nothing.
    pub async fn describe_link(&self, link: &Link) -> Result<LinkState, Error> {
        let described = self.db.run(async |conn| match link.purpose {
            Purpose::ChangeEmail => email::describe_change(conn, link).await,
            Purpose::UndoEmailChange => email::describe_undo(conn, link).await,
            Purpose::ConfirmEmail | Purpose::ResetPassword => describe_registration(conn, link).await,
        });
        described.await?.ok_or(Error::LinkUsed)
    }

    /// Spends a link to confirm an address, to change it or to undo the change.
    pub async fn spend_link(&self, link: &Link, request: &RequestContext) -> Result<LinkState, Error> {
        let spent = self.transaction(async |conn| match link.purpose {
            Purpose::ChangeEmail => email::confirm_change(conn, link, request).await,
            Purpose::UndoEmailChange => email::undo_change(conn, link, request).await,
            Purpose::ConfirmEmail | Purpose::ResetPassword => confirm_registration(conn, link, request).await,
        });
        spent.await?.ok_or(Error::LinkUsed)
    }

    /// Queues the confirmation mail again, for accounts that still need it.
    pub async fn resend_confirmation(&self, resend: &Resend, request: &RequestContext) -> Result<(), Error> {
        self.transaction(async |conn| {
            match resend {
                Resend::Account(user) if user.is_confirmed() => 0,
                Resend::Account(user) => {
                    outbox::insert(conn, NewMail::to_account(MailKind::ConfirmEmail, user.id()), request).await?
                }
                Resend::Address(email) => outbox::insert_for_unconfirmed(conn, email.canonical(), request).await?,
            };
            Ok(())
        })
        .await?;
        self.mail_waker.wake();
        Ok(())
    }
}

async fn describe_registration(conn: &mut Connection, link: &Link) -> Result<Option<LinkState>, diesel::result::Error> {
    let Some(user) = account_of(conn, link).await? else {
        return Ok(None);
    };
    if !user.is_confirmed() && addresses::is_taken(conn, &link.email_canonical).await? {
        return Ok(None);
    }
    Ok(Some(LinkState { was_spent: user.is_confirmed(), email: user.email }))
}

/// The lock comes first: a registration of the same address waits, and then finds it taken.
async fn confirm_registration(
    conn: &mut Connection,
    link: &Link,
    request: &RequestContext,
) -> Result<Option<LinkState>, Error> {
    let canonical = link.email_canonical.as_str();
    addresses::lock(conn, canonical).await?;
    // Read under the lock: another link may have been spent while this waited.
    let Some(user) = account_of(conn, link).await? else {
        return Ok(None);
    };
    let was_spent = user.is_confirmed();
    if !was_spent && !confirm(conn, user.id(), canonical, Actor::Owner(request), request.at).await? {
        return Ok(None);
    }
    Ok(Some(LinkState { email: user.email, was_spent }))
}

/// The account that a link was sent for, if it still has the address.
async fn account_of(conn: &mut Connection, link: &Link) -> Result<Option<User>, diesel::result::Error> {
    let user = users::find(conn, link.user_id).await?;
    Ok(user.filter(|user| user.email_canonical == link.email_canonical && !user.is_disabled()))
}
