//! `POST /password/reset`: a link sent to the address sets a new password, once, and ends everything begun with the old
//! one.

use chrono::Duration;
use serde_json::json;

use crate::support::account::{OTHER_PASSWORD, PASSWORD_CHANGED};
use crate::support::{TestApp, password_of};

const THIRD_PASSWORD: &str = "marble-canyon-whistle-83";

#[tokio::test]
async fn the_new_password_works_and_the_old_one_is_refused() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    let answer = app.reset(&token, OTHER_PASSWORD).await.expect(204);
    assert_eq!(answer.set_cookie(), None, "a reset does not sign in");
    assert!(!ada.can_sign_in().await);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn every_session_of_the_account_ends_and_other_accounts_keep_theirs() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let mut bearer = ada.elsewhere().await;
    bearer.sign_in_with_bearer().await;
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    assert!(!ada.is_signed_in().await && !bearer.is_signed_in().await);
    assert!(bob.is_signed_in().await);
}

#[tokio::test]
async fn what_stands_around_a_token_does_not_break_the_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    let page = format!("/password/reset/{token}%29.");
    app.visitor().request("GET", &page).by_browser().send().await.expect(200);
    app.reset(&format!("{token}A"), OTHER_PASSWORD).await.expect_problem(422, "link_invalid");
    app.reset(&format!(" {token}>\r\n"), OTHER_PASSWORD).await.expect(204);
    let token = app.reset_link(&ada).await.token();
    app.reset(&format!("{token}.%0A"), THIRD_PASSWORD).await.expect(204);
    assert!(ada.knowing(THIRD_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn a_reset_link_works_once() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    app.reset(&token, OTHER_PASSWORD).await.expect_problem(410, "link_used");
    app.reset(&token, THIRD_PASSWORD).await.expect_problem(410, "link_used");
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);

    // A link is used up even if it sets the password that the account already has.
    let ada = ada.knowing(OTHER_PASSWORD);
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    app.reset(&token, THIRD_PASSWORD).await.expect_problem(410, "link_used");
}

#[tokio::test]
async fn a_refused_password_does_not_use_up_the_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    for weak in ["short", "password", "ada@example.com", ""] {
        let answer = app.reset(&token, weak).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/password", "{weak}");
    }
    assert!(ada.is_signed_in().await && ada.can_sign_in().await);
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
}

#[tokio::test]
async fn a_link_expires_after_thirty_minutes() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    app.clock.advance(Duration::minutes(31));
    app.reset(&token, OTHER_PASSWORD).await.expect_problem(410, "link_expired");
    assert!(ada.can_sign_in().await);
    let token = app.reset_link(&ada).await.token();
    app.clock.advance(Duration::minutes(29));
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
}

#[tokio::test]
async fn a_link_works_only_for_its_purpose() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.unconfirmed("bob").await);
    let confirm = app.mailbox.mail_to(&bob.email).await.token();
    let (change, undo) = app.email_change(&ada, "ada@example.org").await;
    let reset = app.reset_link(&ada).await.token();
    for path in [change, undo, format!("/confirm/{confirm}")] {
        let token = path.strip_prefix("/confirm/").unwrap();
        app.reset(token, OTHER_PASSWORD).await.expect_problem(422, "link_invalid");
    }
    app.reset("nonsense", OTHER_PASSWORD).await.expect_problem(422, "link_invalid");
    for method in ["GET", "POST"] {
        let path = format!("/confirm/{reset}");
        app.visitor().request(method, &path).send().await.expect_problem(422, "link_invalid");
    }
    app.reset(&reset, OTHER_PASSWORD).await.expect(204);
}

#[tokio::test]
async fn a_reset_cancels_a_pending_change_of_address() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (change, undo) = app.email_change(&ada, "eve@example.org").await;
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    ada.open(&change).await.expect_problem(410, "link_used");
    ada.open(&undo).await.expect_problem(410, "link_used");
    let mut ada = ada.knowing(OTHER_PASSWORD);
    assert_eq!(ada.sign_in().await.json()["user"]["email"], "ada@example.com");
}

