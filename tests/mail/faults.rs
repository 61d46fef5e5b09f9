//! A misbehaving mail server delays mails, but loses none, and does not slow the API down.

use std::time::{Duration, Instant};

use chrono::Duration as Span;

use super::{app_at, app_with, mail_health, registered, status_of, status_when, until_mail_is, wake};
use crate::support::smtp::{Absent, Behaviour, Moment, SmtpCatcher};

/// How long a mail may take after an outage: the worker checks every few seconds whether the server is back.
const OUTAGE: Duration = Duration::from_secs(60);

fn reply(line: &str) -> Behaviour {
    Behaviour::Reply(line.to_owned())
}

#[tokio::test]
async fn mails_wait_while_the_server_is_unreachable() {
    let absent = Absent::new();
    let app = app_at(&absent.url).await;
    let (ada, _) = (registered(&app, "ada").await, registered(&app, "bob").await);
    until_mail_is(&app, "degraded").await;
    let status = status_when(&app, &ada, "was tried", |status| status.attempts > 0 && status.waits_for_server).await;
    assert_eq!(status.state, "queued");
    assert!(status.reply.contains("refused"), "{status:?}");
    let smtp = absent.appear();
    let mails = smtp.wait_within(OUTAGE, 2).await;
    assert_eq!(mails.len(), 2);
    until_mail_is(&app, "ok").await;
}

#[tokio::test]
async fn mails_wait_while_the_server_greets_with_421() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, reply("421 4.3.2 closing for today"));
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    until_mail_is(&app, "degraded").await;
    let status = status_when(&app, &ada, "was tried", |status| !status.reply.is_empty()).await;
    assert!(status.state == "queued" && status.reply.contains("closing for today"), "{status:?}");
    smtp.always(Moment::Greeting, Behaviour::Usual);
    smtp.wait_within(OUTAGE, 1).await;
    until_mail_is(&app, "ok").await;
}

#[tokio::test]
async fn a_temporarily_refused_mail_is_sent_later_as_the_same_mail() {
    for moment in [Moment::Mail, Moment::Rcpt, Moment::Data, Moment::FinalDot] {
        let smtp = SmtpCatcher::start().await;
        smtp.once(moment, reply("451 4.7.1 greylisted"));
        let app = app_with(&smtp).await;
        let ada = registered(&app, "ada").await;
        let status = status_when(&app, &ada, "was tried", |status| !status.reply.is_empty()).await;
        assert!(status.reply.contains("greylisted") && status.state == "queued", "{moment:?}: {status:?}");
        assert!(status.due_in > 0 && !status.waits_for_server, "{moment:?}: {status:?}");
        assert_eq!(mail_health(&app).await, "ok", "{moment:?}: the server is up");
        app.clock.advance(Span::seconds(10));
        wake(&app).await;
        let mails = smtp.wait_for(1).await;
        assert_eq!(mails[0].header("Message-ID"), format!("<{}@localhost>", status.id), "{moment:?}");
        let status = status_when(&app, &ada, "is sent", |status| status.state == "sent").await;
        assert_eq!((status.attempts, status.reply.as_str()), (2, "250 taken"), "{moment:?}");
    }
}

#[tokio::test]
async fn a_permanently_refused_mail_fails_and_blocks_no_other() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::Rcpt, reply("550 5.1.1 no such user"));
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    let status = status_when(&app, &ada, "fails", |status| status.state == "failed").await;
    assert!(status.reply.contains("no such user") && status.attempts == 1, "{status:?}");
    let bob = registered(&app, "bob").await;
    assert_eq!(smtp.wait_for(1).await[0].to, [bob.email]);
    assert_eq!(mail_health(&app).await, "ok");
}

#[tokio::test]
async fn a_refused_smtp_password_fails_no_mail() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Auth, reply("535 5.7.8 bad credentials"));
    let app = app_at(&smtp.url.replace("smtp://", "smtp://robot:wrong@")).await;
    let (ada, bob) = (registered(&app, "ada").await, registered(&app, "bob").await);
    until_mail_is(&app, "degraded").await;
    status_when(&app, &ada, "was tried", |status| status.reply.contains("bad credentials")).await;
    for actor in [&ada, &bob] {
        assert_eq!(status_of(&app, actor).await.state, "queued");
    }
    smtp.always(Moment::Auth, Behaviour::Usual);
    smtp.wait_within(OUTAGE, 2).await;
    assert!(smtp.commands().iter().all(|line| !line.contains("wrong")));
}

