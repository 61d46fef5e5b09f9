//! What has had its time: accounts that nobody confirmed, addresses that nobody has.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::schema::{addresses, users};
use crate::db::{CLEANING_BATCH, Connection};

/// How many addresses are looked at in one go.
const SLICE: i64 = 10_000;

/// Deletes some of the accounts that were registered before `before` and never confirmed.
///
/// # Errors
/// Those of the database.
pub async fn delete_unconfirmed_before(conn: &mut Connection, before: DateTime<Utc>) -> QueryResult<usize> {
    let stale = || users::table.filter(users::confirmed_at.is_null()).filter(users::created_at.lt(before));
    let some: Vec<Uuid> = stale().select(users::id).limit(CLEANING_BATCH).load(conn).await?;
    diesel::delete(stale().filter(users::id.eq_any(some))).execute(conn).await
}

/// Forgets those of the next addresses after `after` that no account has, and that were made known before `before`: a
/// registration that is being hashed needs its own for a moment. Gives how many they were, and where to go on.
///
/// # Errors
/// Those of the database.
pub async fn delete_unused_addresses(
    conn: &mut Connection,
    before: DateTime<Utc>,
    after: &str,
) -> QueryResult<(usize, Option<String>)> {
    let next = addresses::table.filter(addresses::canonical.gt(after)).order(addresses::canonical);
    let last: Option<String> = next.select(addresses::canonical).offset(SLICE - 1).first(conn).await.optional()?;
    let used = users::table.filter(users::email_canonical.eq(addresses::canonical));
    let unused = addresses::table
        .filter(addresses::canonical.gt(after))
        .filter(addresses::created_at.lt(before))
        .filter(not(exists(used)));
    let deleted = match &last {
        Some(last) => diesel::delete(unused.filter(addresses::canonical.le(last))).execute(conn).await?,
        None => diesel::delete(unused).execute(conn).await?,
    };
    Ok((deleted, last))
}
