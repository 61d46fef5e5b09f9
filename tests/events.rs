//! Account events: what happened to an account, in order, with client and request, kept for `EVENT_TTL` and without secrets.

use chrono::{Datelike as _, Duration, Months};
use serde_json::{Value, json};
use strum::VariantArray as _;
use vestibule::audit::EventKind;

use crate::support::account::OTHER_PASSWORD;
use crate::support::{Actor, Answer, Credential, TestApp, eventually};

/// The expected events: their kinds, and the ids of their requests.
#[derive(Default)]
struct Expected(Vec<(String, String)>);

impl Expected {
    fn add(&mut self, kind: &str, answer: &Answer) {
        self.0.push((kind.to_owned(), answer.header("x-request-id").unwrap().to_owned()));
    }
}

/// Does everything once that a user can do to an account.
async fn do_everything(app: &TestApp) -> (Actor, Expected) {
    let mut expected = Expected::default();
    let mut ada = Actor::new(app, "ada");
    let visitor = app.visitor();
    expected.add("registered", &ada.register().await.expect(202));
    let link = app.mailbox.mail_to(&ada.email).await.path();
    expected.add("confirmed", &ada.open(&link).await.expect(200));
    ada.open(&link).await.expect(200);
    expected.add("signed_in", &ada.sign_in().await);
    expected.add("sign_in_refused", &ada.knowing("wrong").try_sign_in(json!({})).await.expect(401));
    expected.add("signed_in", &ada.with(Credential::Nothing).try_sign_in(json!({})).await.expect(200));
    expected.add("sessions_ended", &ada.delete("/sessions").await.expect(204));
    ada.delete("/sessions").await.expect(204);
    expected.add("username_changed", &ada.change_username(&json!("countess")).await.expect(200));
    let guess = ada.with_password("wrong");
    expected.add("password_refused", &guess.change_password(OTHER_PASSWORD).await.expect(403));
    expected.add("password_changed", &ada.change_and_follow(OTHER_PASSWORD).await);
    ada.password = OTHER_PASSWORD.to_owned();
    expected.add("email_change_requested", &ada.change_email("ada@example.org").await.expect(202));
    let link = app.mailbox.mail_to("ada@example.org").await.path();
    let undo = app.mailbox.mail_about(&ada.email, crate::support::account::CHANGE_NOTICE).await.path();
    expected.add("email_changed", &ada.open(&link).await.expect(200));
    expected.add("email_change_undone", &visitor.post(&undo).await.expect(200));
    expected
        .add("password_reset_requested", &visitor.reached_at(&ada.email).request_password_reset().await.expect(202));
    let token = app.mailbox.mail_about(&ada.email, crate::support::account::RESET).await.token();
    app.reset(&token, "short").await.expect(422);
    expected.add("password_reset", &app.reset(&token, "marble-canyon-whistle-83").await.expect(204));
    ada.password = "marble-canyon-whistle-83".to_owned();
    expected.add("signed_in", &ada.sign_in().await);
    expected.add("signed_out", &ada.post("/logout").await.expect(204));
    ada.post("/logout").await.expect(204);
    expected.add("signed_in", &ada.sign_in().await);
    (ada, expected)
}

#[tokio::test]
async fn each_event_is_recorded_once_in_order_with_its_request() {
    let app = TestApp::start().await;
    let (ada, expected) = do_everything(&app).await;
    let export = ada.export().await;
    let events: Vec<&Value> = export["events"].as_array().unwrap().iter().rev().collect();
    let text = |event: &Value, member: &str| event[member].as_str().unwrap_or_default().to_owned();
    let found: Vec<_> = events.iter().map(|event| (text(event, "kind"), text(event, "request_id"))).collect();
    assert_eq!(found, expected.0);
    for event in events {
        assert_eq!(event["actor"], "owner", "{event}");
        assert_eq!(event["ip"], "127.0.0.1", "{event}");
        assert_eq!(event["user_agent"], "vestibule-tests/1", "{event}");
    }
    // The test is complete: it covers every kind of event that a user can cause.
    let only_by_admins = [EventKind::Created, EventKind::Disabled, EventKind::Enabled];
    for kind in EventKind::VARIANTS.iter().filter(|kind| !only_by_admins.contains(kind)).map(|kind| kind.name()) {
        assert!(found.iter().any(|(found, _)| found == kind), "{kind} did not happen");
    }
}

