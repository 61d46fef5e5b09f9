//! Limits on mails per address: mails above the limits wait, and are neither dropped nor piled up.

use chrono::Duration as Span;
use serde_json::json;
use vestibule::config::Switch;

use super::{status_of, status_when, wake};
use crate::support::{Actor, TestApp, eventually};

async fn limited() -> TestApp {
    TestApp::with(|settings| settings.rate_limits = Switch::On).await
}

/// Registers one more account with this spelling of an address.
async fn register(app: &TestApp, spelling: &str) -> Actor {
    let mut actor = Actor::new(app, "ada");
    actor.email = spelling.to_owned();
    actor.register_as(json!({ "email": spelling, "password": actor.password })).await.expect(202);
    actor
}

async fn resend(app: &TestApp, spelling: &str) {
    app.visitor().post_json("/resend", &json!({ "email": spelling })).await.expect(202);
}

/// How many mails were sent so far.
async fn sent(app: &TestApp) -> i64 {
    app.database.number("select count(*) from outbox where state = 'sent'").await
}

/// Waits until no mail is due, and returns how many were sent so far.
async fn sent_when_idle(app: &TestApp) -> i64 {
    wake(app).await;
    app.mailbox.wait_until_idle().await;
    sent(app).await
}

/// Moves the clock to the moment at which the next mail is due, and returns the seconds until then.
async fn advance_to_next(app: &TestApp) -> i64 {
    let now = app.clock.now().to_rfc3339();
    let statement = format!(
        "select coalesce(ceil(extract(epoch from min(due_at) - timestamptz '{now}')), -1)::bigint from outbox \
         where state = 'queued'"
    );
    let wait = app.database.number(&statement).await;
    assert!(wait >= 0, "no mail waits");
    app.clock.advance(Span::seconds(wait + 1));
    wait
}

#[tokio::test]
async fn mails_to_one_mailbox_in_any_spelling_are_sent_a_minute_apart() {
    let app = limited().await;
    register(&app, "ada@example.com").await;
    app.mailbox.mail_to("ada@example.com").await;
    for spelling in ["ADA@Example.com", "ada+shop@example.com"] {
        // It is in the mailbox a moment before its row says so; until then, the next registration would find it waiting.
        app.mailbox.wait_until_idle().await;
        let next = register(&app, spelling).await;
        let status = status_when(&app, &next, "waits", |status| status.due_in > 0).await;
        assert!((40..=60).contains(&status.due_in) && status.state == "queued" && status.attempts == 0, "{status:?}");
        app.clock.advance(Span::seconds(61));
        wake(&app).await;
        app.mailbox.mail_to(spelling).await;
    }
    assert_eq!(sent_when_idle(&app).await, 3);
}

#[tokio::test]
async fn other_addresses_do_not_wait() {
    let app = limited().await;
    for name in ["ada", "bob", "cyd"] {
        register(&app, &format!("{name}@example.com")).await;
        app.mailbox.mail_to(&format!("{name}@example.com")).await;
    }
}

#[tokio::test]
async fn an_address_gets_five_mails_at_once_and_then_one_every_48_minutes() {
    let app = limited().await;
    register(&app, "ada@example.com").await;
    let start = app.clock.now();
    let mut sent_at = Vec::new();
    for count in 1..=12 {
        app.mailbox.exactly("ada@example.com", count).await;
        sent_at.push((app.clock.now() - start).num_minutes());
        resend(&app, "ada@example.com").await;
        sent_when_idle(&app).await;
        let wait = advance_to_next(&app).await;
        assert!((1..=48 * 60).contains(&wait), "mail {count} waits {wait} s");
        wake(&app).await;
        app.mailbox.mails_to("ada@example.com", count + 1).await;
    }
    assert_eq!(sent_at[..5], [0, 1, 2, 3, 4]);
    assert!(sent_at[5..].iter().zip(1..).all(|(at, n)| (n * 48..=n * 48 + 6).contains(at)), "{sent_at:?}");
}

#[tokio::test]
async fn mails_that_a_stranger_causes_do_not_delay_a_reset_by_more_than_48_minutes() {
    let app = TestApp::with(|settings| {
        settings.rate_limits = Switch::On;
        settings.limit_mails = 1000;
    })
    .await;
    let ada = app.member("ada").await;
    for _ in 0..30 {
        resend(&app, &ada.email).await;
        ada.request_password_reset().await.expect(202);
        sent_when_idle(&app).await;
        app.clock.advance(Span::minutes(2));
    }
    ada.request_password_reset().await.expect(202);
    sent_when_idle(&app).await;
    assert!(advance_to_next(&app).await <= 48 * 60);
}

