//! Several instances share one outbox: each mail is sent once, by any instance that can send it.
//!
//! `SHARED_QUEUE_MAILS` (300) changes the number of mails.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vestibule::config::{Secret, Switch};

use super::{app_with, count_from_environment, deletion_notices_sql, registered, wake};
use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::smtp::{Absent, SmtpCatcher};
use crate::support::{TestApp, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_with_one_outbox_send_every_mail_once() {
    let count = count_from_environment("SHARED_QUEUE_MAILS", 300);
    let database = TestDatabase::migrated();
    let catchers = [SmtpCatcher::start().await, SmtpCatcher::start().await];
    let mut processes = Vec::new();
    for smtp in &catchers {
        let variables =
            [("DATABASE_URL", database.url.as_str()), ("SMTP_URL", smtp.url.as_str()), ("RATE_LIMITS", "off")];
        let process = Process::start(&fresh_dir("shared"), &variables);
        process.ready().await;
        processes.push(process);
    }
    let began_at = Instant::now();
    database.enqueue_mails(count).await;
    within(Duration::from_secs(120), "all mails are sent", async || {
        (database.number("select count(*) from outbox where state <> 'sent'").await == 0).then_some(())
    })
    .await;
    let took = began_at.elapsed();
    let came = catchers.each_ref().map(|smtp| smtp.mails());
    let shares = came.each_ref().map(Vec::len);
    let all: BTreeSet<String> = came.iter().flatten().map(|mail| mail.to[0].clone()).collect();
    let ids: BTreeSet<String> = came.iter().flatten().map(|mail| mail.header("Message-ID")).collect();
    eprintln!("two processes, {count} mails: {shares:?} sent by each, {} different, in {took:?}", all.len());
    assert_eq!(shares[0] + shares[1], count, "none twice");
    assert_eq!((all.len(), ids.len()), (count, count), "none missing");
    assert!(shares[0] > 0 && shares[1] > 0, "both processes send: {shares:?}");
}

#[tokio::test]
async fn an_idle_service_leaves_the_database_alone() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    // A mail that is not due does not change that, nor one of a kind from a later version.
    for _ in 0..2 {
        ada.request_password_reset().await.expect(202);
        app.mailbox.wait_until_idle().await;
    }
    let later =
        "update outbox set kind = 'of_tomorrow', due_at = due_at - interval '1 hour' where kind = 'account_deleted'";
    app.database.rows(&format!("begin; {}; {later}; commit", deletion_notices_sql(1, "nobody@example.com"))).await;
    wake(&app).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = proxy.round_trips();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let round_trips = proxy.round_trips() - before;
    assert!(round_trips <= 6, "{round_trips} round trips in 3 s");
    assert_eq!(app.database.number("select count(*) from outbox where state = 'queued'").await, 2);
}

#[tokio::test]
async fn a_mail_queued_by_an_instance_that_cannot_send_is_sent_by_another() {
    let (smtp, absent) = (SmtpCatcher::start().await, Absent::new());
    let there = app_with(&smtp).await;
    let here = there.beside(|settings| settings.smtp_url = Some(Secret::from(absent.url.clone()))).await;
    for n in 1..=3 {
        registered(&here, &format!("ada{n}")).await;
        // This takes less time than a claim or the slow poll, so the other instance was notified.
        smtp.wait_for(n).await;
    }
    assert_eq!(smtp.mails().len(), 3);
}
