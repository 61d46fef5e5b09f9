//! PostgreSQL: the pool, transactions and migrations.
//!
//! The database decides: what must be unique is a constraint, what works once is a row count. All work has a deadline, so
//! that a database that is away, slow or frozen becomes an error within seconds and never a queue.

mod cached;
mod check;
mod engine;
mod error;
mod migrate;
mod pool;
pub mod schema;

pub use cached::cached;
pub use error::DbError;
pub use migrate::MIGRATIONS;
pub use pool::{Connection, Db, in_limited_time};

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

/// How many rows a clean-up deletes at once: that many take milliseconds and block no request.
const DELETE_BATCH: i64 = 1000;

/// Rows of a table with a time that is past, or too far ahead to be right.
#[derive(Clone, Copy, Debug)]
pub struct Expired {
    pub table: &'static str,
    /// The time. It has an index, with the condition `only`.
    pub column: &'static str,
    /// Which rows may be deleted at all, in SQL.
    pub only: &'static str,
    /// Whether those after a time go, instead of those before it.
    pub is_ahead: bool,
}

/// Deletes some of the expired rows: those before `at`, the earliest first, or else those after it. Returns how many.
pub async fn delete_batch(conn: &mut Connection<'_>, expired: &Expired, at: DateTime<Utc>) -> QueryResult<usize> {
    let Expired { table, column, only, is_ahead } = expired;
    let (compares, order) = if *is_ahead { (">", "desc") } else { ("<", "asc") };
    // The order makes PostgreSQL follow the index. If it believed that many rows have expired, it would read the table
    // instead, because it expected to find enough of them soon.
    let statement = format!(
        "delete from {table} where ctid = any(array(select ctid from {table} where {only} and {column} {compares} $1 \
         order by {column} {order} limit $2))"
    );
    diesel::sql_query(statement).bind::<Timestamptz, _>(at).bind::<BigInt, _>(DELETE_BATCH).execute(conn).await
}

/// Runs `work`, a part of a transaction that is rolled back alone if it fails.
pub async fn in_savepoint<T>(
    conn: &mut Connection<'_>,
    work: impl AsyncFnOnce(&mut Connection<'_>) -> QueryResult<T>,
) -> QueryResult<T> {
    conn.batch_execute("savepoint part").await?;
    let result = work(conn).await;
    let end = if result.is_ok() { "release savepoint part" } else { "rollback to savepoint part" };
    conn.batch_execute(end).await?;
    result
}
