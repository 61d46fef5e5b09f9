//! `PATCH /me`: change or remove the username.

use serde_json::{Value, json};

use crate::support::{Actor, TestApp};

/// Whether this username and the actor's password start a session.
async fn signs_in_as(actor: &Actor, username: &str) -> bool {
    let fields = json!({ "username": username, "password": actor.password });
    actor.with(crate::support::Credential::Nothing).post_json("/login", &fields).await.status == 200
}

#[tokio::test]
async fn the_new_username_signs_in_and_the_old_one_is_free() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let answer = ada.change_username(&json!("Countess")).await.expect(200).json();
    assert_eq!((&answer["username"], &answer["email"]), (&json!("Countess"), &json!("ada@example.com")));
    assert_eq!(ada.get("/me").await.json(), answer);
    assert!(signs_in_as(&ada, "countess").await && !signs_in_as(&ada, "ada").await);
    let bob = app.member("bob").await;
    assert_eq!(bob.change_username(&json!("ada")).await.expect(200).json()["username"], "ada");
    assert!(signs_in_as(&bob, "ada").await);
}

#[tokio::test]
async fn null_removes_the_username() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    assert_eq!(ada.change_username(&Value::Null).await.expect(200).json()["username"], Value::Null);
    assert!(!signs_in_as(&ada, "ada").await && ada.can_sign_in().await);
    assert_eq!(ada.change_username(&json!("ada")).await.expect(200).json()["username"], "ada");
}

#[tokio::test]
async fn the_username_of_another_account_is_taken_in_any_case_and_your_own_is_not() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.unconfirmed("bob").await;
    for name in ["bob", "BOB", "Bob"] {
        ada.change_username(&json!(name)).await.expect_problem(409, "username_taken");
    }
    assert_eq!(ada.get("/me").await.json()["username"], "ada");
    assert_eq!(ada.change_username(&json!("ADA")).await.expect(200).json()["username"], "ADA");
    assert!(signs_in_as(&ada, "ada").await);
}

#[tokio::test]
async fn of_many_requests_for_one_username_one_wins() {
    let app = TestApp::start().await;
    let mut actors = Vec::new();
    for name in ["ada", "bob", "eve", "joe"] {
        actors.push(app.member(name).await);
    }
    let changes = actors
        .iter()
        .map(|actor| tokio::spawn(actor.request("PATCH", "/me").json(&json!({ "username": "countess" })).send()));
    let changes: Vec<_> = changes.collect();
    let mut statuses = Vec::new();
    for change in changes {
        statuses.push(change.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
}

#[tokio::test]
async fn an_invalid_username_is_refused_with_its_field() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    ada.change_username(&json!("ab")).await.expect_errors(&[("/username", "wrong_length")]);
    ada.change_username(&json!("a b c")).await.expect_errors(&[("/username", "wrong_character")]);
    let patch = async |fields: Value| ada.request("PATCH", "/me").json(&fields).send().await;
    patch(json!({})).await.expect_errors(&[("/username", "required")]);
    let other = patch(json!({ "username": "countess", "email": "eve@example.org" })).await;
    assert_eq!(other.expect_problem(422, "validation_failed").json()["errors"][0]["pointer"], "/email");
    assert_eq!(ada.get("/me").await.json()["username"], "ada");
}

#[tokio::test]
async fn only_a_confirmed_account_may_change_its_username() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    ada.change_username(&json!("countess")).await.expect_problem(403, "unconfirmed");
    app.visitor().change_username(&json!("countess")).await.expect_problem(401, "unauthenticated");
    assert_eq!(ada.get("/me").await.json()["username"], "ada");
}

#[tokio::test]
async fn ten_changes_an_hour_are_allowed_and_setting_the_same_name_does_not_count() {
    let app = crate::security::limited().await;
    let ada = app.member("ada").await;
    let events = "select count(*) from account_events where kind = 'username_changed'";
    for _ in 0..20 {
        ada.change_username(&json!("ada")).await.expect(200);
    }
    assert_eq!(app.database.number(events).await, 0);
    for number in 0..10 {
        ada.change_username(&json!(format!("ada{number}"))).await.expect(200);
    }
    let wait = crate::security::wait_of(ada.change_username(&json!("countess")).await);
    assert!((3590..=3600).contains(&wait), "{wait}");
    assert_eq!(ada.get("/me").await.json()["username"], "ada9");
    assert_eq!(app.database.number(events).await, 10);
    app.clock.advance(chrono::Duration::seconds(wait));
    ada.change_username(&json!("countess")).await.expect(200);
}
