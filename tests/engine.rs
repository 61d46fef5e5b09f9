//! The database as it is: what is not PostgreSQL is refused by name, and an instance opens no more connections than it may.
//!
//! A function in a schema that is searched before `pg_catalog` stands for what such a database answers.

use serde_json::json;

use crate::support::binary::run;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::{TestApp, password_of};

/// Replaces a function of PostgreSQL in all later sessions.
async fn pretend(database: &TestDatabase, function: &str) {
    database.rows(&format!("create function public.{function}")).await;
    let set = "do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); \
               end $$";
    database.rows(set).await;
}

#[track_caller]
fn assert_refused(database: &TestDatabase, reason: &str) {
    let dir = fresh_dir("refused");
    let variables =
        [("DATABASE_URL", database.url.as_str()), ("DATA_DIR", dir.to_str().unwrap()), ("LISTEN", "127.0.0.1:0")];
    for command in ["serve", "migrate"] {
        let output = run(&[command], &variables);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        let expected = format!("vestibule: DATABASE_URL: {reason}; the service needs PostgreSQL 15 or later");
        assert_eq!(said.lines().last(), Some(expected.as_str()), "{command}");
    }
}

#[tokio::test]
async fn a_database_that_only_pretends_to_lock_is_refused_by_name() {
    let database = TestDatabase::empty();
    let version = "version() returns text language sql as \
                   $$ select 'CockroachDB CCL v23.2.1 on x86_64-pc-linux-gnu' $$";
    pretend(&database, version).await;
    pretend(&database, "pg_try_advisory_xact_lock(bigint) returns boolean language sql as $$ select true $$").await;
    assert_refused(&database, "CockroachDB CCL v23.2.1 gives one lock to two sessions");
    let tables = "select count(*) from pg_tables where schemaname = 'public'";
    assert_eq!(database.number(tables).await, 0);
}

#[tokio::test]
async fn a_database_that_is_too_old_is_refused() {
    let database = TestDatabase::empty();
    pretend(&database, "version() returns text language sql as $$ select 'PostgreSQL 14.9 on x86_64' $$").await;
    pretend(&database, "current_setting(text) returns text language sql as $$ select '140009'::text $$").await;
    assert_refused(&database, "PostgreSQL 14.9 is too old or behaves like an old PostgreSQL");
}

#[tokio::test]
async fn without_notifications_mails_are_sent_all_the_same() {
    let database = TestDatabase::migrated();
    let notify = "pg_notify(text, text) returns void language plpgsql as \
                  $$ begin raise exception 'there are no notifications here'; end $$";
    pretend(&database, notify).await;
    let app = TestApp::on_database(database).await;
    app.member("ada").await;
}

#[tokio::test]
async fn an_instance_opens_no_more_connections_than_it_may() {
    let app = TestApp::with(|settings| settings.database_connections = 8).await;
    let ada = app.member("ada").await;
    let mut tasks = Vec::new();
    for number in 0..40 {
        let (ada, visitor) = (ada.clone(), app.visitor());
        tasks.push(tokio::spawn(async move {
            let email = format!("ada{}@example.com", number % 10);
            visitor.register_as(json!({ "email": email, "password": password_of(&email) })).await;
            ada.get("/me").await.expect(200);
        }));
    }
    let open =
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'vestibule'";
    let mut most = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(app.database.number(open).await);
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!((4..=8).contains(&most), "{most} connections");
}
