//! Whether the database is one that the service can use. Some that speak the protocol of PostgreSQL only pretend to lock:
//! all would seem well until two requests meet.

use diesel::QueryResult;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};

use super::DbError;

/// The oldest version, as `server_version_num` has it.
const OLDEST: i32 = 150_000;
/// An arbitrary number that nothing else locks: "engine" in ASCII.
const LOCK: i64 = 0x656e_6769_6e65;

#[derive(QueryableByName)]
struct Engine {
    /// Begins with the name and the version.
    #[diesel(sql_type = Text)]
    description: String,
    #[diesel(sql_type = Integer)]
    version: i32,
}

/// Refuses a database that is too old, or gives one lock to both connections.
pub(super) async fn check(mut one: AsyncPgConnection, mut other: AsyncPgConnection) -> Result<(), DbError> {
    let engine: Engine =
        diesel::sql_query("select version() as description, current_setting('server_version_num')::integer as version")
            .get_result(&mut one)
            .await?;
    // Such as "PostgreSQL 15.6 on x86_64-pc-linux-gnu, compiled by …".
    let name = engine.description.split(" on ").next().unwrap_or_default();
    let refused =
        |reason| Err(DbError::Unsupported(format!("{name} {reason}; the service needs PostgreSQL 15 or later")));
    if engine.version < OLDEST {
        return refused("is too old or behaves like an old PostgreSQL");
    }
    if try_lock(&mut one).await? && try_lock(&mut other).await? {
        return refused("gives one lock to two sessions");
    }
    Ok(())
}

/// Locks until the transaction, and with it the connection, ends.
async fn try_lock(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Locked {
        #[diesel(sql_type = Bool)]
        locked: bool,
    }
    conn.batch_execute("begin").await?;
    let statement = diesel::sql_query("select pg_try_advisory_xact_lock($1) as locked").bind::<BigInt, _>(LOCK);
    statement.get_result(conn).await.map(|found: Locked| found.locked)
}
