//! The cleanup removes expired rows, however many there are, and nothing else.

use chrono::Duration;

use crate::support::{TestApp, eventually, within};

/// Changes something that a clean-up would see, and waits so long for one that does not come.
const QUIET: std::time::Duration = std::time::Duration::from_millis(500);

/// More than one batch of every table, and more than one slice of addresses.
const MANY: &str = "generate_series(1, 10500) n";

/// Inserts `MANY` expired rows into each table.
async fn pile_up(app: &TestApp) {
    let old = "timestamptz '2020-01-01'";
    for statement in [
        format!(
            "insert into addresses select 'old' || n || '@example.com', '$2b$10$......................', {old} from {MANY}"
        ),
        format!(
            "insert into users (id, email, email_canonical, password_hash, password_set_at, credential_version, created_at) \
             select gen_random_uuid(), canonical, canonical, 'x', {old}, gen_random_uuid(), {old} from addresses where canonical like 'old%'"
        ),
        format!(
            "insert into registrations select id, sha256(id::text::bytea), {old} from users where email like 'old%'"
        ),
        format!(
            "insert into sessions (id, token_sha256, user_id, created_at, last_seen_at, expires_at, idle_seconds, is_remembered, ip) \
             select gen_random_uuid(), sha256(n::text::bytea), (select id from users where username = 'ada'), {old}, {old}, \
             {old}, 60, false, '127.0.0.1' from {MANY}"
        ),
        format!(
            "insert into outbox (id, user_id, address, canonical, kind, request_context, state, queued_at, due_at, attempts, waits_for_server) \
             select gen_random_uuid(), (select id from users where username = 'ada'), 'x', 'x', 'confirm_email', '{{}}', 'sent', {old}, \
             {old}, 1, false from {MANY}"
        ),
        format!("insert into mail_budgets select n || '@example.com', 'confirm_email', {old}, {old} from {MANY}"),
        format!(
            "insert into login_throttles select sha256(n::text::bytea), '0.0.0.0/0', 3, null, {old}, null, {old} from {MANY}"
        ),
        format!("insert into client_throttles select '10.0.0.0'::inet + n, 'sign_in', 3, {old} from {MANY}"),
        format!(
            // Ids that are of no month.
            "insert into account_events (id, user_id, kind, actor, at) select \
             overlay(gen_random_uuid()::text placing 'ffffffff' from 1)::uuid, (select id from users where \
             username = 'ada'), 'signed_in', 'owner', {old} from {MANY}"
        ),
        format!(
            "insert into email_changes select gen_random_uuid(), (select id from users where username = 'ada'), 'a@b.de', \
             'c@d.de', {old}, {old}, null from {MANY}"
        ),
    ] {
        app.database.rows(&statement).await;
    }
}

const TABLES: [&str; 10] = [
    "addresses",
    "users",
    "registrations",
    "sessions",
    "outbox",
    "mail_budgets",
    "login_throttles",
    "client_throttles",
    "account_events",
    "email_changes",
];

async fn counts(app: &TestApp) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push(app.database.number(&format!("select count(*) from {table}")).await);
    }
    counts
}

#[tokio::test]
async fn expired_rows_are_removed_and_all_others_stay() {
    let app = crate::security::limited().await;
    let (ada, bob) = (app.member("ada").await, app.unconfirmed("bob").await);
    bob.knowing("a wrong guess").try_sign_in(serde_json::json!({})).await.expect(401);
    ada.change_email("ada@example.org").await.expect(202);
    app.mailbox.wait_until_idle().await;
    let fresh = counts(&app).await;
    assert!(fresh.iter().all(|count| *count > 0), "{fresh:?}");
    pile_up(&app).await;
    let piled = counts(&app).await;
    assert!(piled.iter().zip(&fresh).all(|(piled, fresh)| *piled == fresh + 10_500), "{piled:?}");
    let _instance = app.clean_up().await;
    let done = async || (counts(&app).await == fresh).then_some(());
    let what = format!("the expired rows of {TABLES:?} are removed until there are {fresh:?}");
    within(std::time::Duration::from_secs(60), &what, done).await;
    assert!(ada.passes_the_guard().await && bob.is_signed_in().await);
}

#[tokio::test]
async fn an_address_is_forgotten_with_its_last_account() {
    let app = TestApp::start().await;
    let (ada, _bob) = (app.member("ada").await, app.unconfirmed("bob").await);
    app.clock.advance(Duration::days(8));
    let _instance = app.beside(|_| ()).await;
    let addresses = "select string_agg(canonical, ' ' order by canonical) from addresses";
    let known = async || app.database.rows(addresses).await[0][0].clone();
    eventually("bob's address is forgotten", async || {
        (known().await.as_deref() == Some(ada.email.as_str())).then_some(())
    })
    .await;
    ada.elsewhere().await.delete_account().await.expect(204);
    assert_eq!(known().await, None);
}

