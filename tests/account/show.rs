//! `GET /me`: users see their own account, even before they confirm the address.

use serde_json::{Value, json};

use crate::support::{Credential, TestApp, password_of};

#[tokio::test]
async fn the_address_is_shown_and_mailed_as_it_is_compared_without_invisible_characters() {
    let app = TestApp::start().await;
    for (typed, shown) in [
        (" Ada@exa\u{200b}mple\u{3002}com\n", "Ada@example.com"),
        ("bob@B\u{fc}\u{ad}cher.example", "bob@b\u{fc}cher.example"),
    ] {
        let mut user = app.visitor();
        (user.email, user.password) = (typed.to_owned(), password_of("ada"));
        user.register_as(json!({ "email": typed, "password": user.password })).await.expect(202);
        user.sign_in().await;
        assert_eq!(user.get("/me").await.expect(200).json()["email"], shown);
        app.mailbox.mail_to(shown).await;
    }
}

#[tokio::test]
async fn a_member_sees_the_account_as_it_was_registered() {
    let app = TestApp::start().await;
    let ada = app.member("Ada").await;
    let me = ada.get("/me").await.expect(200).json();
    assert_eq!(me["email"], "Ada@example.com");
    assert_eq!(me["username"], "Ada");
    assert_eq!(me["confirmed"], true);
    let age = app.clock.now() - me["created_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert!((0..60).contains(&age.num_seconds()), "{age}");
    assert!(me["created_at"].as_str().unwrap().ends_with('Z'));
    let id: uuid::Uuid = me["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
}

#[tokio::test]
async fn an_unconfirmed_account_sees_itself_as_unconfirmed() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    visitor.register_as(serde_json::json!({ "email": visitor.email, "password": visitor.password })).await.expect(202);
    let mut eve = visitor;
    eve.sign_in().await;
    let me = eve.get("/me").await.expect(200).json();
    assert_eq!(me["confirmed"], false);
    assert_eq!(me["username"], Value::Null);
}

#[tokio::test]
async fn a_visitor_has_no_account_to_see() {
    let app = TestApp::start().await;
    app.visitor().get("/me").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn each_user_sees_their_own_account() {
    let app = TestApp::start().await;
    let (ada, mut bob) = (app.member("ada").await, app.member("bob").await);
    assert_eq!(ada.get("/me").await.json()["username"], "ada");
    assert_eq!(bob.get("/me").await.json()["username"], "bob");
    bob.credential = Credential::Bearer(ada.token().to_owned());
    assert_eq!(bob.get("/me").await.json()["username"], "ada");
}
