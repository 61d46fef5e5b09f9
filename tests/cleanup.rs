//! The cleanup removes expired rows, however many there are, and nothing else.

use chrono::Duration;

use crate::support::{TestApp, eventually, within};

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
        format!("insert into login_throttles select sha256(n::text::bytea), '0.0.0.0/0', 3, null, {old} from {MANY}"),
        format!("insert into client_throttles select '10.0.0.0'::inet + n, 'sign_in', 3, {old} from {MANY}"),
        format!(
            "insert into account_events (id, user_id, kind, actor, at) select gen_random_uuid(), (select id from users where \
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

const TABLES: [&str; 9] = [
    "addresses",
    "users",
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
    let _instance = app.beside(|_| ()).await;
    let done = async || (counts(&app).await == fresh).then_some(());
    within(std::time::Duration::from_secs(60), "the expired rows are removed", done).await;
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
