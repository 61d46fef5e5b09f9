//! `POST /logout`: the session ends on the server, so a copied token is dead too.

use crate::support::{Credential, TestApp};

#[tokio::test]
async fn after_logout_the_token_is_dead_at_the_next_request() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let thief = app.visitor().with(ada.credential.clone());
    let answer = ada.post("/logout").await.expect(204);
    let cookie = answer.set_cookie().unwrap();
    assert!(
        cookie.starts_with("vestibule_session=;") && cookie.contains("Max-Age=0") && cookie.contains("Path=/"),
        "{cookie}"
    );
    thief.get("/me").await.expect_problem(401, "unauthenticated");
    let bearer = ada.with(Credential::Bearer(ada.token().to_owned()));
    bearer.get("/me").await.expect_problem(401, "unauthenticated");
    assert_eq!(app.database.number("select count(*) from sessions").await, 0);
}

#[tokio::test]
async fn logging_out_without_a_session_gives_the_same_answer() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let expected = ada.post("/logout").await.expect(204).appearance();
    assert_eq!(ada.post("/logout").await.expect(204).appearance(), expected, "twice");
    assert_eq!(app.visitor().post("/logout").await.expect(204).appearance(), expected);
    ada.credential = Credential::Bearer("nonsense".into());
    assert_eq!(ada.post("/logout").await.expect(204).appearance(), expected);
}

#[tokio::test]
async fn a_bearer_token_logs_out_as_well() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    ada.sign_in_with_bearer().await;
    ada.post("/logout").await.expect(204);
    assert!(!ada.is_signed_in().await);
}

#[tokio::test]
async fn other_sessions_stay() {
    let app = TestApp::start().await;
    let here = app.member("ada").await;
    let mut there = here.with(Credential::Nothing);
    there.sign_in().await;
    let bob = app.member("bob").await;
    here.post("/logout").await.expect(204);
    assert!(!here.is_signed_in().await);
    assert!(there.is_signed_in().await && bob.is_signed_in().await);
}

#[tokio::test]
async fn the_body_of_a_logout_does_not_matter() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    ada.request("POST", "/logout").body("garbage").send().await.expect(204);
    assert!(!ada.is_signed_in().await);
}