#[tokio::test]
async fn a_reset_confirms_the_account_and_deletes_other_registrations_of_the_address() {
    let app = TestApp::start().await;
    let rival = app.visitor().reached_at("ada@example.com");
    let fields = json!({ "email": "ada@example.com", "password": rival.password, "username": "rival" });
    rival.register_as(fields).await.expect(202);
    app.clock.advance(Duration::seconds(1));
    let ada = app.unconfirmed("ada").await;
    assert!(rival.can_sign_in().await);
    let token = app.reset_link(&ada).await.token();
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    let mut ada = ada.knowing(OTHER_PASSWORD);
    assert_eq!(ada.sign_in().await.json()["user"]["confirmed"], true);
    assert!(ada.passes_the_guard().await);
    assert!(!rival.can_sign_in().await);
    assert_eq!(app.database.number("select count(*) from users").await, 1);
}

#[tokio::test]
async fn when_another_account_confirms_the_address_first_the_link_is_used() {
    let app = TestApp::start().await;
    let first = app.visitor().reached_at("ada@example.com");
    let fields = json!({ "email": "ada@example.com", "password": first.password, "username": "first" });
    first.register_as(fields).await.expect(202);
    let confirm = app.mailbox.mail_to("ada@example.com").await.path();
    app.clock.advance(Duration::seconds(1));
    let ada = app.unconfirmed("ada").await;
    let token = app.reset_link(&ada).await.token();
    first.open(&confirm).await.expect(200);
    app.reset(&token, OTHER_PASSWORD).await.expect_problem(410, "link_used");
    assert!(first.can_sign_in().await && !ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn the_owner_gets_a_notice_without_a_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    assert_eq!(app.mailbox.count_about(&ada.email, PASSWORD_CHANGED).await, 0);
    app.reset(&token, OTHER_PASSWORD).await.expect(204);
    let mail = app.mailbox.mail_about(&ada.email, PASSWORD_CHANGED).await;
    assert!(mail.links.is_empty() && mail.text.contains("127.0.0.1"), "{}", mail.text);
    assert!(!mail.text.contains(OTHER_PASSWORD) && !mail.html.contains(OTHER_PASSWORD));
}

#[tokio::test]
async fn of_many_concurrent_resets_one_wins() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    let passwords: Vec<String> = (0..6).map(|number| password_of(&format!("try{number}"))).collect();
    let tries: Vec<_> = passwords
        .iter()
        .map(|password| {
            let fields = json!({ "token": token, "password": password });
            tokio::spawn(app.visitor().request("POST", "/password/reset").json(&fields).send())
        })
        .collect();
    let mut winners = Vec::new();
    for (attempt, password) in tries.into_iter().zip(&passwords) {
        match attempt.await.unwrap() {
            answer if answer.status == 204 => winners.push(password),
            answer => drop(answer.expect_problem(410, "link_used")),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    for password in &passwords {
        assert_eq!(ada.knowing(password).can_sign_in().await, password == winners[0]);
    }
}

#[tokio::test]
async fn changing_the_password_invalidates_the_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    ada.change_password(OTHER_PASSWORD).await.expect(204);
    app.reset(&token, THIRD_PASSWORD).await.expect_problem(410, "link_used");
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn changing_the_address_invalidates_the_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    let (change, _) = app.email_change(&ada, "ada@example.org").await;
    ada.open(&change).await.expect(200);
    app.reset(&token, OTHER_PASSWORD).await.expect_problem(410, "link_used");
}

#[tokio::test]
async fn both_fields_are_required() {
    let app = TestApp::start().await;
    let answer = app.visitor().post_json("/password/reset", &json!({})).await;
    answer.expect_errors(&[("/token", "required"), ("/password", "required")]);
}