#[tokio::test]
async fn a_silent_server_does_not_slow_registrations_down() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Silence);
    let app = app_with(&smtp).await;
    app.database.enqueue_mails(10).await;
    for n in 0..10 {
        let asked_at = Instant::now();
        registered(&app, &format!("ada{n}")).await;
        assert!(asked_at.elapsed() < Duration::from_secs(5), "a registration took {:?}", asked_at.elapsed());
    }
    until_mail_is(&app, "degraded").await;
    smtp.always(Moment::Greeting, Behaviour::Usual);
    let mails = smtp.wait_within(OUTAGE, 20).await;
    assert_eq!(mails.len(), 20);
}

#[tokio::test]
async fn a_server_that_freezes_during_a_mail_gets_a_new_connection() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::FinalDot, Behaviour::Delay(Duration::from_secs(26)));
    smtp.once(Moment::Greeting, Behaviour::Usual);
    smtp.always(Moment::Greeting, Behaviour::Silence);
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    until_mail_is(&app, "degraded").await;
    assert_eq!(status_of(&app, &ada).await.state, "queued");
    smtp.always(Moment::Greeting, Behaviour::Usual);
    let mails = smtp.wait_within(OUTAGE, 2).await;
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    status_when(&app, &ada, "is sent", |status| status.state == "sent").await;
    // The late reply on the first connection must not be taken for the reply to another command.
    let commands = smtp.commands_on(1);
    let after: Vec<&String> = commands.iter().skip_while(|line| *line != "DATA").skip(1).collect();
    assert!(
        after.iter().all(|line| *line == "QUIT"),
        "a connection with an outstanding reply was used again: {commands:?}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_during_a_mail_loses_nothing() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::InMail, Behaviour::HangUp);
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    status_when(&app, &ada, "was tried", |status| status.attempts == 1 && !status.reply.is_empty()).await;
    app.clock.advance(Span::seconds(10));
    wake(&app).await;
    smtp.wait_for(1).await;
    status_when(&app, &ada, "is sent", |status| status.state == "sent").await;
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn a_connection_lost_after_a_mail_causes_one_duplicate_with_the_same_id() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::FinalDot, Behaviour::AcceptAndHangUp);
    let app = app_with(&smtp).await;
    let ada = registered(&app, "ada").await;
    status_when(&app, &ada, "was tried", |status| !status.reply.is_empty()).await;
    app.clock.advance(Span::seconds(10));
    wake(&app).await;
    status_when(&app, &ada, "is sent", |status| status.state == "sent").await;
    let mails = smtp.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
}

#[tokio::test]
async fn connections_are_few_and_reused() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::FinalDot, Behaviour::Delay(Duration::from_millis(20)));
    let app = app_with(&smtp).await;
    app.database.enqueue_mails(40).await;
    let mails = smtp.wait_for(40).await;
    assert_eq!(mails.len(), 40);
    let connections = smtp.connections();
    assert!(connections.peak <= 4 && connections.total <= 8, "{connections:?}");
}

#[tokio::test]
async fn replies_are_stored_without_control_characters_and_shortened() {
    let nasty = format!("taken\0as \u{1b}[31m 1\u{7}{}", "x".repeat(700));
    for (moment, code, state) in [
        (Moment::FinalDot, "250", "sent"),
        (Moment::Rcpt, "550", "failed"),
        (Moment::FinalDot, "554", "queued"),
        (Moment::Rcpt, "452", "queued"),
        (Moment::Greeting, "421", "queued"),
    ] {
        let smtp = SmtpCatcher::start().await;
        smtp.always(moment, reply(&format!("{code} {nasty}")));
        let app = app_with(&smtp).await;
        let ada = registered(&app, "ada").await;
        let status = status_when(&app, &ada, "has a reply", |status| !status.reply.is_empty()).await;
        assert_eq!((status.state.as_str(), status.attempts), (state, 1), "{status:?}");
        assert!(status.reply.contains("taken as  [31m 1 xxx"), "{status:?}");
        assert!(status.reply.contains(code) && status.reply.chars().count() <= 500, "{status:?}");
    }
}
