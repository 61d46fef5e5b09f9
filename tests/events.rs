//! Account events: what happened to an account, in order, with client and request, kept for a year and without secrets.

use chrono::Duration;
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

#[tokio::test]
async fn events_are_kept_for_a_year() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    // The cleanup removes changes of address after the events, and they expire earlier: once they are gone, it is done.
    ada.change_email("ada@example.org").await.expect(202);
    let events = "select count(*) from account_events";
    let before = app.database.number(events).await;
    assert!(before >= 4);
    app.clock.advance(Duration::days(364));
    let _instance = app.beside(|_| ()).await;
    let changes = "select count(*) from email_changes";
    eventually("the cleanup is done", async || (app.database.number(changes).await == 0).then_some(())).await;
    assert_eq!(app.database.number(events).await, before);
    app.clock.advance(Duration::days(2));
    let _instance = app.beside(|_| ()).await;
    eventually("old events are gone", async || (app.database.number(events).await == 0).then_some(())).await;
    assert!(ada.can_sign_in().await, "the account stays");
}
