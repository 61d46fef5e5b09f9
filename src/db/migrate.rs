//! The migrations, embedded in the binary and run at start.

use diesel_async::{AsyncMigrationHarness, RunQueryDsl as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::{Connection, DbError};

/// All migrations, in order.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// An arbitrary number, the same in every instance: "vestibul" in ASCII.
const LOCK: i64 = 0x7665_7374_6962_756c;

/// Runs pending migrations and names them. The lock, which ends with the connection, makes other instances wait, so that
/// each migration runs once. Needs a multi-threaded runtime.
pub(super) async fn run(mut connection: Connection) -> Result<Vec<String>, DbError> {
    diesel::sql_query("select pg_advisory_lock($1)")
        .bind::<diesel::sql_types::BigInt, _>(LOCK)
        .execute(&mut connection)
        .await?;
    let mut harness = AsyncMigrationHarness::new(connection);
    let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|error| {
        // Diesel boxes these errors; a closed connection shows in the text alone.
        DbError::Unavailable(format!("a migration failed: {error}"))
    })?;
    Ok(applied.iter().map(ToString::to_string).collect())
}
