//! Long outages: retries become rarer, mails fail in the end, and the links in late mails work.

use std::collections::BTreeSet;

use chrono::Duration as Span;
use serde_json::json;

use super::{app_with, deletion_notices_sql, registered, status_of, status_when, until_mail_is, wake};
use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{Actor, TestApp};

/// Wakes the worker, and waits for the result of the next attempt.
async fn next_try(app: &TestApp, actor: &Actor, attempts: i64) -> super::MailStatus {
    wake(app).await;
    status_when(app, actor, &format!("was tried {attempts} times"), |status| {
        status.attempts == attempts && (status.due_in > 0 || status.state != "queued")
    })
    .await
}

#[tokio::test]
async fn waits_grow_to_half_an_hour_and_the_mail_fails_after_two_days_and_twenty_tries() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Rcpt, Behaviour::Reply("452 4.2.2 mailbox full".to_owned()));
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    let queued_at = app.clock.now();
    let (mut usual, mut longest_waits) = (5.0, BTreeSet::new());
    for attempts in 1..=16 {
        let status = next_try(&app, &ada, attempts).await;
        let (shortest, longest) = ((usual * 0.8f64).floor() as i64 - 2, (usual * 1.2).ceil() as i64);
        assert!((shortest..=longest).contains(&status.due_in), "try {attempts}: {status:?}, usually {usual} s");
        if usual == 1800.0 {
            longest_waits.insert(status.due_in);
        }
        usual = (usual * 2.0).min(1800.0);
        app.clock.advance(Span::seconds(status.due_in + 1));
    }
    assert!(longest_waits.len() > 1, "the waits have no jitter: {longest_waits:?}");
    app.clock.advance(queued_at + Span::hours(47) - app.clock.now());
    assert_eq!(next_try(&app, &ada, 17).await.state, "queued", "after 47 hours");
    // The clock moves in whole seconds.
    app.clock.advance(Span::seconds(3605));
    for attempts in 18..=19 {
        let status = next_try(&app, &ada, attempts).await;
        assert_eq!(status.state, "queued", "after 48 hours, but only {attempts} tries");
        app.clock.advance(Span::seconds(status.due_in + 1));
    }
    let status = next_try(&app, &ada, 20).await;
    assert_eq!(status.state, "failed", "after 48 hours and 20 tries");
    assert!(status.reply.contains("mailbox full"), "{status:?}");
    assert!(smtp.mails().is_empty());
}

/// A user who registered three days ago; the mail server has been down since.
async fn three_days_after_registering(smtp: &SmtpCatcher) -> (TestApp, Actor) {
    smtp.always(Moment::Greeting, Behaviour::Reply("421 4.3.0 down".to_owned()));
    let app = app_with(smtp).await;
    let ada = registered(&app, "ada").await;
    until_mail_is(&app, "degraded").await;
    app.clock.advance(Span::days(3));
    (app, ada)
}

#[tokio::test]
async fn an_outage_of_three_days_ends_with_mails_whose_links_work() {
    let smtp = SmtpCatcher::start().await;
    let (_app, ada) = three_days_after_registering(&smtp).await;
    smtp.always(Moment::Greeting, Behaviour::Usual);
    let mails = smtp.wait_within(std::time::Duration::from_secs(30), 1).await;
    let source = mails[0].source();
    let message = mail_parser::MessageParser::default().parse(&source).unwrap();
    let text = message.body_text(0).unwrap();
    let link = text.split_whitespace().find(|word| word.contains("/confirm/")).unwrap();
    let path = url::Url::parse(link).unwrap().path().to_owned();
    assert_eq!(ada.open(&path).await.expect(200).json(), json!({ "status": "confirmed" }));
}

#[tokio::test]
async fn a_mail_temporarily_refused_after_an_outage_of_three_days_is_sent_later() {
    let smtp = SmtpCatcher::start().await;
    let (app, ada) = three_days_after_registering(&smtp).await;
    smtp.once(Moment::Rcpt, Behaviour::Reply("452 4.3.1 out of space".to_owned()));
    smtp.always(Moment::Greeting, Behaviour::Usual);
    let status = status_when(&app, &ada, "was refused", |status| status.reply.contains("out of space")).await;
    assert_eq!(status.state, "queued", "{status:?}");
    assert!(status.attempts <= 3, "mails are not tried while the server is down: {status:?}");
    app.clock.advance(Span::seconds(status.due_in + 1));
    wake(&app).await;
    assert_eq!(smtp.wait_for(1).await[0].to, [ada.email]);
}

#[tokio::test]
async fn no_table_holds_a_link_while_its_mail_waits() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Reply("421 4.3.0 down".to_owned()));
    let app = app_with(&smtp).await;
    registered(&app, "ada").await;
    until_mail_is(&app, "degraded").await;
    let rows = app.database.rows("select m::text from outbox m").await;
    let row = rows[0][0].clone().unwrap();
    assert!(row.contains("confirm_email") && !row.contains("http") && !row.contains("/confirm"), "{row}");
}

#[tokio::test]
async fn a_mail_that_cannot_be_composed_fails_and_blocks_no_other() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Reply("421 4.3.0 down".to_owned()));
    let app = app_with(&smtp).await;
    let (ada, bob) = (registered(&app, "ada").await, registered(&app, "bob").await);
    until_mail_is(&app, "degraded").await;
    let id = status_of(&app, &ada).await.id;
    app.database.rows(&format!("update outbox set request_context = '{{\"at\": 1}}' where id = '{id}'")).await;
    smtp.always(Moment::Greeting, Behaviour::Usual);
    assert_eq!(smtp.wait_within(std::time::Duration::from_secs(30), 1).await[0].to, [bob.email]);
    let status = status_when(&app, &ada, "fails", |status| status.state == "failed").await;
    assert!(status.reply.contains("request"), "{status:?}");
}

#[tokio::test]
async fn a_mail_of_a_kind_from_a_later_version_waits_for_it_and_blocks_no_other() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    // As many as the worker claims at once, and due before all others.
    let later = "update outbox set kind = 'of_tomorrow', due_at = due_at - interval '1 hour'";
    app.database.rows(&format!("begin; {}; {later}; commit", deletion_notices_sql(8, "nobody@example.com"))).await;
    let bob = registered(&app, "bob").await;
    assert_eq!(smtp.wait_for(1).await[0].to[0], bob.email);
    status_when(&app, &bob, "is sent", |status| status.state == "sent").await;
    wake(&app).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let untouched = "select count(*) from outbox where kind = 'of_tomorrow' and state = 'queued' and attempts = 0";
    assert_eq!(app.database.number(untouched).await, 8);
    // These mails do not make the worker miss one that is due soon, before the next slow poll.
    let soon = "update outbox set due_at = now() + interval '2 s' where address = 'soon@example.com'";
    app.database.rows(&format!("begin; {}; {soon}; commit", deletion_notices_sql(1, "soon@example.com"))).await;
    wake(&app).await;
    smtp.wait_within(std::time::Duration::from_secs(10), 2).await;
    // The later version takes over.
    app.database.rows("update outbox set kind = 'account_deleted' where kind = 'of_tomorrow'").await;
    wake(&app).await;
    smtp.wait_for(10).await;
}
