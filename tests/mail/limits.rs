//! Limits on mails per address: mails above the limits wait, and are neither dropped nor piled up.

use chrono::Duration as Span;
use serde_json::json;
use vestibule::config::Switch;

use super::{deletion_notices_sql, status_of, status_when, wake};
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
    app.database.number("select count(*) from sent_mails").await
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
async fn mails_to_one_address_in_any_spelling_are_sent_a_minute_apart() {
    let app = limited().await;
    register(&app, "ada@example.com").await;
    app.mailbox.mail_to("ada@example.com").await;
    let second = register(&app, "ADA@Example.com").await;
    let status = status_when(&app, &second, "waits", |status| status.due_in > 0).await;
    assert!((40..=60).contains(&status.due_in) && status.state == "queued" && status.attempts == 0, "{status:?}");
    assert_eq!(sent_when_idle(&app).await, 1);
    app.clock.advance(Span::seconds(61));
    wake(&app).await;
    app.mailbox.mail_to("ADA@Example.com").await;
    assert_eq!(sent_when_idle(&app).await, 2);
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
async fn an_address_gets_ten_mails_an_hour_and_thirty_a_day() {
    let app = limited().await;
    register(&app, "ada@example.com").await;
    let start = app.clock.now();
    let mut sent_at = Vec::new();
    for count in 1..=31 {
        app.mailbox.exactly("ada@example.com", count).await;
        sent_at.push((app.clock.now() - start).num_seconds());
        resend(&app, "ada@example.com").await;
        sent_when_idle(&app).await;
        assert!(advance_to_next(&app).await > 0, "mail {count}");
        wake(&app).await;
        app.mailbox.mails_to("ada@example.com", count + 1).await;
    }
    for pair in sent_at.windows(2) {
        assert!(pair[1] - pair[0] >= 60, "{sent_at:?}");
    }
    for ten in sent_at.windows(11) {
        assert!(ten[10] - ten[0] >= 3600, "{sent_at:?}");
    }
    assert!(sent_at[29] < 24 * 3600 && sent_at[30] >= 24 * 3600, "{sent_at:?}");
    assert!(sent_at[9] < 3600, "the limits are not tighter than documented: {sent_at:?}");
}

#[tokio::test]
async fn accounts_that_displace_each_other_do_not_exceed_the_limit() {
    let app = limited().await;
    for _ in 0..8 {
        register(&app, "ada@example.com").await;
    }
    assert_eq!(sent_when_idle(&app).await, 1);
    let mut seen = 1;
    // The newest three accounts are kept; their mails are delayed, not dropped.
    while app.database.number("select count(*) from outbox where state = 'queued'").await > 0 {
        advance_to_next(&app).await;
        let now_sent = sent_when_idle(&app).await;
        assert!(now_sent <= seen + 1, "one at a time");
        seen = now_sent;
    }
    let kept = "select count(*) from users u where not exists \
                (select from outbox m where m.user_id = u.id and m.state = 'sent')";
    assert_eq!(app.database.number(kept).await, 0, "every remaining account got its mail");
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
async fn an_owner_gets_a_mail_about_registrations_once_an_hour() {
    let app = limited().await;
    let owner = app.member("ada").await;
    app.clock.advance(Span::hours(2));
    let first = register(&app, &owner.email).await;
    app.mailbox.mails_to(&owner.email, 2).await;
    assert_eq!(status_when(&app, &first, "is sent", |status| status.state == "sent").await.attempts, 1);
    register(&app, &owner.email).await;
    sent_when_idle(&app).await;
    let status = status_of(&app, &owner).await;
    assert!((3500..=3600).contains(&status.due_in), "{status:?}");
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
    let waiting = "select count(*) from outbox where state = 'queued' and due_at > queued_at + interval '30 s'";
    eventually("the others wait", async || (app.database.number(waiting).await == 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_mails_to_an_address_without_an_account_are_sent_one_at_a_time() {
    let app = limited().await;
    let addresses = 10;
    for n in 0..addresses {
        app.database.rows(&deletion_notices_sql(4, &format!("nobody{n}@example.com"))).await;
        sent_when_idle(&app).await;
    }
    assert_eq!(sent(&app).await, addresses, "one mail to each address");
}

#[tokio::test]
async fn the_mail_of_the_newest_account_is_sent_first() {
    let app = limited().await;
    let mut accounts = Vec::new();
    for _ in 0..3 {
        accounts.push(register(&app, "ada@example.com").await);
        app.clock.advance(Span::seconds(61));
    }
    wake(&app).await;
    sent_when_idle(&app).await;
    while app.database.number("select count(*) from outbox where state = 'queued'").await > 0 {
        advance_to_next(&app).await;
        sent_when_idle(&app).await;
    }
    app.clock.advance(Span::hours(2));
    resend(&app, "ada@example.com").await;
    let order = "select string_agg(m.id::text, ' ' order by u.id desc), string_agg(m.id::text, ' ' order by m.id) \
                 from outbox m join users u on u.id = m.user_id where m.queued_at > u.created_at + interval '1 hour'";
    let queued = app.database.rows(order).await.swap_remove(0);
    assert_eq!(queued[0], queued[1], "the mail of the newest account is queued first");
    for _ in 0..3 {
        sent_when_idle(&app).await;
        app.clock.advance(Span::seconds(61));
    }
    sent_when_idle(&app).await;
    let order = "select string_agg(m.id::text, ' ' order by m.sent_at) \
                 from outbox m join users u on u.id = m.user_id where m.queued_at > u.created_at + interval '1 hour'";
    assert_eq!(app.database.rows(order).await[0][0], queued[0], "and sent first");
}
