//! The queries that change an account. They take a connection: the flow owns the transaction.
//!
//! Each says with its row count whether it was the one that changed something; none reads first and writes then.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{addresses, users};
use crate::password::{HashParameters, PasswordHash};

use super::queries::{delete_unconfirmed_of, is_address_taken, lock_address, lock_known_address};
use super::{Email, User, UserId, Username};

/// The stored hash of an account, with the parameters to compare a password under.
///
/// # Errors
/// Those of the database.
pub async fn find_password(conn: &mut Connection, id: UserId) -> QueryResult<Option<(HashParameters, PasswordHash)>> {
    let found: Option<(String, String)> =
        users::table.find(id.0).select((users::email_canonical, users::password_hash)).first(conn).await.optional()?;
    let Some((canonical, hash)) = found else {
        return Ok(None);
    };
    let parameters = super::queries::find_parameters(conn, &canonical).await?;
    Ok(parameters.map(|parameters| (parameters, PasswordHash::stored(hash))))
}

/// Sets a password, as long as the account still has the one that was set at `replaces_set_at`. `false` where it has not:
/// of two at once one wins, and the links that were made for the earlier password are spent.
///
/// # Errors
/// Those of the database.
pub async fn set_password(
    conn: &mut Connection,
    id: UserId,
    replaces_set_at: DateTime<Utc>,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let unchanged = users::table.find(id.0).filter(users::password_set_at.eq(replaces_set_at));
    let changed = diesel::update(unchanged)
        .set((users::password_hash.eq(hash.as_str()), users::password_set_at.eq(now)))
        .execute(conn)
        .await?;
    Ok(changed == 1)
}

/// Locks an account and its address for whoever proved to be its owner a moment ago. `false` where the password was set
/// anew since, or the account is gone or disabled: then that proof is worth nothing any more.
///
/// # Errors
/// Those of the database.
pub async fn lock_unchanged(conn: &mut Connection, user: &User) -> QueryResult<bool> {
    lock_known_address(conn, &user.email_canonical).await?;
    let unchanged = users::table
        .find(user.id)
        .filter(users::password_set_at.eq(user.password_set_at))
        .filter(users::disabled_at.is_null());
    let locked = unchanged.select(users::id).for_update().first::<Uuid>(conn).await.optional()?;
    Ok(locked.is_some())
}

/// Sets or removes a username.
///
/// # Errors
/// The constraint [`super::queries::USERNAME_KEY`] when the name is taken.
pub async fn set_username(conn: &mut Connection, id: UserId, username: Option<&Username>) -> QueryResult<Option<User>> {
    diesel::update(users::table.find(id.0))
        .set((
            users::username.eq(username.map(Username::as_typed)),
            users::username_canonical.eq(username.map(Username::canonical)),
        ))
        .returning(User::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Gives a confirmed account another address, which is then proved. Its hash stays good, as the address takes over the
/// parameters of the account: whoever else registered it without proof goes. `false` where the address belongs to
/// somebody, or the account has not the address `from` any more.
///
/// # Errors
/// The constraint [`super::queries::CONFIRMED_EMAIL_KEY`] in a race for the address.
pub async fn set_email(
    conn: &mut Connection,
    id: UserId,
    from: &Email,
    to: &Email,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let Some((mut parameters, _)) = find_password(conn, id).await? else {
        return Ok(false);
    };
    // In one order, so that two people who swap addresses do not wait for each other.
    let mut canonicals = [from.canonical(), to.canonical()];
    canonicals.sort_unstable();
    for canonical in canonicals {
        let shared = lock_address(conn, canonical, &parameters, now).await?;
        // Those of this moment: a login may have renewed the hash while this waited for the lock.
        if canonical == from.canonical() {
            parameters = shared;
        }
    }
    if from.canonical() != to.canonical() {
        if is_address_taken(conn, to.canonical()).await? {
            return Ok(false);
        }
        delete_unconfirmed_of(conn, to.canonical()).await?;
        super::queries::set_parameters(conn, to.canonical(), &parameters).await?;
    }
    let unchanged = users::table
        .find(id.0)
        .filter(users::email_canonical.eq(from.canonical()))
        .filter(users::confirmed_at.is_not_null());
    let changed = diesel::update(unchanged)
        .set((users::email.eq(to.as_typed()), users::email_canonical.eq(to.canonical())))
        .execute(conn)
        .await?;
    Ok(changed == 1)
}

/// Shuts an account, or opens it again. `false` where there is none.
///
/// # Errors
/// Those of the database.
pub async fn set_disabled_at(conn: &mut Connection, id: UserId, at: Option<DateTime<Utc>>) -> QueryResult<bool> {
    Ok(diesel::update(users::table.find(id.0)).set(users::disabled_at.eq(at)).execute(conn).await? == 1)
}

/// Deletes an account with everything that belongs to it, and its address if nobody else has it. `false` where there is
/// none.
///
/// # Errors
/// Those of the database.
pub async fn delete(conn: &mut Connection, user: &User) -> QueryResult<bool> {
    let deleted = diesel::delete(users::table.find(user.id)).execute(conn).await?;
    let used = users::table.filter(users::email_canonical.eq(addresses::canonical));
    let unused = addresses::table.find(&user.email_canonical).filter(not(exists(used)));
    diesel::delete(unused).execute(conn).await?;
    Ok(deleted == 1)
}
