//! `POST /password/change`: sets a new password with the current one, and ends all other sessions.

use serde_json::{Value, json};

use crate::security::{fail, limited, wait_of};
use crate::support::account::{OTHER_PASSWORD, PASSWORD_CHANGED};
use crate::support::{Actor, TestApp};

const CLIENT: &str = "198.51.100.7";

async fn change(actor: &Actor, current: &str, new: &str) -> crate::support::Answer {
    actor.post_json("/password/change", &json!({ "current_password": current, "new_password": new })).await
}

#[tokio::test]
async fn the_new_password_works_and_the_old_one_is_refused() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    ada.change_password(OTHER_PASSWORD).await.expect(204);
    assert!(!ada.can_sign_in().await);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn a_wrong_current_password_changes_nothing_and_keeps_the_session() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let there = ada.elsewhere().await;
    change(&ada, "wrong", OTHER_PASSWORD).await.expect_problem(403, "wrong_password");
    assert!(ada.is_signed_in().await && there.is_signed_in().await && ada.can_sign_in().await);
    assert_eq!(app.mailbox.count_about(&ada.email, PASSWORD_CHANGED).await, 0);
}

#[tokio::test]
async fn every_other_session_ends_and_this_one_continues() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let there = ada.elsewhere().await;
    let mut bearer = ada.elsewhere().await;
    bearer.sign_in_with_bearer().await;
    let copied = there.clone();
    let mut there = there;
    there.change_and_follow(OTHER_PASSWORD).await;
    assert!(there.passes_the_guard().await);
    assert!(!copied.is_signed_in().await, "a copy of the token is worth nothing any more");
    assert!(!ada.is_signed_in().await && !bearer.is_signed_in().await);
    assert!(bob.is_signed_in().await);
}

#[tokio::test]
async fn a_weak_new_password_is_refused_with_its_field() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    change(&ada, &ada.password, "short").await.expect_errors(&[("/new_password", "too_short")]);
    change(&ada, &ada.password, "ada@example.com").await.expect_errors(&[("/new_password", "too_guessable")]);
    let answer = ada.post_json("/password/change", &json!({ "new_password": Value::Null })).await;
    let answer = answer.expect_problem(422, "validation_failed").json();
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2);
    assert!(ada.can_sign_in().await);
}

#[tokio::test]
async fn the_owner_gets_a_notice_without_a_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    ada.change_password(OTHER_PASSWORD).await.expect(204);
    let mail = app.mailbox.mail_about(&ada.email, PASSWORD_CHANGED).await;
    assert!(mail.links.is_empty() && !mail.text.contains(OTHER_PASSWORD), "{}", mail.text);
}

#[tokio::test]
async fn an_unconfirmed_account_may_not_change_its_password() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    ada.change_password(OTHER_PASSWORD).await.expect_problem(403, "unconfirmed");
    assert!(ada.can_sign_in().await);
}

#[tokio::test]
async fn a_bearer_gets_its_new_token_in_the_answer() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    ada.sign_in_with_bearer().await;
    let id = ada.get("/sessions").await.expect(200).json()["sessions"][0]["id"].clone();
    let answer = ada.change_password(OTHER_PASSWORD).await.expect(200);
    assert_eq!(answer.set_cookie(), None);
    assert!(!ada.is_signed_in().await);
    let session = answer.json()["session"].clone();
    assert_eq!(session["id"], id);
    let token = session["token"].as_str().unwrap().to_owned();
    assert!(ada.with(crate::support::Credential::Bearer(token)).passes_the_guard().await);
}

#[tokio::test]
async fn a_remembered_session_stays_remembered() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let answer = ada.try_sign_in(json!({ "remember": true })).await.expect(200);
    let token = crate::support::actor::cookie_value(&answer, app.cookie_name);
    let ada = ada.with(crate::support::Credential::Cookie(token));
    let cookie = ada.change_password(OTHER_PASSWORD).await.expect(204).set_cookie().unwrap();
    assert!(cookie.contains("Max-Age=2592000"), "{cookie}");
}

#[tokio::test]
async fn failed_sign_ins_of_strangers_do_not_count_here() {
    let app = limited().await;
    let ada = app.member("ada").await;
    for _ in 0..5 {
        fail(&app, CLIENT, "email", "ada@example.com").await.expect_problem(401, "invalid_credentials");
    }
    wait_of(fail(&app, CLIENT, "email", "ada@example.com").await);
    ada.change_email("ada@example.org").await.expect(202);
    ada.change_password(OTHER_PASSWORD).await.expect(204);
}

#[tokio::test]
async fn failures_here_are_counted_together_and_a_success_clears_them() {
    let app = limited().await;
    let mut ada = app.member("ada").await;
    for _ in 0..4 {
        change(&ada, "wrong", OTHER_PASSWORD).await.expect_problem(403, "wrong_password");
    }
    ada.change_and_follow(OTHER_PASSWORD).await;
    // Changing the password, changing the address and deleting share one count.
    for _ in 0..3 {
        change(&ada, "wrong", "marble-canyon-whistle-83").await.expect_problem(403, "wrong_password");
    }
    let guess = ada.with_password("wrong");
    guess.change_email("ada@example.org").await.expect_problem(403, "wrong_password");
    guess.delete_account().await.expect_problem(403, "wrong_password");
    wait_of(change(&ada, OTHER_PASSWORD, "marble-canyon-whistle-83").await);
    // A thief of the session cannot keep the owner from signing in.
    ada.knowing(OTHER_PASSWORD).try_sign_in(json!({})).await.expect(200);
}

#[tokio::test]
async fn a_weak_new_password_does_not_count_as_a_failure() {
    let app = limited().await;
    let ada = app.member("ada").await;
    for _ in 0..6 {
        change(&ada, "wrong", "short").await.expect_problem(422, "validation_failed");
    }
    ada.change_password(OTHER_PASSWORD).await.expect(204);
}

#[tokio::test]
async fn of_many_concurrent_changes_one_wins() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let passwords: Vec<String> = (0..4).map(|number| crate::support::password_of(&format!("try{number}"))).collect();
    let mut actors = Vec::new();
    for _ in &passwords {
        actors.push(ada.elsewhere().await);
    }
    let changes = actors.into_iter().zip(passwords.clone());
    let tries: Vec<_> = changes
        .map(|(actor, password)| tokio::spawn(async move { actor.change_password(&password).await.status }))
        .collect();
    let mut winners = Vec::new();
    for (attempt, password) in tries.into_iter().zip(&passwords) {
        match attempt.await.unwrap() {
            204 => winners.push(password),
            status => assert!(matches!(status, 401 | 403), "{status}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert!(ada.knowing(winners[0]).can_sign_in().await);
}
