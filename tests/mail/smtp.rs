//! Mails over real SMTP: what mail servers and mail programs see, and that no mail is lost when a server misbehaves.

use chrono::Duration;
use mail_parser::{HeaderValue, MessageParser, MimeHeaders as _};
use serde_json::json;

use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{TestApp, eventually};

async fn app_with(smtp: &SmtpCatcher) -> TestApp {
    TestApp::with_flags(&["--smtp-url", &smtp.url, "--mail-from", "Inner Door <door@auth.example.com>"]).await
}

#[tokio::test]
async fn a_mail_arrives_whole_and_its_link_confirms() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let ada = app.unconfirmed("Ada").await;
    let caught = smtp.wait_for(1).await.remove(0);
    assert_eq!(caught.from, "door@auth.example.com");
    assert_eq!(caught.to, ["Ada@example.com"]);

    let mail = MessageParser::default().parse(&caught.raw).unwrap();
    assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("door@auth.example.com"));
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Inner Door"));
    let to: Vec<_> = mail.to().unwrap().iter().map(|address| address.address().unwrap()).collect();
    assert_eq!(to, ["Ada@example.com"]);
    assert_eq!(mail.subject(), Some("Confirm your email address for Inner Door"));
    assert!(mail.message_id().unwrap().ends_with("@auth.example.com"));
    let age = app.clock.now().timestamp() - mail.date().unwrap().to_timestamp();
    assert!((-1..60).contains(&age), "{age}");
    assert_eq!(mail.header("Auto-Submitted").and_then(HeaderValue::as_text), Some("auto-generated"));
    assert!(mail.is_content_type("multipart", "alternative"));
    assert_eq!((mail.text_body_count(), mail.html_body_count()), (1, 1));
    assert_eq!(mail.attachment_count(), 0);

    let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
    let link = text.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    ada.open(link.strip_prefix(&app.http.base).unwrap()).await.expect(200);
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
async fn user_input_injects_no_header_and_no_second_recipient() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let visitor = app.visitor();
    for email in ["ada@x.org\r\nBcc: eve@x.org", "ada@x.org>\r\nRCPT TO:<eve@x.org", "ada@x.org, eve@x.org"] {
        visitor.register_as(json!({ "email": email, "password": visitor.password })).await.expect(422);
    }
    let fields = json!({ "email": "o'hara+{x}=y@example.com", "password": visitor.password });
    let request = visitor.request("POST", "/register").json(&fields).header("User-Agent", "x\tBcc: eve@x.org <b>");
    request.send().await.expect(202);
    let caught = smtp.wait_for(1).await.remove(0);
    assert_eq!(caught.to, ["o'hara+{x}=y@example.com"]);
    let mail = MessageParser::default().parse(&caught.raw).unwrap();
    assert!(mail.header("Bcc").is_none());
    assert!(!mail.body_html(0).unwrap().contains("<b>"));
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn a_unicode_domain_is_sent_in_ascii() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let visitor = app.visitor();
    visitor.register_as(json!({ "email": "ada@bücher.example", "password": visitor.password })).await.expect(202);
    assert_eq!(smtp.wait_for(1).await[0].to, ["ada@xn--bcher-kva.example"]);
}

#[tokio::test]
async fn the_owner_of_an_address_gets_a_mail_without_a_link() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let ada = app.unconfirmed("ada").await;
    let raw = smtp.wait_for(1).await.remove(0).raw;
    let mail = MessageParser::default().parse(&raw).unwrap();
    let text = mail.body_text(0).unwrap();
    let link = text.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    ada.open(link.strip_prefix(&app.http.base).unwrap()).await.expect(200);
    ada.register_as(json!({ "email": ada.email, "password": ada.password })).await.expect(202);
    let raw = smtp.wait_for(2).await.remove(1).raw;
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert!(mail.subject().unwrap().contains("already have an account"));
    assert!(!mail.body_text(0).unwrap().contains("http") && !mail.body_html(0).unwrap().contains("href"));
}

#[tokio::test]
async fn a_temporarily_refused_mail_is_sent_later_and_once() {
    for (moment, behaviour) in [
        (Moment::Greeting, Behaviour::HangUp),
        (Moment::Mail, Behaviour::Reply("451 later".into())),
        (Moment::Rcpt, Behaviour::Reply("450 greylisted".into())),
        (Moment::Data, Behaviour::HangUp),
        (Moment::FinalDot, Behaviour::Reply("452 full".into())),
    ] {
        let smtp = SmtpCatcher::start().await;
        smtp.once(moment, behaviour);
        let app = app_with(&smtp).await;
        app.unconfirmed("ada").await;
        let tried = "select count(*) from outbox where attempts = 1 and last_reply is not null";
        eventually("the first try fails", async || (app.database.number(tried).await == 1).then_some(())).await;
        assert!(smtp.mails().is_empty(), "{moment:?}");
        app.advance_and_deliver(Duration::minutes(1)).await;
        smtp.wait_for(1).await;
        app.mailbox.wait_until_idle().await;
        assert_eq!(smtp.mails().len(), 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_mail_sent_again_has_the_same_message_id() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::FinalDot, Behaviour::AcceptAndHangUp);
    let app = app_with(&smtp).await;
    app.unconfirmed("ada").await;
    smtp.wait_for(1).await;
    let tried = "select count(*) from outbox where last_reply is not null";
    eventually("the first try fails", async || (app.database.number(tried).await == 1).then_some(())).await;
    app.advance_and_deliver(Duration::minutes(1)).await;
    let mails = smtp.wait_for(2).await;
    let id = |at: usize| MessageParser::default().parse(&mails[at].raw).unwrap().message_id().unwrap().to_owned();
    assert_eq!(id(0), id(1));
}

#[tokio::test]
async fn a_permanently_refused_mail_is_not_tried_again_and_blocks_no_other() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::Rcpt, Behaviour::Reply("550 no such user".into()));
    let app = app_with(&smtp).await;
    app.unconfirmed("ada").await;
    let failed = "select count(*) from outbox where state = 'failed'";
    eventually("the mail fails", async || (app.database.number(failed).await == 1).then_some(())).await;
    app.advance_and_deliver(Duration::hours(1)).await;
    let bob = app.unconfirmed("bob").await;
    assert_eq!(smtp.wait_for(1).await[0].to, [bob.email]);
    app.mailbox.wait_until_idle().await;
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn a_slow_server_does_not_slow_registrations() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Silence);
    let app = app_with(&smtp).await;
    for name in ["ada", "bob", "eve", "dan", "fay", "gus"] {
        app.unconfirmed(name).await;
    }
    assert_eq!(app.database.number("select count(*) from outbox where state = 'queued'").await, 6);
}

#[tokio::test]
async fn a_server_with_delays_gets_the_mail_once() {
    let smtp = SmtpCatcher::start().await;
    for moment in [Moment::Greeting, Moment::Rcpt, Moment::FinalDot] {
        smtp.once(moment, Behaviour::Delay(std::time::Duration::from_millis(200)));
    }
    let app = app_with(&smtp).await;
    app.unconfirmed("ada").await;
    smtp.wait_for(1).await;
    app.mailbox.wait_until_idle().await;
    assert_eq!(smtp.mails().len(), 1);
    assert_eq!(app.database.number("select attempts from outbox").await, 1);
}
