//! How long a code works and how often it can be tried: 15 minutes, five times with a registration.

use chrono::Duration;
use serde_json::json;
use vestibule::config::Settings;

use super::code::{PATH, assert_refused, assert_status, code_of, register_from, registered, try_code, wrong};
use crate::races::all_at_once;
use crate::security::{limited, post_from, wait_of};
use crate::support::TestApp;

/// Each instance of a test would have a key of its own otherwise.
fn with_one_key(settings: &mut Settings) {
    settings.secret_key = vestibule::config::key_ring(&"ab".repeat(32)).ok();
}

#[tokio::test]
async fn a_code_lives_fifteen_minutes_from_the_moment_its_email_is_sent() {
    let app = limited().await;
    let (ada, registration) = registered(&app, "ada").await;
    let first = code_of(&app, &ada).await;
    // An address gets one email a minute, so this one waits.
    ada.post("/resend").await.expect(202);
    app.mailbox.exactly(&ada.email, 1).await;
    app.advance_and_deliver(Duration::minutes(10)).await;
    let second = app.mailbox.mails_to(&ada.email, 2).await[0].code().to_owned();
    // An email is in the mailbox a moment before its row says so.
    app.mailbox.wait_until_idle().await;
    assert_ne!(first, second, "an email of its own has a code of its own");
    app.clock.advance(Duration::minutes(5) + Duration::seconds(5));
    assert_refused(try_code(&app, &registration, &first).await);
    // Not to the second: the test itself takes time.
    app.clock.advance(Duration::minutes(9));
    let (_, other) = registered(&app, "bob").await;
    assert_refused(try_code(&app, &other, &second).await);
    assert_status(try_code(&app, &registration, &second).await, "confirmed");
    app.clock.advance(Duration::minutes(1));
    assert_refused(try_code(&app, &registration, &second).await);
}

#[tokio::test]
async fn a_resend_gives_a_new_code_and_the_earlier_one_works_as_well() {
    let app = TestApp::start().await;
    let (ada, registration) = registered(&app, "ada").await;
    let first = code_of(&app, &ada).await;
    ada.post("/resend").await.expect(202);
    let second = app.mailbox.mails_to(&ada.email, 2).await[0].code().to_owned();
    assert_ne!(first, second);
    assert_status(try_code(&app, &registration, &first).await, "confirmed");
    assert_status(try_code(&app, &registration, &second).await, "already_confirmed");
}

#[tokio::test]
async fn after_five_tries_the_right_code_is_refused_until_a_new_one_is_sent() {
    let app = TestApp::with(with_one_key).await;
    let (ada, registration) = registered(&app, "ada").await;
    let first = code_of(&app, &ada).await;
    for _ in 0..5 {
        assert_refused(try_code(&app, &registration, &wrong(&first)).await);
    }
    assert_refused(try_code(&app, &registration, &first).await);
    let restarted = app.beside(with_one_key).await;
    assert_refused(try_code(&restarted, &registration, &first).await);
    drop(restarted);
    ada.post("/resend").await.expect(202);
    let second = app.mailbox.mails_to(&ada.email, 2).await[0].code().to_owned();
    assert_refused(try_code(&app, &registration, &first).await);
    assert_status(try_code(&app, &registration, &second).await, "confirmed");
}

#[tokio::test]
async fn fifty_wrong_codes_at_once_are_five_tries() {
    let app = TestApp::with(with_one_key).await;
    let (ada, registration) = registered(&app, "ada").await;
    let code = code_of(&app, &ada).await;
    let beside = app.beside(with_one_key).await;
    let tries = (0..50).map(|number| {
        let visitor = if number % 2 == 0 { app.visitor() } else { beside.visitor() };
        let fields = json!({ "registration": registration, "code": wrong(&code) });
        async move { visitor.post_json(PATH, &fields).await }
    });
    for answer in all_at_once(tries.collect()).await {
        assert_refused(answer);
    }
    assert_eq!(app.database.number("select max(cardinality(user_ids)) from code_tries").await, 5);
    assert_refused(try_code(&app, &registration, &code).await);
}

#[tokio::test]
async fn of_fifty_right_codes_at_once_one_confirms() {
    let app = TestApp::with(with_one_key).await;
    let (ada, registration) = registered(&app, "ada").await;
    let code = code_of(&app, &ada).await;
    let beside = app.beside(with_one_key).await;
    let tries = (0..50).map(|number| {
        let visitor = if number % 2 == 0 { app.visitor() } else { beside.visitor() };
        let fields = json!({ "registration": registration, "code": code });
        async move { visitor.post_json(PATH, &fields).await }
    });
    let answers = all_at_once(tries.collect()).await;
    let count = |status: &str| answers.iter().filter(|answer| answer.json()["status"] == status).count();
    let refused = answers.iter().filter(|answer| answer.status == 422).count();
    // Right tries count as well.
    assert_eq!((count("confirmed"), count("already_confirmed"), refused), (1, 4, 45));
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
async fn a_stranger_cannot_use_up_the_tries_of_the_owner() {
    let app = limited().await;
    let hers = register_from(&app, "198.51.100.1", "ada@example.com").await;
    let code = app.mailbox.mail_to("ada@example.com").await.code().to_owned();
    for stranger in 2..4 {
        let client = format!("198.51.100.{stranger}");
        let registration = register_from(&app, &client, "ada@example.com").await;
        let fields = json!({ "registration": registration, "code": wrong(&code) });
        for _ in 0..10 {
            assert_refused(post_from(&app, &client, PATH, &fields).await);
        }
    }
    assert_status(try_code(&app, &hers, &code).await, "confirmed");
}

#[tokio::test]
async fn all_registrations_together_have_fifty_tries() {
    let app = limited().await;
    let hers = register_from(&app, "198.51.100.1", "ada@example.com").await;
    let mail = app.mailbox.mail_to("ada@example.com").await;
    for stranger in 2..13 {
        let client = format!("198.51.100.{stranger}");
        let registration = register_from(&app, &client, "ada@example.com").await;
        let fields = json!({ "registration": registration, "code": wrong(mail.code()) });
        for _ in 0..5 {
            assert_refused(post_from(&app, &client, PATH, &fields).await);
        }
    }
    assert_eq!(app.database.number("select max(cardinality(user_ids)) from code_tries").await, 50);
    assert_refused(try_code(&app, &hers, mail.code()).await);
    let by_link = app.visitor().post_json(&mail.path(), &json!({ "registration": hers })).await;
    assert_status(by_link, "confirmed");
}

#[tokio::test]
async fn a_client_may_try_fifty_codes_in_fifteen_minutes() {
    let app = limited().await;
    let (ada, registration) = registered(&app, "ada").await;
    let right = json!({ "registration": registration, "code": code_of(&app, &ada).await });
    let unknown = json!({ "registration": "unknown", "code": "00000000" });
    for _ in 0..50 {
        assert_refused(post_from(&app, "198.51.100.7", PATH, &unknown).await);
    }
    let wait = wait_of(post_from(&app, "198.51.100.7", PATH, &right).await);
    assert!((1..=900).contains(&wait), "{wait}");
    assert_status(post_from(&app, "198.51.100.8", PATH, &right).await, "confirmed");
    app.clock.advance(Duration::seconds(wait));
    assert_refused(post_from(&app, "198.51.100.7", PATH, &unknown).await);
}
