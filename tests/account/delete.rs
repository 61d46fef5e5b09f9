//! `DELETE /me`: deletes the account with everything that belongs to it.

use chrono::Duration;
use serde_json::json;

use crate::support::account::{ACCOUNT_DELETED, RESET};
use crate::support::{Actor, Credential, TestApp};

async fn delete_with(actor: &Actor, password: &str) -> crate::support::Answer {
    actor.request("DELETE", "/me").json(&json!({ "password": password })).send().await
}

#[tokio::test]
async fn a_wrong_password_deletes_nothing_and_keeps_the_session() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    delete_with(&ada, "wrong").await.expect_problem(403, "wrong_password");
    ada.request("DELETE", "/me").json(&json!({})).send().await.expect_errors(&[("/password", "required")]);
    assert!(ada.passes_the_guard().await && ada.can_sign_in().await);
    assert_eq!(app.mailbox.count_about(&ada.email, ACCOUNT_DELETED).await, 0);
}

#[tokio::test]
async fn deleting_removes_the_account_and_ends_its_sessions() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let there = ada.elsewhere().await;
    let answer = ada.delete_account().await.expect(204);
    assert!(answer.set_cookie().unwrap().contains("Max-Age=0"), "the browser drops the cookie");
    assert!(!ada.is_signed_in().await && !there.is_signed_in().await);
    assert!(!ada.can_sign_in().await);
    assert!(bob.is_signed_in().await && bob.can_sign_in().await);
    there.delete_account().await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn no_table_keeps_anything_of_the_account() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.email_change(&ada, "ada@example.org").await;
    app.reset_link(&ada).await;
    let id = ada.get("/me").await.json()["id"].as_str().unwrap().to_owned();
    let tables = "select table_name from information_schema.columns where table_schema = 'public' and column_name = 'user_id' \
         and table_name not in (select relname from pg_class where relispartition)";
    let tables = app.database.rows(tables).await;
    assert!(tables.len() >= 4, "{tables:?}");
    let rows =
        async |table: &str| app.database.number(&format!("select count(*) from {table} where user_id = '{id}'")).await;
    for table in &tables {
        assert!(rows(table[0].as_deref().unwrap()).await > 0, "{table:?}");
    }
    ada.delete_account().await.expect(204);
    for table in &tables {
        assert_eq!(rows(table[0].as_deref().unwrap()).await, 0, "{table:?}");
    }
    assert_eq!(app.database.number("select count(*) from users").await, 0);
    assert_eq!(app.database.number("select count(*) from addresses").await, 0);
}

#[tokio::test]
async fn address_and_username_are_free_again() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    ada.delete_account().await.expect(204);
    let fields = json!({ "email": ada.email, "password": "another-orbit-of-kettles-9", "username": "ADA" });
    app.visitor().register_as(fields).await.expect(202);
    let link = app.mailbox.mail_about(&ada.email, "Confirm your email address").await.path();
    ada.knowing("another-orbit-of-kettles-9").open(&link).await.expect(200);
    let me = ada.knowing("another-orbit-of-kettles-9").try_sign_in(json!({})).await.expect(200).json();
    assert_eq!((&me["user"]["username"], &me["user"]["confirmed"]), (&json!("ADA"), &json!(true)));
    assert!(!ada.can_sign_in().await);
}

#[tokio::test]
async fn other_accounts_with_the_same_address_stay() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let rival = ada.knowing("a-rival-orbit-of-kettles-9");
    let fields = json!({ "email": rival.email, "password": rival.password, "username": "rival" });
    rival.register_as(fields).await.expect(202);
    ada.delete_account().await.expect(204);
    assert!(rival.can_sign_in().await && !ada.can_sign_in().await);
}

#[tokio::test]
async fn queued_mails_are_never_sent_and_links_sent_before_stop_working() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (change, undo) = app.email_change(&ada, "ada@example.org").await;
    let token = app.reset_link(&ada).await.token();
    // Queue the mail again, as if the mail server were down.
    let wait = "update outbox set id = gen_random_uuid(), state = 'queued', due_at = due_at + interval '1 hour' \
                where kind = 'reset_password'";
    app.database.rows(wait).await;
    ada.delete_account().await.expect(204);
    app.advance_and_deliver(Duration::hours(2)).await;
    assert_eq!(app.mailbox.count_about(&ada.email, ACCOUNT_DELETED).await, 1);
    assert_eq!(app.mailbox.count_about(&ada.email, RESET).await, 1, "the one sent before");
    app.clock.advance(-Duration::hours(2));
    for path in [change, undo] {
        ada.open(&path).await.expect_problem(410, "link_used");
    }
    app.reset(&token, "brick-violet-otter-19").await.expect_problem(410, "link_used");
}

#[tokio::test]
async fn a_confirmed_account_gets_one_notice_without_a_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    ada.delete_account().await.expect(204);
    let mail = app.mailbox.mail_about(&ada.email, ACCOUNT_DELETED).await;
    assert!(mail.links.is_empty(), "{}", mail.text);
    assert_eq!(app.mailbox.count_about(&ada.email, ACCOUNT_DELETED).await, 1);
}

#[tokio::test]
async fn an_unconfirmed_account_can_be_deleted_and_its_address_gets_no_mail() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    app.mailbox.mail_to(&ada.email).await;
    delete_with(&ada, "wrong").await.expect_problem(403, "wrong_password");
    ada.delete_account().await.expect(204);
    assert!(!ada.is_signed_in().await && !ada.can_sign_in().await);
    assert_eq!(app.mailbox.count_about(&ada.email, ACCOUNT_DELETED).await, 0);
}

#[tokio::test]
async fn a_bearer_token_deletes_like_a_cookie() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await.with(Credential::Nothing);
    ada.sign_in_with_bearer().await;
    ada.delete_account().await.expect(204);
    assert!(!ada.is_signed_in().await);
}