#[tokio::test]
async fn a_registration_is_forgotten_after_seven_days_and_its_account_stays() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.clock.advance(Duration::days(6));
    drop(app.clean_up().await);
    let registrations = "select count(*) from registrations";
    assert_eq!(app.database.number(registrations).await, 1);
    app.clock.advance(Duration::days(2));
    let _instance = app.clean_up().await;
    assert_eq!(app.database.number(registrations).await, 0);
    assert!(ada.can_sign_in().await);
}

/// Inserts an expired row.
async fn add_expired(app: &TestApp) {
    app.database.rows("insert into mail_budgets values ('old@example.com', 'x', '2020-01-01', '2020-01-01')").await;
}

async fn expired(app: &TestApp) -> i64 {
    app.database.number("select count(*) from mail_budgets where mailbox = 'old@example.com'").await
}

async fn until_clean(app: &TestApp) {
    eventually("the expired row is removed", async || (expired(app).await == 0).then_some(())).await;
}

#[tokio::test]
async fn of_two_instances_one_cleans_up() {
    let app = TestApp::start().await;
    app.until_cleaned_up().await;
    add_expired(&app).await;
    app.database.rows("delete from cleanup_runs").await;
    let row = app.database.hold("select 1 from mail_budgets where mailbox = 'old@example.com' for update").await;
    let runs = app.database.hold("lock table cleanup_runs in exclusive mode").await;
    let _instances = (app.beside(|_| ()).await, app.beside(|_| ()).await);
    app.database.until_waiting(2).await;
    runs.commit().await;
    // One goes on to the row; the other one does not follow.
    app.database.until_waiting(1).await;
    tokio::time::sleep(QUIET).await;
    app.database.until_waiting(1).await;
    row.commit().await;
    until_clean(&app).await;
}

#[tokio::test]
async fn it_is_due_again_after_its_interval() {
    let app = TestApp::start().await;
    app.until_cleaned_up().await;
    add_expired(&app).await;
    let early = app.beside(|_| ()).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(expired(&app).await, 1, "it was just done");
    drop(early);
    app.clock.advance(Duration::minutes(11));
    let _late = app.beside(|_| ()).await;
    until_clean(&app).await;
}

#[tokio::test]
async fn a_clock_that_was_wrong_does_not_stop_it() {
    let app = TestApp::start().await;
    app.until_cleaned_up().await;
    add_expired(&app).await;
    app.database.rows("update cleanup_runs set next_at = next_at + interval '1 year'").await;
    let _instance = app.beside(|_| ()).await;
    until_clean(&app).await;
}

#[tokio::test]
async fn idle_sessions_are_removed_and_used_ones_stay() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    // More than one slice; every other one is idle.
    app.database
        .rows(
            "insert into sessions (id, token_sha256, user_id, created_at, last_seen_at, expires_at, idle_seconds, is_remembered, ip) \
             select gen_random_uuid(), sha256(n::text::bytea), id, now(), now() - (n % 2) * interval '2 hours', now() + interval \
             '1 day', 3600, false, '127.0.0.1' from users, generate_series(1, 21000) n",
        )
        .await;
    let _instance = app.clean_up().await;
    let sessions = "select count(*) from sessions";
    let done = async || (app.database.number(sessions).await == 10_501).then_some(());
    within(std::time::Duration::from_secs(30), "the idle sessions are removed", done).await;
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn counters_of_names_are_forgotten_unless_they_are_locked_or_their_client_is_known() {
    let app = crate::security::limited().await;
    let ada = app.member("ada").await;
    ada.knowing("a wrong guess").try_sign_in(serde_json::json!({})).await.expect(401);
    let counters = async || app.database.number("select count(*) from login_throttles").await;
    let before = counters().await;
    // A name that nobody may try any more.
    let nobody = serde_json::json!({ "email": "nobody@example.com", "password": "a wrong guess" });
    app.database.rows("update login_throttles set failures = 0").await;
    app.visitor().post_json("/login", &nobody).await.expect(401);
    app.database.rows("update login_throttles set failures = 99, blocked_until = null where failures = 1").await;
    app.visitor().post_json("/login", &nobody).await.expect(401);
    assert_eq!(counters().await, before + 2);
    let [known, locked] = ["known_until is not null", "failures = 100"];
    let number =
        async |which: &str| app.database.number(&format!("select count(*) from login_throttles where {which}")).await;
    let (is_known, is_locked) = (number(known).await, number(locked).await);
    assert!(is_known > 0 && is_locked > 0);
    for (days, left) in [(31, is_known + is_locked), (60, is_locked)] {
        app.clock.advance(Duration::days(days));
        let _instance = app.clean_up().await;
        eventually("counters are forgotten", async || (counters().await == left).then_some(())).await;
    }
}
