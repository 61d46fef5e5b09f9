//! The tables: `src/db/schema.rs` matches the migrations, and every migration can be reverted.

use std::collections::BTreeSet;

use diesel_async::{AsyncConnection as _, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::MigrationHarness as _;
use vestibule::db::{Db, MIGRATIONS};

use crate::support::database::TestDatabase;

const COLUMNS: &str = "select table_name, column_name, data_type, is_nullable from information_schema.columns \
                       where table_schema = 'public' and table_name not like '\\_\\_diesel%' \
                       and table_name not in (select relname from pg_class where relispartition)";

/// Everything that a migration can create, as text.
const OBJECTS: [&str; 5] = [
    "select table_name, column_name, ordinal_position, data_type, is_nullable, column_default, collation_name \
     from information_schema.columns where table_schema = 'public'",
    "select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint \
     where connamespace = 'public'::regnamespace",
    "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'",
    "select event_object_table, trigger_name, action_statement from information_schema.triggers",
    "select typname, typtype from pg_type where typnamespace = 'public'::regnamespace",
];

async fn dump(database: &TestDatabase) -> BTreeSet<Vec<Option<String>>> {
    let mut dump = BTreeSet::new();
    for statement in OBJECTS {
        dump.extend(database.rows(statement).await);
    }
    dump
}

/// Diesel's name for a type of PostgreSQL.
fn diesel_type(data_type: &str) -> &'static str {
    match data_type {
        "text" => "Text",
        "bytea" => "Bytea",
        "integer" => "Int4",
        "bigint" => "Int8",
        "smallint" => "Int2",
        "boolean" => "Bool",
        "uuid" => "Uuid",
        "jsonb" => "Jsonb",
        "inet" => "Inet",
        "cidr" => "Cidr",
        "timestamp with time zone" => "Timestamptz",
        "date" => "Date",
        "double precision" => "Float8",
        // No table has another array.
        "ARRAY" => "Array<Nullable<Uuid>>",
        other => panic!("teach this test what diesel calls {other}"),
    }
}

/// `table.column -> Type` for each column that `schema.rs` declares.
fn declared() -> BTreeSet<String> {
    let mut declared = BTreeSet::new();
    let mut table = "";
    for line in include_str!("../src/db/schema.rs").lines().map(str::trim) {
        if let Some((name, rest)) = line.split_once(" (")
            && rest.ends_with(") {")
        {
            table = name;
        } else if line.contains(" -> ") && !line.starts_with("diesel::") {
            declared.insert(format!("{table}.{}", line.trim_end_matches(',')));
        }
    }
    declared
}

#[tokio::test]
async fn schema_rs_matches_the_migrations() {
    let database = TestDatabase::migrated();
    let made: BTreeSet<String> = database
        .rows(COLUMNS)
        .await
        .into_iter()
        .map(|row| {
            let [table, column, data_type, nullable] = row.try_into().unwrap();
            let type_ = diesel_type(&data_type.unwrap());
            let is_nullable = nullable.as_deref() == Some("YES");
            let type_ = if is_nullable { format!("Nullable<{type_}>") } else { type_.to_owned() };
            format!("{}.{} -> {type_}", table.unwrap(), column.unwrap())
        })
        .collect();
    assert!(made.len() > 20);
    let differing: Vec<_> = made.symmetric_difference(&declared()).cloned().collect();
    assert!(differing.is_empty(), "{differing:#?}");
}

#[tokio::test]
async fn constraints_that_the_code_names_exist() {
    use vestibule::user::users::{CONFIRMED_EMAIL_KEY, USERNAME_KEY};
    let database = TestDatabase::migrated();
    for name in [CONFIRMED_EMAIL_KEY, USERNAME_KEY] {
        let statement =
            format!("select count(*) from pg_indexes where indexname = '{name}' and indexdef like '%UNIQUE%'");
        assert_eq!(database.number(&statement).await, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_migration_can_be_reverted_and_run_again() {
    let database = TestDatabase::empty();
    let before = dump(&database).await;
    let db = Db::new(&database.url, 1).unwrap();
    let applied = db.migrate().await.unwrap();
    assert!(applied.len() >= 3);
    let migrated = dump(&database).await;

    let harness = async || AsyncMigrationHarness::new(AsyncPgConnection::establish(&database.url).await.unwrap());
    // Reverts to each state and migrates again, so that every down.sql restores exactly the state before.
    for steps in 1..=applied.len() {
        let mut harness = harness().await;
        for _ in 0..steps {
            harness.revert_last_migration(MIGRATIONS).unwrap();
        }
        assert_eq!(harness.run_pending_migrations(MIGRATIONS).unwrap().len(), steps);
        assert_eq!(dump(&database).await, migrated, "{steps} back and forth");
    }
    harness().await.revert_all_migrations(MIGRATIONS).unwrap();
    let left: Vec<_> = dump(&database).await.difference(&before).cloned().collect();
    let is_ours = |row: &&Vec<Option<String>>| !row[0].as_deref().unwrap_or_default().contains("__diesel");
    let left: Vec<_> = left.iter().filter(is_ours).collect();
    assert!(left.is_empty(), "left over: {left:?}");
    assert_eq!(db.migrate().await.unwrap().len(), applied.len());
    assert_eq!(dump(&database).await, migrated);
    assert!(db.migrate().await.unwrap().is_empty(), "no migration is pending");
}
