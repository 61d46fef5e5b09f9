//! Addresses: which are known, the hash parameters that their accounts share, and the lock on each.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use crate::db::schema::{addresses, users};
use crate::db::{self, Connection};
use crate::password::HashParameters;

/// How many addresses one clean-up statement looks at. In their order they are anywhere on the disk, so that many reads.
const SLICE: i64 = 2_000;

#[derive(QueryableByName)]
#[diesel(table_name = addresses)]
struct Parameters {
    parameters: String,
}

/// Locks an address until the transaction ends, and inserts it with the `fresh` parameters if it is new. Returns the
/// parameters that its accounts share.
pub async fn lock_or_insert(
    conn: &mut Connection<'_>,
    canonical: &str,
    fresh: &HashParameters,
    now: DateTime<Utc>,
) -> QueryResult<HashParameters> {
    let statement = diesel::insert_into(addresses::table)
        .values((
            addresses::canonical.eq(canonical),
            addresses::parameters.eq(fresh.as_str()),
            addresses::created_at.eq(now),
        ))
        .on_conflict(addresses::canonical)
        // Changes nothing, but locks and returns the existing row.
        .do_update()
        .set(addresses::canonical.eq(excluded(addresses::canonical)))
        .returning(addresses::parameters);
    let shared: Parameters = db::cached(statement).get_result(conn).await?;
    parse(&shared.parameters)
}

/// Locks an address until the transaction ends, if it is known.
pub async fn lock(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<()> {
    lock_all(conn, &[canonical]).await
}

/// Locks those of the addresses that are known, always in the same order.
pub async fn lock_all(conn: &mut Connection<'_>, canonicals: &[&str]) -> QueryResult<()> {
    let known = addresses::table.filter(addresses::canonical.eq_any(canonicals));
    // In byte order, as Rust sorts and as the import locks, whatever the collation of the database.
    let locked = known.order(sql::<Text>("canonical collate \"C\"")).select(addresses::canonical).for_update();
    locked.load::<String>(conn).await.map(drop)
}

/// The parameters that the accounts of an address share; `None` for an unknown address.
pub async fn find_parameters(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<Option<HashParameters>> {
    let found: Option<String> =
        addresses::table.find(canonical).select(addresses::parameters).first(conn).await.optional()?;
    found.as_deref().map(parse).transpose()
}

/// Sets the parameters that the accounts of an address share. Every hash of the address must fit them.
pub async fn set_parameters(
    conn: &mut Connection<'_>,
    canonical: &str,
    parameters: &HashParameters,
) -> QueryResult<()> {
    diesel::update(addresses::table.find(canonical))
        .set(addresses::parameters.eq(parameters.as_str()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether an account has confirmed the address.
pub async fn is_taken(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<bool> {
    let confirmed = users::table.filter(users::email_canonical.eq(canonical)).filter(users::confirmed_at.is_not_null());
    diesel::select(exists(confirmed)).get_result(conn).await
}

/// Deletes an address that has no account left.
pub async fn delete_if_unused(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<()> {
    let used = users::table.filter(users::email_canonical.eq(addresses::canonical));
    diesel::delete(addresses::table.find(canonical).filter(not(exists(used)))).execute(conn).await.map(drop)
}

/// Looks at the next addresses after `after` and deletes those that have no account and became known before `before`: a
/// registration whose password is being hashed has no account yet. Returns how many it deleted and where to continue.
pub async fn delete_unused(
    conn: &mut Connection<'_>,
    before: DateTime<Utc>,
    after: &str,
) -> QueryResult<(usize, Option<String>)> {
    let next = addresses::table.filter(addresses::canonical.gt(after)).order(addresses::canonical);
    let last: Option<String> = next.select(addresses::canonical).offset(SLICE - 1).first(conn).await.optional()?;
    // Not `exists`, which PostgreSQL may turn into a join that reads all users. The index alone answers this.
    let user = users::table.filter(users::email_canonical.eq(addresses::canonical));
    let user = user.select(users::email_canonical).single_value();
    let unused = addresses::table
        .filter(addresses::canonical.gt(after))
        .filter(addresses::created_at.lt(before))
        .filter(user.is_null());
    let deleted = match &last {
        Some(last) => diesel::delete(unused.filter(addresses::canonical.le(last))).execute(conn).await?,
        None => diesel::delete(unused).execute(conn).await?,
    };
    Ok((deleted, last))
}

pub(super) fn parse(stored: &str) -> QueryResult<HashParameters> {
    HashParameters::parse(stored).map_err(|error| diesel::result::Error::DeserializationError(error.into()))
}
