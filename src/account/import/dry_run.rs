//! A dry run: the import itself, on temporary tables that hide the real ones.
//!
//! If each batch were rolled back, a later one would not see what an earlier line did. One transaction for the whole file
//! would keep its locks for as long, and the service would wait for them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};

use crate::user::Username;

use super::{Batch, Outcome, insert_batch};

/// A connection on which an import changes nothing that outlives it.
pub struct DryRun {
    conn: AsyncPgConnection,
    /// Where the real tables are, quoted.
    schema: String,
}

#[derive(QueryableByName)]
struct Schema {
    #[diesel(sql_type = Text)]
    name: String,
}

impl DryRun {
    pub async fn new(mut conn: AsyncPgConnection) -> QueryResult<Self> {
        let schema: Schema = diesel::sql_query(
            "select format('%I', nspname) as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace \
             where pg_class.oid = 'users'::regclass",
        )
        .get_result(&mut conn)
        .await?;
        let mut statements = "create temp table copied (id uuid primary key);".to_owned();
        for table in ["addresses", "users", "account_events"] {
            statements += &format!("create temp table {table} (like {}.{table} including all);", schema.name);
        }
        conn.batch_execute(&statements).await?;
        Ok(Self { conn, schema: schema.name })
    }

    /// What the import would do with this batch, after all the earlier ones.
    pub async fn insert(&mut self, batch: &Batch, now: DateTime<Utc>) -> QueryResult<Vec<Outcome>> {
        self.copy_rows(batch).await?;
        self.conn.batch_execute("begin").await?;
        let outcomes = insert_batch(&mut &self.conn, batch, now).await?;
        self.conn.batch_execute("commit").await?;
        Ok(outcomes)
    }

    /// Copies every real row that the batch can meet, once: an earlier line may have deleted the copy.
    async fn copy_rows(&mut self, batch: &Batch) -> QueryResult<()> {
        let Self { conn, schema } = self;
        let users = || batch.users.iter().map(|(_, user)| user);
        let canonical: Vec<&str> = users().map(|user| user.email.canonical()).collect();
        let usernames: Vec<String> =
            users().filter_map(|user| user.username.as_ref().map(Username::canonical)).collect();
        diesel::sql_query(format!(
            "insert into addresses select * from {schema}.addresses where canonical = any($1) on conflict do nothing"
        ))
        .bind::<Array<Text>, _>(&canonical)
        .execute(conn)
        .await?;
        diesel::sql_query(format!(
            "with met as (insert into copied select id from {schema}.users \
             where email_canonical = any($1) or username_canonical = any($2) or id = any($3) \
             on conflict do nothing returning id) \
             insert into users select u.* from {schema}.users u join met using (id) on conflict do nothing"
        ))
        .bind::<Array<Text>, _>(&canonical)
        .bind::<Array<Text>, _>(&usernames)
        .bind::<Array<SqlUuid>, _>(users().map(|user| user.id.0).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map(drop)
    }
}
