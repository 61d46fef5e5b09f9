//! What a mail server refuses because of us, or of itself, fails no mail; what it refuses because of a recipient does.

use std::time::Duration;

use chrono::Duration as Span;

use super::{app_with, mail_health, registered, status_of, status_when, until_mail_is, wake};
use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};

/// The worker checks every few seconds whether the server takes mails again.
const RECOVERY: Duration = Duration::from_secs(30);

fn reply(line: &str) -> Behaviour {
    Behaviour::Reply(line.to_owned())
}

#[tokio::test]
async fn a_server_that_refuses_the_sender_is_away_until_it_takes_it() {
    for line in ["550 5.4.5 Daily user sending quota exceeded", "530 5.7.0 Authentication required", "553 not yours"] {
        let smtp = SmtpCatcher::start().await;
        smtp.always(Moment::Mail, reply(line));
        let app = app_with(&smtp).await;
        let (ada, bob) = (registered(&app, "ada").await, registered(&app, "bob").await);
        until_mail_is(&app, "degraded").await;
        for actor in [&ada, &bob] {
            let status = status_when(&app, actor, "was tried or waits", |status| status.state == "queued").await;
            assert!(status.attempts <= 1, "{line}: {status:?}");
        }
        status_when(&app, &ada, "waits for the server", |status| {
            status.waits_for_server && status.reply.contains(&line[4..])
        })
        .await;
        // Longer than the worker waits before it probes the server again.
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(mail_health(&app).await, "degraded", "{line}: a greeting does not mean that the server is back");
        assert!(status_of(&app, &ada).await.attempts <= 1, "{line}: mails are not tried meanwhile");
        smtp.always(Moment::Mail, Behaviour::Usual);
        assert_eq!(smtp.wait_within(RECOVERY, 2).await.len(), 2, "{line}");
        until_mail_is(&app, "ok").await;
    }
}

#[tokio::test]
async fn a_quota_that_shows_after_the_sender_delays_mails_and_degrades_readiness() {
    for (moment, line) in [
        (Moment::Rcpt, "550 5.4.5 Daily user sending quota exceeded"),
        (Moment::Rcpt, "554 5.7.1 Relay access denied"),
        (Moment::Data, "550 5.4.5 Daily user sending quota exceeded"),
        (Moment::Data, "452 4.3.1 Insufficient system storage"),
        (Moment::FinalDot, "554 5.2.0 SubmissionQuotaExceededException"),
        (Moment::FinalDot, "554 transaction failed"),
    ] {
        let smtp = SmtpCatcher::start().await;
        smtp.always(moment, reply(line));
        let app = app_with(&smtp).await;
        let (ada, bob) = (registered(&app, "ada").await, registered(&app, "bob").await);
        for actor in [&ada, &bob] {
            let status = status_when(&app, actor, "was refused", |status| !status.reply.is_empty()).await;
            assert_eq!((status.state.as_str(), status.attempts), ("queued", 1), "{line}: {status:?}");
            assert!((2..=6).contains(&status.due_in), "{line}: {status:?}");
        }
        assert_eq!(mail_health(&app).await, "degraded", "{line}");
        wake(&app).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(status_of(&app, &ada).await.attempts, 1, "{line}: the mail is hammered");
        smtp.always(moment, Behaviour::Usual);
        app.clock.advance(Span::seconds(10));
        wake(&app).await;
        assert_eq!(smtp.wait_for(2).await.len(), 2, "{line}");
        until_mail_is(&app, "ok").await;
    }
}

#[tokio::test]
async fn an_unknown_recipient_fails_its_mail_at_once() {
    for (moment, line) in [
        (Moment::Rcpt, "550 5.1.1 User unknown in virtual mailbox table"),
        (Moment::Rcpt, "550 no such user"),
        (Moment::FinalDot, "550 5.1.10 RESOLVER.ADR.RecipientNotFound"),
    ] {
        let smtp = SmtpCatcher::start().await;
        smtp.once(moment, reply(line));
        let app = app_with(&smtp).await;
        let ada = registered(&app, "ada").await;
        let status = status_when(&app, &ada, "fails", |status| status.state == "failed").await;
        assert!(status.attempts == 1 && status.reply.contains(&line[4..]), "{status:?}");
        assert_eq!(mail_health(&app).await, "ok", "{line}");
        let bob = registered(&app, "bob").await;
        assert_eq!(smtp.wait_for(1).await[0].to, [bob.email]);
    }
}

#[tokio::test]
async fn an_address_that_the_server_cannot_take_fails_at_once() {
    // A server without SMTPUTF8; one that announces it, and then refuses it before or at the recipient.
    for (moment, line) in [
        (Moment::Ehlo, "250-catcher\r\n250 8BITMIME"),
        (Moment::Mail, "550 5.6.7 SMTPUTF8 is not supported"),
        (Moment::Rcpt, "553 5.6.7 non-ASCII addresses not permitted for that recipient"),
    ] {
        let smtp = SmtpCatcher::start().await;
        let app = app_with(&smtp).await;
        smtp.once(moment, reply(line));
        smtp.once(moment, if moment == Moment::Ehlo { reply(line) } else { Behaviour::Usual });
        let zoe = registered(&app, "zoë").await;
        let status = status_when(&app, &zoe, "fails", |status| status.state == "failed").await;
        assert_eq!(status.attempts, 1, "{line}: {status:?}");
        assert_eq!(mail_health(&app).await, "ok", "{line}");
        let bob = registered(&app, "bob").await;
        assert_eq!(smtp.wait_for(1).await[0].to, [bob.email]);
    }
    // A server that takes them gets it.
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    registered(&app, "zoë").await;
    assert_eq!(smtp.wait_for(1).await[0].to, ["zoë@example.com"]);
    assert!(smtp.commands().iter().any(|line| line.starts_with("MAIL FROM:") && line.contains("SMTPUTF8")));
}

#[tokio::test]
async fn a_sender_refused_on_an_old_connection_is_offered_on_a_new_one() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    registered(&app, "ada").await;
    smtp.wait_for(1).await;
    smtp.once(Moment::Mail, reply("421 4.7.0 too many mails on this connection"));
    let bob = registered(&app, "bob").await;
    smtp.wait_for(2).await;
    let status = status_when(&app, &bob, "is sent", |status| status.state == "sent").await;
    assert_eq!(status.attempts, 1, "{status:?}");
}

#[tokio::test]
async fn a_url_gives_the_login_percent_decoded_and_the_name_for_ehlo() {
    let smtp = SmtpCatcher::start().await;
    let url = smtp.url.replace("smtp://", "smtp://robot%40example.com:p%25%20%C3%A9@") + "/auth.example.com";
    let app = super::app_at(&url).await;
    registered(&app, "ada").await;
    smtp.wait_for(1).await;
    let commands = smtp.commands();
    assert_eq!(commands[0], "EHLO auth.example.com");
    let login = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, "\0robot@example.com\0p% é");
    assert_eq!(commands[1], format!("AUTH PLAIN {login}"));
}

#[tokio::test]
async fn a_server_on_ipv6_gets_the_mail() {
    // A machine without IPv6 has nothing to test.
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
    let smtp = SmtpCatcher::on(listener);
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    assert_eq!(smtp.wait_for(1).await[0].to, [ada.email]);
}
