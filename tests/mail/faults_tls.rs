//! Encryption: mails and passwords are sent encrypted and to the right server, or not at all.

use super::{app_at, registered, status_when, until_mail_is};
use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::smtp::{Encryption, SmtpCatcher};
use crate::support::tls::AUTHORITY;
use serde_json::json;

/// Asserts that the server saw neither a password nor any part of a mail.
#[track_caller]
fn assert_nothing_was_sent(smtp: &SmtpCatcher) {
    assert!(smtp.mails().is_empty());
    for line in smtp.commands() {
        assert!(!line.starts_with("MAIL") && !line.starts_with("AUTH"), "sent without the required encryption: {line}");
    }
}

/// The service keeps the mail in the queue, and records why.
async fn refuses_to_send(smtp: &SmtpCatcher, url: &str, why: &str) {
    let app = app_at(&url.replace("://", "://robot:secret@")).await;
    let ada = registered(&app, "ada").await;
    until_mail_is(&app, "degraded").await;
    let status = status_when(&app, &ada, "was tried", |status| !status.reply.is_empty()).await;
    assert_eq!(status.state, "queued");
    assert!(status.reply.to_lowercase().contains(why), "{status:?}");
    assert_nothing_was_sent(smtp);
}

#[tokio::test]
async fn a_server_with_an_untrusted_certificate_gets_nothing() {
    for encryption in [Encryption::Implicit, Encryption::StartTls] {
        let smtp = SmtpCatcher::encrypted(encryption).await;
        refuses_to_send(&smtp, &smtp.url, "certificate").await;
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing_if_tls_is_required() {
    let smtp = SmtpCatcher::start().await;
    refuses_to_send(&smtp, &format!("{}?tls=required", smtp.url), "starttls").await;
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_over_smtps() {
    let smtp = SmtpCatcher::start().await;
    refuses_to_send(&smtp, &smtp.url.replace("smtp://", "smtps://"), "").await;
}

/// The real binary: `SSL_CERT_FILE`, which names the trusted authority, applies to a whole process.
async fn process_that_trusts_the_catcher(database: &TestDatabase, url: &str) -> Process {
    let variables = [("DATABASE_URL", database.url.as_str()), ("SMTP_URL", url), ("SSL_CERT_FILE", AUTHORITY)];
    let process = Process::start(&fresh_dir("tls"), &variables);
    let http = process.ready().await;
    let body = json!({ "email": "ada@example.com", "password": "plum-orbit-kettle-42" });
    http.request("POST", "/register").json(&body).send().await.expect(202);
    process
}

#[tokio::test]
async fn a_server_with_a_valid_certificate_gets_the_mail() {
    for encryption in [Encryption::Implicit, Encryption::StartTls] {
        let (database, smtp) = (TestDatabase::migrated(), SmtpCatcher::encrypted(encryption).await);
        let url = smtp.url.replace("://", "://robot:secret@");
        let _process = process_that_trusts_the_catcher(&database, &url).await;
        assert_eq!(smtp.wait_for(1).await[0].to, ["ada@example.com"]);
        let commands = smtp.commands();
        let at = |verb: &str| commands.iter().position(|line| line.starts_with(verb));
        assert!(at("AUTH").is_some());
        assert!(encryption == Encryption::Implicit || at("STARTTLS") < at("AUTH"), "{commands:?}");
    }
}

#[tokio::test]
async fn a_server_with_a_certificate_for_another_name_gets_nothing() {
    let (database, smtp) = (TestDatabase::migrated(), SmtpCatcher::encrypted(Encryption::Implicit).await);
    let url = smtp.url.replace("localhost", "127.0.0.1");
    let _process = process_that_trusts_the_catcher(&database, &url).await;
    let reply = "select last_reply from outbox where last_reply is not null";
    let rows = crate::support::eventually("the mail was tried", async || {
        Some(database.rows(reply).await).filter(|rows| !rows.is_empty())
    });
    let text = rows.await[0][0].clone().unwrap();
    assert!(text.contains("certificate"), "{text}");
    assert_nothing_was_sent(&smtp);
}
