//! `DELETE /sessions` and `DELETE /sessions/{id}`: sign out elsewhere.

use crate::support::{Actor, Credential, TestApp};

/// The id of the current session.
async fn own_id(actor: &Actor) -> String {
    let body = actor.get("/sessions").await.expect(200).json();
    let current = body["sessions"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
    current["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn all_other_sessions_end_and_the_current_one_continues() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let mut there = ada.with(Credential::Nothing);
    there.sign_in_with_bearer().await;
    let third = ada.elsewhere().await;
    there.delete("/sessions").await.expect(204);
    assert!(there.passes_the_guard().await);
    assert!(!ada.is_signed_in().await && !third.is_signed_in().await);
    assert!(bob.is_signed_in().await, "sessions of other accounts continue");
    there.delete("/sessions").await.expect(204);
    assert!(there.is_signed_in().await);
}

#[tokio::test]
async fn one_session_ends_and_the_others_continue() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (there, third) = (ada.elsewhere().await, ada.elsewhere().await);
    let path = format!("/sessions/{}", own_id(&there).await);
    let answer = ada.delete(&path).await.expect(204);
    assert_eq!(answer.set_cookie(), None);
    assert!(!there.is_signed_in().await && ada.is_signed_in().await && third.is_signed_in().await);
    ada.delete(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_session_of_another_account_is_not_found() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let theirs = ada.delete(&format!("/sessions/{}", own_id(&bob).await)).await.expect_problem(404, "not_found");
    let missing = ada.delete("/sessions/0198c0de-0000-7000-8000-000000000000").await.expect_problem(404, "not_found");
    assert_eq!(theirs.appearance(), missing.appearance());
    ada.delete("/sessions/nonsense").await.expect_problem(404, "not_found");
    assert!(ada.is_signed_in().await && bob.is_signed_in().await);
}

#[tokio::test]
async fn ending_the_current_session_signs_out() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let there = ada.elsewhere().await;
    let answer = ada.delete(&format!("/sessions/{}", own_id(&ada).await)).await.expect(204);
    assert!(answer.set_cookie().unwrap().contains("Max-Age=0"), "the browser drops the cookie");
    assert!(!ada.is_signed_in().await && there.is_signed_in().await);
}

#[tokio::test]
async fn an_unconfirmed_account_may_not_end_other_sessions() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let there = ada.elsewhere().await;
    ada.delete("/sessions").await.expect_problem(403, "unconfirmed");
    ada.delete("/sessions/0198c0de-0000-7000-8000-000000000000").await.expect_problem(403, "unconfirmed");
    assert!(there.is_signed_in().await);
}

#[tokio::test]
async fn an_ended_session_is_dead_on_every_instance() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let there = ada.elsewhere().await;
    let other = app.beside(|_| ()).await;
    assert!(there.at(&other).is_signed_in().await);
    ada.delete("/sessions").await.expect(204);
    assert!(!there.at(&other).is_signed_in().await);
}
