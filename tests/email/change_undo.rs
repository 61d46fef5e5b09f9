//! The notice to the old address: one click cancels a change of address, or undoes it for seven days.

use chrono::Duration;
use serde_json::json;

use crate::support::TestApp;
use crate::support::account::{CHANGE_NOTICE, NEW_ADDRESS, OTHER_PASSWORD};

const OLD: &str = "ada@example.com";
const EVIL: &str = "eve@example.org";

async fn email_in_database(app: &TestApp, name: &str) -> String {
    let rows = app.database.rows(&format!("select email from users where username = '{name}'")).await;
    rows[0][0].clone().unwrap()
}

#[tokio::test]
async fn before_the_change_the_link_cancels_it_and_ends_all_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let there = ada.elsewhere().await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    let described = app.visitor().get(&undo).await.expect(200).json();
    assert_eq!((&described["purpose"], &described["email"]), (&json!("undo_email_change"), &json!(OLD)));
    assert!(ada.is_signed_in().await, "reading the link changes nothing");
    let answer = ada.open(&undo).await.expect(200);
    assert_eq!((&answer.json()["status"], answer.set_cookie()), (&json!("confirmed"), None));
    assert!(!ada.is_signed_in().await && !there.is_signed_in().await);
    ada.open(&link).await.expect_problem(410, "link_used");
    assert!(!ada.can_sign_in().await && !ada.reached_at(EVIL).can_sign_in().await);
    assert_eq!(ada.open(&undo).await.expect(200).json()["status"], "already_confirmed");
    assert_eq!(app.visitor().get(&undo).await.expect(200).json()["confirmed"], true);
}

#[tokio::test]
async fn after_the_change_the_link_undoes_it_and_ends_all_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    ada.open(&link).await.expect(200);
    let thief = ada.reached_at(EVIL).elsewhere().await;
    let undone = ada.open(&undo).await.expect(200).json();
    assert!(!ada.is_signed_in().await && !thief.is_signed_in().await);
    // The thief knows the password, so it works nowhere any more.
    assert!(!ada.can_sign_in().await && !thief.can_sign_in().await);
    ada.open(&link).await.expect_problem(410, "link_used");
    let notice = app.mailbox.mail_about(EVIL, "was changed back").await;
    assert!(notice.links.is_empty() && notice.text.contains(OLD), "{}", notice.text);
    app.reset(undone["reset_token"].as_str().unwrap(), OTHER_PASSWORD).await.expect(204);
    // A second click ends no session that started since, and sets no password.
    let ada = ada.knowing(OTHER_PASSWORD).elsewhere().await;
    assert_eq!(ada.open(&undo).await.expect(200).json(), json!({ "status": "already_confirmed" }));
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn the_link_works_for_seven_days() {
    for (days, status) in [(6, 200), (8, 410)] {
        let app = TestApp::start().await;
        let ada = app.member("ada").await;
        let (link, undo) = app.email_change(&ada, EVIL).await;
        ada.open(&link).await.expect(200);
        app.clock.advance(Duration::days(days));
        ada.open(&undo).await.expect(status);
        let expected = if status == 200 { OLD } else { EVIL };
        assert_eq!(email_in_database(&app, "ada").await, expected, "after {days} days");
    }
}

#[tokio::test]
async fn when_another_account_owns_the_old_address_by_now_nothing_changes() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    ada.open(&link).await.expect(200);
    let bob = app.visitor().reached_at(OLD).knowing("bobs-own-orbit-of-kettles-9");
    bob.register_as(json!({ "email": OLD, "password": bob.password, "username": "bob" })).await.expect(202);
    let confirm = app.mailbox.mail_about(OLD, "Confirm your email address").await.path();
    bob.open(&confirm).await.expect(200);
    for _ in 0..2 {
        ada.open(&undo).await.expect_problem(410, "link_used");
    }
    assert!(ada.is_signed_in().await, "no session ended");
    assert!(bob.can_sign_in().await);
    assert_eq!(email_in_database(&app, "ada").await, EVIL);
    // The failed attempt does not use up the link: once the address is free again, it works.
    bob.elsewhere().await.delete_account().await.expect(204);
    ada.open(&undo).await.expect(200);
    assert_eq!(email_in_database(&app, "ada").await, OLD);
}

#[tokio::test]
async fn the_link_also_undoes_later_changes() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    ada.open(&link).await.expect(200);
    let thief = ada.reached_at(EVIL).elsewhere().await;
    let (second, second_undo) = app.email_change(&thief, "eve@example.net").await;
    ada.open(&second).await.expect(200);
    let thief = thief.reached_at("eve@example.net").elsewhere().await;
    let (third, third_undo) = app.email_change(&thief, "eve@example.edu").await;

    ada.open(&undo).await.expect(200);
    assert_eq!(email_in_database(&app, "ada").await, OLD);
    // The links sent to the thief's own addresses no longer work.
    for path in [&second, &second_undo, &third, &third_undo, &link] {
        app.visitor().post(path).await.expect_problem(410, "link_used");
    }
    assert_eq!(email_in_database(&app, "ada").await, OLD);
}

#[tokio::test]
async fn a_later_change_can_be_undone_alone() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (first, _) = app.email_change(&ada, "first@example.org").await;
    ada.open(&first).await.expect(200);
    let ada = ada.with_email("first@example.org");
    let (second, second_undo) = app.email_change(&ada, "second@example.org").await;
    ada.open(&second).await.expect(200);
    ada.open(&second_undo).await.expect(200);
    assert_eq!(email_in_database(&app, "ada").await, "first@example.org");
}

#[tokio::test]
async fn of_many_clicks_one_undoes_the_change() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    ada.open(&link).await.expect(200);
    let clicks: Vec<_> = (0..6).map(|_| tokio::spawn(app.visitor().request("POST", &undo).send())).collect();
    let mut firsts = 0;
    for click in clicks {
        let status = click.await.unwrap().expect(200).json()["status"].clone();
        firsts += usize::from(status == "confirmed");
    }
    assert_eq!(firsts, 1);
    assert_eq!(email_in_database(&app, "ada").await, OLD);
}

#[tokio::test]
async fn a_browser_sees_what_the_link_does_before_and_after() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (_, undo) = app.email_change(&ada, EVIL).await;
    let ask = app.visitor().request("GET", &undo).by_browser().send().await.expect(200).text();
    assert!(
        ask.contains("Undo the email change") && ask.contains(OLD) && ask.contains("<form method=\"post\""),
        "{ask}"
    );
    assert!(ada.is_signed_in().await);
    let done = app.visitor().request("POST", &undo).by_browser().send().await.expect(200).text();
    assert!(done.contains("Email change undone") && !done.contains("<form"), "{done}");
    assert!(!ada.is_signed_in().await);
    let reset = done.split('"').find(|part| part.contains("/password/reset/")).unwrap();
    let form = app.visitor().request("GET", url::Url::parse(reset).unwrap().path()).by_browser();
    assert!(form.send().await.expect(200).text().contains("New password"));
}

#[tokio::test]
async fn both_mails_name_both_addresses_and_the_client() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.email_change(&ada, EVIL).await;
    for (to, subject) in [(OLD, CHANGE_NOTICE), (EVIL, NEW_ADDRESS)] {
        let mail = app.mailbox.mail_about(to, subject).await;
        for part in [&mail.text, &mail.html] {
            assert!(part.contains(OLD) && part.contains(EVIL) && part.contains("127.0.0.1"), "{part}");
        }
    }
}