#[tokio::test]
async fn an_address_without_an_account_waits_like_one_with_an_account() {
    let app = limited().await;
    let ada = app.member("ada").await;
    let mut waits = Vec::new();
    for address in [ada.email.as_str(), "nobody@example.com"] {
        for _ in 0..2 {
            app.visitor().post_json("/password/forgot", &json!({ "email": address })).await.expect(202);
            sent_when_idle(&app).await;
        }
        waits.push(advance_to_next(&app).await);
        wake(&app).await;
        app.mailbox.wait_until_idle().await;
    }
    assert!(waits[0].abs_diff(waits[1]) <= 5, "{waits:?}");
}

#[tokio::test]
async fn one_mail_serves_all_who_registered_an_address() {
    let app = limited().await;
    for _ in 0..8 {
        register(&app, "ada@example.com").await;
    }
    while app.database.number("select count(*) from outbox where state = 'queued'").await > 0 {
        advance_to_next(&app).await;
        sent_when_idle(&app).await;
    }
    assert!(sent(&app).await <= 2);
    assert_eq!(app.database.number("select count(*) from users").await, 3);
}

#[tokio::test]
async fn a_resend_while_a_mail_waits_queues_nothing_more() {
    let app = limited().await;
    register(&app, "ada@example.com").await;
    app.mailbox.mail_to("ada@example.com").await;
    // The mail is in the mailbox a moment before the outbox says so.
    sent_when_idle(&app).await;
    for _ in 0..5 {
        resend(&app, "ada@example.com").await;
    }
    assert_eq!(app.database.number("select count(*) from outbox").await, 2);
    sent_when_idle(&app).await;
    advance_to_next(&app).await;
    wake(&app).await;
    app.mailbox.mails_to("ada@example.com", 2).await;
    app.clock.advance(Span::days(1));
    sent_when_idle(&app).await;
    app.mailbox.exactly("ada@example.com", 2).await;
}

#[tokio::test]
async fn an_owner_gets_a_mail_about_registrations_every_48_minutes() {
    let app = limited().await;
    let owner = app.member("ada").await;
    app.clock.advance(Span::hours(2));
    let first = register(&app, &owner.email).await;
    app.mailbox.mails_to(&owner.email, 2).await;
    assert_eq!(status_when(&app, &first, "is sent", |status| status.state == "sent").await.attempts, 1);
    register(&app, &owner.email).await;
    sent_when_idle(&app).await;
    let status = status_of(&app, &owner).await;
    assert!((2800..=2880).contains(&status.due_in), "{status:?}");
    advance_to_next(&app).await;
    wake(&app).await;
    let mails = app.mailbox.mails_to(&owner.email, 3).await;
    assert_eq!(mails[0].subject, mails[1].subject);
    assert!(mails[0].links.is_empty());
}

#[tokio::test]
async fn instances_share_the_limit() {
    let app = limited().await;
    let other = app.beside(|settings| settings.rate_limits = Switch::On).await;
    let here = (0..3).map(|n| format!("both{n}@example.com"));
    for address in here.clone() {
        let (first, second) = tokio::join!(register(&app, &address), register(&other, &address));
        assert_eq!(first.email, second.email);
    }
    eventually("one mail to each address is sent", async || (sent(&app).await == 3).then_some(())).await;
    assert_eq!(sent_when_idle(&app).await, 3);
}

#[tokio::test]
async fn notices_of_the_owner_wait_for_nobody() {
    let app = limited().await;
    let ada = app.member("ada").await;
    for _ in 0..6 {
        resend(&app, &ada.email).await;
        ada.request_password_reset().await.expect(202);
        sent_when_idle(&app).await;
    }
    let before = app.mailbox.mails().await.len();
    ada.change_email("thief@example.org").await.expect(202);
    app.mailbox.mail_about(&ada.email, crate::support::account::CHANGE_NOTICE).await;
    ada.change_password(crate::support::account::OTHER_PASSWORD).await.expect(204);
    app.mailbox.mail_about(&ada.email, crate::support::account::PASSWORD_CHANGED).await;
    assert!(app.mailbox.mails().await.len() >= before + 2);
}
