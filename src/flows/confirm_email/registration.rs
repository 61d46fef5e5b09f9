//! The address of a new account: whoever clicks confirms the account that the link was sent for, and its rivals go.

use diesel::QueryResult;

use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::link::Link;
use crate::user::{User, queries};

use super::{Described, Spent};

pub(super) async fn describe(conn: &mut Connection, link: &Link) -> QueryResult<Option<Described>> {
    let Some(user) = account(conn, link).await? else {
        return Ok(None);
    };
    if !user.is_confirmed() && queries::is_address_taken(conn, &link.email_canonical).await? {
        return Ok(None);
    }
    Ok(Some(Described { is_done: user.is_confirmed(), email: user.email }))
}

/// The lock comes first: a registration of the same address waits, and then finds it taken.
pub(super) async fn spend(conn: &mut Connection, link: &Link, occasion: &Occasion) -> QueryResult<Spent> {
    let canonical = link.email_canonical.as_str();
    queries::lock_known_address(conn, canonical).await?;
    // Read under the lock: perhaps somebody else spent a link while we waited for it.
    let Some(user) = account(conn, link).await? else {
        return Ok(Spent::Void);
    };
    if user.is_confirmed() {
        return Ok(Spent::Before(user.email));
    }
    if !queries::set_confirmed(conn, user.id(), canonical, occasion.at).await? {
        return Ok(Spent::Void);
    }
    queries::delete_unconfirmed_of(conn, canonical).await?;
    event::record(conn, user.id(), EventKind::Confirmed, occasion).await?;
    Ok(Spent::Now(user.email))
}

/// The account of the link, if it is there and still has the address.
async fn account(conn: &mut Connection, link: &Link) -> QueryResult<Option<User>> {
    let user = queries::find(conn, link.user_id).await?;
    Ok(user.filter(|user| user.email_canonical == link.email_canonical && !user.is_disabled()))
}