#[tokio::test]
async fn an_event_has_the_request_id_that_the_client_sent() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let patch = ada.request("PATCH", "/me").header("X-Request-Id", "my-own-id.1");
    patch.json(&json!({ "username": "countess" })).send().await.expect(200);
    let export = ada.export().await;
    assert_eq!(export["events"][0]["kind"], "username_changed");
    assert_eq!(export["events"][0]["request_id"], "my-own-id.1");
}

#[tokio::test]
async fn failed_changes_are_not_recorded() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.member("bob").await;
    let before = ada.events().await;
    ada.change_username(&json!("bob")).await.expect(409);
    ada.change_username(&json!("a")).await.expect(422);
    ada.change_password("short").await.expect(422);
    ada.change_email("nonsense").await.expect(422);
    ada.delete("/sessions").await.expect(204);
    ada.delete("/sessions/0198c0de-0000-7000-8000-000000000000").await.expect(404);
    app.visitor().request_password_reset().await.expect(202);
    app.visitor().try_sign_in(json!({})).await.expect(401);
    assert_eq!(ada.events().await, before);
}

#[tokio::test]
async fn a_reset_of_an_unconfirmed_account_also_records_its_confirmation() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    let mut ada = ada.knowing(OTHER_PASSWORD);
    ada.sign_in().await;
    let expected = ["registered", "signed_in", "password_reset_requested", "confirmed", "password_reset", "signed_in"];
    assert_eq!(ada.events().await, expected);
}

#[tokio::test]
async fn a_refused_login_by_username_is_recorded_too() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let guess = json!({ "username": "ADA", "password": "wrong" });
    app.visitor().post_json("/login", &guess).await.expect(401);
    assert_eq!(ada.events().await.last().unwrap(), "sign_in_refused");
}

#[tokio::test]
async fn no_event_contains_a_secret() {
    let app = TestApp::start().await;
    let (ada, _) = do_everything(&app).await;
    let mut secrets = vec![ada.token().to_owned(), OTHER_PASSWORD.to_owned(), ada.password.clone(), "wrong".to_owned()];
    secrets.push(crate::support::password_of("ada"));
    for mail in app.mailbox.mails().await {
        secrets.extend(mail.links.iter().map(|link| link.rsplit('/').next().unwrap().to_owned()));
    }
    let rows = app.database.rows("select e::text from account_events e").await;
    assert!(rows.len() >= 15 && secrets.len() >= 9);
    for row in rows {
        let text = row[0].clone().unwrap();
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
    }
}

/// The partitions of the events.
async fn months(app: &TestApp) -> Vec<String> {
    let names = "select inhrelid::regclass from pg_inherits where inhparent = 'account_events'::regclass order by inhrelid::regclass::text";
    let rows = app.database.rows(names).await;
    rows.into_iter().map(|row| row[0].as_deref().unwrap().trim_start_matches("account_events_").to_owned()).collect()
}

/// The months that exist when it is this time.
fn expected_months(app: &TestApp) -> Vec<String> {
    let first = app.clock.now().date_naive().with_day(1).unwrap();
    let months = (0..4).map(|n| first.checked_add_months(Months::new(n)).unwrap().format("%Y_%m").to_string());
    months.chain(["default".to_owned()]).collect()
}

async fn until_months(app: &TestApp, expected: &[String]) {
    eventually("the months are renewed", async || (months(app).await == expected).then_some(())).await;
}

const EVENTS: &str = "select count(*) from account_events";
const OF_NO_MONTH: &str = "select count(*) from account_events_default";

#[tokio::test]
async fn events_are_kept_for_a_year_and_then_dropped_by_the_month() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    until_months(&app, &expected_months(&app)).await;
    let before = app.database.number(EVENTS).await;
    assert!(before >= 3);
    app.clock.advance(Duration::days(364));
    let _instance = app.clean_up().await;
    // A year later, the first month is still there, and the others had no events to keep them.
    let is_renewed = async || months(&app).await.contains(&expected_months(&app)[3]).then_some(());
    eventually("the next months are created", is_renewed).await;
    assert_eq!(app.database.number(EVENTS).await, before);
    app.clock.advance(Duration::days(33));
    let _instance = app.clean_up().await;
    eventually("old events are gone", async || (app.database.number(EVENTS).await == 0).then_some(())).await;
    assert!(ada.can_sign_in().await, "the account stays");
}

#[tokio::test]
async fn event_ttl_sets_how_long_events_are_kept() {
    let app = TestApp::with_flags(&["--event-ttl", "30d"]).await;
    app.member("ada").await;
    until_months(&app, &expected_months(&app)).await;
    app.clock.advance(Duration::days(62));
    app.database.rows("delete from cleanup_runs").await;
    let _instance = app.beside(|settings| settings.event_ttl = std::time::Duration::from_secs(30 * 24 * 3600)).await;
    eventually("old events are gone", async || (app.database.number(EVENTS).await == 0).then_some(())).await;
}

