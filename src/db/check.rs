//! Whether the database can serve, for readiness.

use diesel::IntoSql as _;
use diesel::sql_types::Integer;
use diesel_async::RunQueryDsl as _;

use super::error::is_lost_statement;
use super::{Connection, Db, DbError};

impl Db {
    /// Whether the database can do what requests need: a prepared statement with a parameter, alone and in a transaction,
    /// and again on the same connection while another one is in a transaction. A pooler in transaction mode sends that to a
    /// server that does not know the statement.
    ///
    /// # Errors
    /// [`DbError::Unavailable`].
    pub async fn check(&self) -> Result<(), DbError> {
        let ask = async |conn: &mut Connection<'_>| {
            // Not `sql_query`, whose statements are not kept for the next time.
            diesel::select(1.into_sql::<Integer>()).execute(conn).await.map_err(DbError::from)
        };
        // One at a time takes two connections: many that hold one and wait for another would get nowhere.
        let Ok(_alone) = self.checking.try_lock() else {
            return self.transaction(ask).await.map(drop);
        };
        let checked = self.run(async |first| {
            ask(first).await?;
            let again = self.transaction::<_, _, DbError>(async |second| {
                ask(second).await?;
                ask(first).await
            });
            match again.await {
                Err(error) if is_lost_statement(&error.to_string()) => Err(error),
                // If there is no second connection, the first one still serves.
                _ => ask(first).await,
            }
        });
        checked.await.map(drop)
    }
}
