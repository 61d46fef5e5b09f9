//! Another address of an account: it changes when the new one proves itself, and only by the latest request.

use diesel::QueryResult;
use uuid::Uuid;

use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::link::Link;
use crate::user::email_change::{self, EmailChange};
use crate::user::{Email, UserId, changes, queries};

use super::{Described, Spent};

pub(super) async fn describe(conn: &mut Connection, link: &Link) -> QueryResult<Option<Described>> {
    let Some(change) = change_of(conn, link).await?.filter(|change| change.undone_at.is_none()) else {
        return Ok(None);
    };
    let is_done = change.confirmed_at.is_some();
    if !is_done && queries::is_address_taken(conn, &link.email_canonical).await? {
        return Ok(None);
    }
    Ok(Some(Described { email: change.new_email, is_done }))
}

pub(super) async fn spend(conn: &mut Connection, link: &Link, occasion: &Occasion) -> QueryResult<Spent> {
    let Some(change) = change_of(conn, link).await? else {
        return Ok(Spent::Void);
    };
    email_change::lock_addresses(conn, &change).await?;
    if queries::find(conn, UserId(change.user_id)).await?.is_none_or(|user| user.is_disabled()) {
        return Ok(Spent::Void);
    }
    let Some(confirmed) = email_change::set_confirmed(conn, change.id, occasion.at).await? else {
        // Read again: another click may have been quicker, and may have found the address taken.
        let change = change_of(conn, link).await?;
        let done = change.filter(|change| change.confirmed_at.is_some() && change.undone_at.is_none());
        return Ok(done.map_or(Spent::Void, |change| Spent::Before(change.new_email)));
    };
    let user_id = UserId(confirmed.user_id);
    if !set_email(conn, user_id, &confirmed.old_email, &confirmed.new_email, occasion).await? {
        // Taken meanwhile, or the account has moved on: the change goes as if it had not been asked for.
        email_change::set_undone(conn, confirmed.id, occasion.at).await?;
        return Ok(Spent::Void);
    }
    event::record(conn, user_id, EventKind::EmailChanged, occasion).await?;
    Ok(Spent::Now(confirmed.new_email))
}

/// The change that a link refers to, if it is that of the link's account.
pub(super) async fn change_of(conn: &mut Connection, link: &Link) -> QueryResult<Option<EmailChange>> {
    let Some(id) = link.reference.as_deref().and_then(|id| id.parse::<Uuid>().ok()) else {
        return Ok(None);
    };
    let change = email_change::find(conn, id).await?;
    Ok(change.filter(|change| change.user_id == link.user_id.0))
}

/// Moves an account from one address to another.
pub(super) async fn set_email(
    conn: &mut Connection,
    user_id: UserId,
    from: &str,
    to: &str,
    occasion: &Occasion,
) -> QueryResult<bool> {
    match (Email::parse(from), Email::parse(to)) {
        (Ok(from), Ok(to)) => changes::set_email(conn, user_id, &from, &to, occasion.at).await,
        _ => Ok(false),
    }
}
