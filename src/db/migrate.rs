//! The migrations, embedded in the binary and run at start.

use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::DbError;

/// All migrations, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// An arbitrary number, the same in every instance: "vestibul" in ASCII.
const LOCK: i64 = 0x7665_7374_6962_756c;

/// How long a migration waits for the lock on a table. All requests that come later would wait behind it. If it fails, it is
/// tried again at the next start of an instance, or two seconds later by one that is starting.
const LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";
/// Without a transaction an index is built beside the requests, which takes as long as it takes.
const NO_LOCK_TIMEOUT: &str = "set lock_timeout = 0";

/// Runs pending migrations and names them. The lock, which ends with the connection, makes other instances wait, so that
/// each migration runs once. Needs a multi-threaded runtime.
pub(super) async fn run(mut connection: AsyncPgConnection) -> Result<Vec<String>, DbError> {
    let lock = diesel::sql_query("select pg_advisory_lock($1)").bind::<diesel::sql_types::BigInt, _>(LOCK);
    lock.execute(&mut connection).await?;
    // Diesel boxes these errors; a closed connection shows in the text alone.
    let failed = |error| DbError::Unavailable(format!("a migration failed: {error}"));
    let mut harness = AsyncMigrationHarness::new(connection);
    let mut applied = Vec::new();
    for migration in harness.pending_migrations(MIGRATIONS).map_err(failed)? {
        let is_in_transaction = migration.metadata().run_in_transaction();
        let mut connection = harness.into_inner();
        connection.batch_execute(if is_in_transaction { LOCK_TIMEOUT } else { NO_LOCK_TIMEOUT }).await?;
        harness = AsyncMigrationHarness::new(connection);
        applied.push(harness.run_migration(&migration).map_err(failed)?.to_string());
    }
    Ok(applied)
}
