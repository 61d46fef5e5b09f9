//! `POST /resend`: sends the confirmation link again to unconfirmed accounts. The answer is the same for every address.

use serde_json::json;

use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{TestApp, password_of};

#[tokio::test]
async fn a_visitor_gets_one_link_for_all_who_registered_the_address() {
    let app = TestApp::start().await;
    let mut accounts = Vec::new();
    for name in ["first", "second"] {
        let mut actor = app.visitor();
        actor.password = password_of(name);
        actor.register_as(json!({ "email": actor.email, "password": actor.password })).await.expect(202);
        actor.sign_in().await;
        app.mailbox.wait_until_idle().await;
        accounts.push(actor);
    }
    let answer = app.visitor().post_json("/resend", &json!({ "email": "VISITOR@example.com" })).await.expect(202);
    assert_eq!(answer.json(), json!({ "status": "confirmation_sent" }));
    let mails = app.mailbox.exactly(&accounts[0].email, 3).await;
    accounts[0].open(&mails[0].path()).await.expect(200);
    assert!(accounts[0].passes_the_guard().await && !accounts[1].is_signed_in().await);
}

#[tokio::test]
async fn the_earlier_link_works_as_well() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    ada.post("/resend").await.expect(202);
    let mails = app.mailbox.mails_to(&ada.email, 2).await;
    ada.open(&path).await.expect(200);
    let again = ada.open(&mails[0].path()).await.expect(200);
    assert_eq!(again.json()["status"], "already_confirmed");
}

#[tokio::test]
async fn an_unknown_or_confirmed_address_gets_the_same_answer_and_no_mail() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let waiting = app.unconfirmed("bob").await;
    app.mailbox.wait_until_idle().await;
    let ask = async |email: &str| {
        app.visitor().post_json("/resend", &json!({ "email": email })).await.expect(202).appearance()
    };
    let expected = ask(&waiting.email).await;
    assert_eq!(ask(&ada.email).await, expected);
    assert_eq!(ask("nobody@example.com").await, expected);
    app.mailbox.exactly(&waiting.email, 2).await;
    app.mailbox.exactly(&ada.email, 1).await;
    app.mailbox.exactly("nobody@example.com", 0).await;
}

#[tokio::test]
async fn a_session_gets_the_link_of_its_own_account_whatever_the_body_says() {
    let app = TestApp::start().await;
    let bob = app.unconfirmed("bob").await;
    let mut ada = app.unconfirmed("ada").await;
    app.mailbox.wait_until_idle().await;
    ada.post("/resend").await.expect(202);
    app.mailbox.exactly(&ada.email, 2).await;
    ada.post_json("/resend", &json!({ "email": bob.email, "id": 1 })).await.expect(202);
    app.mailbox.exactly(&ada.email, 3).await;
    ada.request("POST", "/resend").body("garbage").send().await.expect(202);
    app.mailbox.exactly(&ada.email, 4).await;
    ada.sign_in_with_bearer().await;
    ada.request("POST", "/resend").json(&json!([])).send().await.expect(202);
    app.mailbox.exactly(&ada.email, 5).await;
    app.mailbox.exactly(&bob.email, 1).await;
}

#[tokio::test]
async fn a_confirmed_account_gets_the_same_answer_and_no_mail() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let bob = app.unconfirmed("bob").await;
    assert_eq!(ada.post("/resend").await.expect(202).appearance(), bob.post("/resend").await.expect(202).appearance());
    app.mailbox.exactly(&ada.email, 1).await;
}

#[tokio::test]
async fn a_visitor_must_name_an_address() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    visitor.post("/resend").await.expect_problem(415, "unsupported_media_type");
    visitor.post_json("/resend", &json!({})).await.expect_errors(&[("/email", "required")]);
    visitor.post_json("/resend", &json!({ "email": "nobody" })).await.expect_errors(&[("/email", "malformed")]);
    let fields = json!({ "email": "a@x.org", "username": "ada" });
    visitor.post_json("/resend", &fields).await.expect_errors(&[("/username", "unknown_field")]);
}

#[tokio::test]
async fn a_queued_mail_is_not_queued_twice() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Silence);
    let url = smtp.url.clone();
    let app = TestApp::with_flags(&["--smtp-url", &url]).await;
    let ada = app.unconfirmed("ada").await;
    for _ in 0..5 {
        ada.post("/resend").await.expect(202);
        app.visitor().post_json("/resend", &json!({ "email": ada.email })).await.expect(202);
    }
    assert_eq!(app.database.number("select count(*) from outbox").await, 1);
}
