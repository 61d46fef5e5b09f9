//! The address before a change takes it back, before or after it happened. Everybody is signed out: whoever asked for
//! the change knew the password.

use diesel::QueryResult;

use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::link::Link;
use crate::session;
use crate::user::{UserId, email_change};

use super::change::{change_of, set_email};
use super::{Described, Spent};

pub(super) async fn describe(conn: &mut Connection, link: &Link) -> QueryResult<Option<Described>> {
    let change = change_of(conn, link).await?;
    Ok(change.map(|change| Described { is_done: change.undone_at.is_some(), email: change.old_email }))
}

pub(super) async fn spend(conn: &mut Connection, link: &Link, occasion: &Occasion) -> QueryResult<Spent> {
    let Some(change) = change_of(conn, link).await? else {
        return Ok(Spent::Void);
    };
    email_change::lock_addresses(conn, &change).await?;
    let Some(undone) = email_change::set_undone(conn, change.id, occasion.at).await? else {
        // Read again: it may be gone with an earlier change that was taken back meanwhile.
        let change = change_of(conn, link).await?;
        return Ok(change.map_or(Spent::Void, |change| Spent::Before(change.old_email)));
    };
    let user_id = UserId(undone.user_id);
    if undone.confirmed_at.is_some() && !set_back(conn, link, &undone.old_email, occasion).await? {
        email_change::set_not_undone(conn, undone.id).await?;
        return Ok(Spent::Void);
    }
    // Whatever was asked for since then came from the same hands. Also what happened: else its own undo link, which went to
    // an address of those hands, would give them the account once more.
    email_change::delete_later(conn, &undone).await?;
    session::queries::delete_all(conn, user_id, None).await?;
    event::record(conn, user_id, EventKind::EmailChangeUndone, occasion).await?;
    Ok(Spent::Now(undone.old_email))
}

/// From whatever address the account has by now. `false` where the address belongs to somebody else meanwhile.
async fn set_back(conn: &mut Connection, link: &Link, old_email: &str, occasion: &Occasion) -> QueryResult<bool> {
    let Some(user) = crate::user::queries::find(conn, link.user_id).await? else {
        return Ok(false);
    };
    set_email(conn, user.id(), &user.email, old_email, occasion).await
}
