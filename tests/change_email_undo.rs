//! The notice to the address before: one click takes a change back, before it happened and for seven days after.

use chrono::Duration;
use serde_json::json;

use crate::support::TestApp;
use crate::support::life::{NEW_ADDRESS, NOTICE};

const OLD: &str = "ada@example.com";
const EVIL: &str = "eve@example.org";

async fn email_in_database(app: &TestApp, name: &str) -> String {
    let rows = app.database.rows(&format!("select email from users where username = '{name}'")).await;
    rows[0][0].clone().unwrap()
}

#[tokio::test]
async fn before_the_change_it_cancels_it_and_ends_all_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let there = ada.elsewhere().await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    let described = app.visitor().get(&undo).await.expect(200).json();
    assert_eq!((&described["purpose"], &described["email"]), (&json!("undo_email_change"), &json!(OLD)));
    assert!(ada.is_signed_in().await, "looking at it changes nothing");
    let answer = app.visitor().post(&undo).await.expect(200);
    assert_eq!((answer.json(), answer.set_cookie()), (json!({ "status": "confirmed" }), None));
    assert!(!ada.is_signed_in().await && !there.is_signed_in().await);
    app.visitor().post(&link).await.expect_problem(410, "link_used");
    assert!(ada.can_sign_in().await && !ada.reached_at(EVIL).can_sign_in().await);
    assert_eq!(app.visitor().post(&undo).await.expect(200).json()["status"], "already_confirmed");
    assert_eq!(app.visitor().get(&undo).await.expect(200).json()["confirmed"], true);
}

#[tokio::test]
async fn after_the_change_it_reverts_it_and_ends_all_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    app.visitor().post(&link).await.expect(200);
    let thief = ada.reached_at(EVIL).elsewhere().await;
    app.visitor().post(&undo).await.expect(200);
    assert!(!ada.is_signed_in().await && !thief.is_signed_in().await);
    assert!(ada.can_sign_in().await && !thief.can_sign_in().await);
    app.visitor().post(&link).await.expect_problem(410, "link_used");
    // Spending it again ends no session that was begun since.
    let ada = ada.elsewhere().await;
    assert_eq!(app.visitor().post(&undo).await.expect(200).json()["status"], "already_confirmed");
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn it_works_for_seven_days() {
    for (days, status) in [(6, 200), (8, 410)] {
        let app = TestApp::start().await;
        let ada = app.member("ada").await;
        let (link, undo) = app.email_change(&ada, EVIL).await;
        app.visitor().post(&link).await.expect(200);
        app.clock.advance(Duration::days(days));
        app.visitor().post(&undo).await.expect(status);
        assert_eq!(ada.can_sign_in().await, status == 200, "after {days} days");
    }
}

#[tokio::test]
async fn when_the_address_belongs_to_somebody_else_meanwhile_nothing_changes() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    app.visitor().post(&link).await.expect(200);
    let bob = app.visitor().reached_at(OLD).knowing("bobs-own-orbit-of-kettles-9");
    bob.register_as(json!({ "email": OLD, "password": bob.password, "username": "bob" })).await.expect(202);
    let confirm = app.mailbox.mail_about(OLD, "Confirm your email address").await.path();
    app.visitor().post(&confirm).await.expect(200);
    for _ in 0..2 {
        app.visitor().post(&undo).await.expect_problem(410, "link_used");
    }
    assert!(ada.is_signed_in().await, "nobody was signed out");
    assert!(bob.can_sign_in().await);
    assert_eq!(email_in_database(&app, "ada").await, EVIL);
    // Not even the mark stays: once the address is free again, the link works.
    bob.elsewhere().await.delete_account().await.expect(204);
    app.visitor().post(&undo).await.expect(200);
    assert_eq!(email_in_database(&app, "ada").await, OLD);
}

#[tokio::test]
async fn it_also_takes_back_whatever_was_changed_since() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    app.visitor().post(&link).await.expect(200);
    let thief = ada.reached_at(EVIL).elsewhere().await;
    let (second, second_undo) = app.email_change(&thief, "eve@example.net").await;
    app.visitor().post(&second).await.expect(200);
    let thief = thief.reached_at("eve@example.net").elsewhere().await;
    let (third, third_undo) = app.email_change(&thief, "eve@example.edu").await;

    app.visitor().post(&undo).await.expect(200);
    assert_eq!(email_in_database(&app, "ada").await, OLD);
    // The links that went to the thief's own addresses give nothing back to the thief.
    for path in [&second, &second_undo, &third, &third_undo, &link] {
        app.visitor().post(path).await.expect_problem(410, "link_used");
    }
    assert_eq!(email_in_database(&app, "ada").await, OLD);
    assert!(ada.can_sign_in().await);
}

#[tokio::test]
async fn a_later_change_of_the_owner_can_still_be_taken_back_alone() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (first, _) = app.email_change(&ada, "first@example.org").await;
    app.visitor().post(&first).await.expect(200);
    let ada = ada.with_email("first@example.org");
    let (second, second_undo) = app.email_change(&ada, "second@example.org").await;
    app.visitor().post(&second).await.expect(200);
    app.visitor().post(&second_undo).await.expect(200);
    assert_eq!(email_in_database(&app, "ada").await, "first@example.org");
}

#[tokio::test]
async fn of_many_clicks_one_takes_the_change_back() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, undo) = app.email_change(&ada, EVIL).await;
    app.visitor().post(&link).await.expect(200);
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
}

#[tokio::test]
async fn the_two_mails_name_both_addresses_and_who_asked() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.email_change(&ada, EVIL).await;
    for (to, subject) in [(OLD, NOTICE), (EVIL, NEW_ADDRESS)] {
        let mail = app.mailbox.mail_about(to, subject).await;
        for part in [&mail.text, &mail.html] {
            assert!(part.contains(OLD) && part.contains(EVIL) && part.contains("127.0.0.1"), "{part}");
        }
    }
}