#[tokio::test]
async fn events_are_recorded_in_the_month_of_their_time() {
    let app = TestApp::start().await;
    until_months(&app, &expected_months(&app)).await;
    app.clock.advance(Duration::days(40));
    app.member("ada").await;
    let month = app.clock.now().format("%Y_%m");
    let events = app.database.number(EVENTS).await;
    assert_eq!(app.database.number(&format!("select count(*) from account_events_{month}")).await, events);
    assert_eq!(app.database.number(OF_NO_MONTH).await, 0);
}

#[tokio::test]
async fn events_of_no_month_move_to_theirs_and_do_not_live_for_ever() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    until_months(&app, &expected_months(&app)).await;
    // Half a year ahead, as a wrong clock would have it: no month exists.
    app.clock.advance(Duration::days(180));
    ada.sign_in().await;
    assert_eq!(app.database.number(OF_NO_MONTH).await, 1);
    app.database
        .rows(
            "insert into account_events (id, user_id, kind, actor, at) select ('ffffffff-ffff-7fff-bfff-fffffffffff' || abs(n - 1))::uuid, id, \
             'signed_in', 'owner', now() + n * interval '10 years' from users, unnest(array[-1, 1, 9]) n",
        )
        .await;
    let before = ada.events().await.len();
    let _instance = app.clean_up().await;
    eventually("no event is left without a month", async || {
        (app.database.number(OF_NO_MONTH).await == 0).then_some(())
    })
    .await;
    assert_eq!(ada.events().await.len(), before - 3);
    let month = app.clock.now().format("%Y_%m");
    assert_eq!(app.database.number(&format!("select count(*) from account_events_{month}")).await, 1);
}

/// The bundled PostgreSQL has a fault on some machines: none of its time limits ends anything.
async fn obeys_lock_timeout(app: &TestApp) -> bool {
    let held = app.database.hold("lock table cleanup_runs").await;
    let waiting = app.database.hold(
        "set lock_timeout = 100; do $$ begin lock table cleanup_runs; exception when \
                                     lock_not_available then end $$",
    );
    let is_in_time = tokio::time::timeout(std::time::Duration::from_secs(3), waiting).await.is_ok();
    held.commit().await;
    is_in_time
}

#[tokio::test]
async fn a_month_that_cannot_be_created_stops_no_request() {
    let app = TestApp::start().await;
    if !obeys_lock_timeout(&app).await {
        return;
    }
    let ada = app.member("ada").await;
    until_months(&app, &expected_months(&app)).await;
    app.clock.advance(Duration::days(40));
    // As a long transaction does, such as a backup: nothing may change the tables meanwhile.
    let held = app
        .database
        .hold("insert into account_events select gen_random_uuid(), id, 'x', 'owner', now() from users")
        .await;
    let _instance = app.clean_up().await;
    let signing_in = async {
        for _ in 0..5 {
            assert!(ada.can_sign_in().await);
        }
        held.commit().await;
    };
    // Without its time limit it would wait for the transaction, and all requests would wait behind it.
    tokio::time::timeout(std::time::Duration::from_secs(8), signing_in).await.unwrap();
    let _instance = app.clean_up().await;
    let is_renewed = async || months(&app).await.contains(&expected_months(&app)[3]).then_some(());
    eventually("the next months are created", is_renewed).await;
}

#[tokio::test]
async fn a_month_with_too_many_events_to_move_does_not_keep_the_next_ones_from_being_created() {
    let app = TestApp::start().await;
    app.member("ada").await;
    app.until_cleaned_up().await;
    app.clock.advance(Duration::days(180));
    let begins = format!("{:012x}", app.clock.now().timestamp_millis());
    app.database
        .rows(&format!(
            "insert into account_events (id, user_id, kind, actor, at) select (overlay(gen_random_uuid()::text placing '{}-{}' \
             from 1 for 13))::uuid, id, 'signed_in', 'owner', now() from users, generate_series(1, 10001)",
            &begins[..8],
            &begins[8..],
        ))
        .await;
    let _instance = app.clean_up().await;
    let (made, needed) = (months(&app).await, expected_months(&app));
    assert!(!made.contains(&needed[0]) && needed[1..].iter().all(|month| made.contains(month)), "{made:?}");
    assert_eq!(app.database.number(OF_NO_MONTH).await, 10_001);
}
