//! `POST /password/forgot`: the same answer for every address, and a mail to the account that has it.

use serde_json::json;

use crate::support::account::{OTHER_PASSWORD, RESET};
use crate::support::{Actor, TestApp};

/// Disables an account directly in the database, which is faster than `vestibule user disable`.
async fn disable(app: &TestApp, actor: &Actor) {
    app.database.rows(&format!("update users set disabled_at = now() where email = '{}'", actor.email)).await;
}

#[tokio::test]
async fn the_answer_is_the_same_for_every_address() {
    let app = TestApp::start().await;
    let (ada, bob, eve) = (app.member("ada").await, app.unconfirmed("bob").await, app.member("eve").await);
    disable(&app, &eve).await;
    let expected = app.visitor().request_password_reset().await.expect(202);
    assert_eq!(expected.set_cookie(), None);
    for actor in [&ada, &bob, &eve] {
        for _ in 0..2 {
            let answer = app.visitor().reached_at(&actor.email).request_password_reset().await;
            assert_eq!(answer.appearance(), expected.appearance(), "{}", actor.name);
        }
    }
}

#[tokio::test]
async fn the_link_goes_to_the_confirmed_account() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    // A later registration of the address does not get the link.
    let rival = json!({ "email": ada.email, "password": "a-rival-orbit-of-kettles-9" });
    ada.register_as(rival).await.expect(202);
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    let answer = ada.knowing(OTHER_PASSWORD).try_sign_in(json!({})).await.expect(200);
    assert_eq!(answer.json()["user"]["username"], "ada");
    assert_eq!(answer.json()["user"]["confirmed"], true);
    assert_eq!(app.mailbox.count_about(&ada.email, RESET).await, 1);
}

#[tokio::test]
async fn without_a_confirmed_account_the_link_is_for_the_newest() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    for name in ["first", "second", "third"] {
        let password = crate::support::password_of(name);
        let fields = json!({ "email": "ada@example.com", "password": password, "username": name });
        visitor.register_as(fields).await.expect(202);
        app.clock.advance(chrono::Duration::seconds(1));
    }
    let ada = visitor.reached_at("ada@example.com");
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    let me = ada.knowing(OTHER_PASSWORD).try_sign_in(json!({})).await.expect(200).json();
    assert_eq!(me["user"]["username"], "third");
}

#[tokio::test]
async fn a_disabled_account_and_an_unknown_address_get_no_mail() {
    let app = TestApp::start().await;
    let eve = app.member("eve").await;
    disable(&app, &eve).await;
    eve.request_password_reset().await.expect(202);
    app.visitor().request_password_reset().await.expect(202);
    assert_eq!(app.mailbox.count_about(&eve.email, RESET).await, 0);
    app.mailbox.exactly("visitor@example.com", 0).await;
    // Once it is enabled again, the account gets the mail.
    app.database.rows("update users set disabled_at = null").await;
    eve.request_password_reset().await.expect(202);
    assert_eq!(app.mailbox.count_about(&eve.email, RESET).await, 1);
}

#[tokio::test]
async fn disabling_an_account_invalidates_its_reset_links() {
    let app = TestApp::start().await;
    let eve = app.member("eve").await;
    let token = app.reset_link(&eve).await.token();
    disable(&app, &eve).await;
    app.reset(&token, OTHER_PASSWORD).await.expect_problem(410, "link_used");
}

#[tokio::test]
async fn the_link_can_point_to_a_front_end() {
    let app = TestApp::with_flags(&["--reset-url", "https://app.example.com/#/new-password?t={token}"]).await;
    let ada = app.member("ada").await;
    let mail = app.reset_link(&ada).await;
    let token = mail.link().strip_prefix("https://app.example.com/#/new-password?t=").expect("the configured URL");
    app.reset(token, OTHER_PASSWORD).await.expect(204);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn asking_for_a_link_changes_neither_password_nor_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.reset_link(&ada).await;
    assert!(ada.is_signed_in().await);
    assert!(ada.can_sign_in().await);
}

#[tokio::test]
async fn an_invalid_address_is_refused_with_its_field() {
    let app = TestApp::start().await;
    let ask = async |fields| app.visitor().post_json("/password/forgot", &fields).await;
    ask(json!({ "email": "nonsense" })).await.expect_errors(&[("/email", "malformed")]);
    ask(json!({})).await.expect_errors(&[("/email", "required")]);
}
