//! Letters over real SMTP: what a mail server, and a mail program, gets to see; and that none is lost when the server
//! misbehaves.

use chrono::Duration;
use mail_parser::{HeaderValue, MessageParser, MimeHeaders as _};
use serde_json::json;

use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{TestApp, eventually};

async fn app_with(smtp: &SmtpCatcher) -> TestApp {
    TestApp::with_flags(&["--smtp-url", &smtp.url, "--mail-from", "Inner Door <door@auth.example.com>"]).await
}

#[tokio::test]
async fn a_letter_arrives_whole_and_its_link_confirms() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let ada = app.unconfirmed("Ada").await;
    let caught = smtp.wait_for(1).await.remove(0);
    assert_eq!(caught.from, "door@auth.example.com");
    assert_eq!(caught.to, ["Ada@example.com"]);

    let letter = MessageParser::default().parse(&caught.raw).unwrap();
    assert_eq!(letter.from().unwrap().first().unwrap().address(), Some("door@auth.example.com"));
    assert_eq!(letter.from().unwrap().first().unwrap().name(), Some("Inner Door"));
    let to: Vec<_> = letter.to().unwrap().iter().map(|address| address.address().unwrap()).collect();
    assert_eq!(to, ["Ada@example.com"]);
    assert_eq!(letter.subject(), Some("Confirm your address for Inner Door"));
    assert!(letter.message_id().unwrap().ends_with("@auth.example.com"));
    let age = app.clock.now().timestamp() - letter.date().unwrap().to_timestamp();
    assert!((-1..60).contains(&age), "{age}");
    assert_eq!(letter.header("Auto-Submitted").and_then(HeaderValue::as_text), Some("auto-generated"));
    assert!(letter.is_content_type("multipart", "alternative"));
    assert_eq!((letter.text_body_count(), letter.html_body_count()), (1, 1));
    assert_eq!(letter.attachment_count(), 0);

    let (text, html) = (letter.body_text(0).unwrap(), letter.body_html(0).unwrap());
    let link = text.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    app.visitor().post(link.strip_prefix(&app.http.base).unwrap()).await.expect(200);
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
async fn what_people_type_reaches_no_header_and_no_second_recipient() {
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
    let letter = MessageParser::default().parse(&caught.raw).unwrap();
    assert!(letter.header("Bcc").is_none());
    assert!(!letter.body_html(0).unwrap().contains("<b>"));
    assert_eq!(smtp.letters().len(), 1);
}

#[tokio::test]
async fn a_domain_with_unicode_is_mailed_in_ascii() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let visitor = app.visitor();
    visitor.register_as(json!({ "email": "ada@bücher.example", "password": visitor.password })).await.expect(202);
    assert_eq!(smtp.wait_for(1).await[0].to, ["ada@xn--bcher-kva.example"]);
}

#[tokio::test]
async fn the_owner_of_an_address_gets_a_letter_without_a_link() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let ada = app.unconfirmed("ada").await;
    let raw = smtp.wait_for(1).await.remove(0).raw;
    let letter = MessageParser::default().parse(&raw).unwrap();
    let text = letter.body_text(0).unwrap();
    let link = text.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    app.visitor().post(link.strip_prefix(&app.http.base).unwrap()).await.expect(200);
    ada.register_as(json!({ "email": ada.email, "password": ada.password })).await.expect(202);
    let raw = smtp.wait_for(2).await.remove(1).raw;
    let letter = MessageParser::default().parse(&raw).unwrap();
    assert!(letter.subject().unwrap().contains("already have an account"));
    assert!(!letter.body_text(0).unwrap().contains("http") && !letter.body_html(0).unwrap().contains("href"));
}

#[tokio::test]
async fn a_letter_that_is_refused_for_now_is_sent_later_and_once() {
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
        let tried = "select count(*) from mails where attempts = 1 and last_reply is not null";
        eventually("the first try fails", async || (app.database.number(tried).await == 1).then_some(())).await;
        assert!(smtp.letters().is_empty(), "{moment:?}");
        app.advance_and_deliver(Duration::minutes(1)).await;
        smtp.wait_for(1).await;
        app.mailbox.settled().await;
        assert_eq!(smtp.letters().len(), 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_letter_that_is_sent_again_is_the_same_letter() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::FinalDot, Behaviour::TakeAndHangUp);
    let app = app_with(&smtp).await;
    app.unconfirmed("ada").await;
    smtp.wait_for(1).await;
    let tried = "select count(*) from mails where last_reply is not null";
    eventually("the first try fails", async || (app.database.number(tried).await == 1).then_some(())).await;
    app.advance_and_deliver(Duration::minutes(1)).await;
    let letters = smtp.wait_for(2).await;
    let id = |at: usize| MessageParser::default().parse(&letters[at].raw).unwrap().message_id().unwrap().to_owned();
    assert_eq!(id(0), id(1));
}

#[tokio::test]
async fn a_letter_that_is_refused_for_good_is_not_tried_again_and_stops_no_other() {
    let smtp = SmtpCatcher::start().await;
    smtp.once(Moment::Rcpt, Behaviour::Reply("550 no such user".into()));
    let app = app_with(&smtp).await;
    app.unconfirmed("ada").await;
    let parked = "select count(*) from mails where state = 'parked'";
    eventually("the letter is given up", async || (app.database.number(parked).await == 1).then_some(())).await;
    app.advance_and_deliver(Duration::hours(1)).await;
    let bob = app.unconfirmed("bob").await;
    assert_eq!(smtp.wait_for(1).await[0].to, [bob.email]);
    app.mailbox.settled().await;
    assert_eq!(smtp.letters().len(), 1);
}

#[tokio::test]
async fn a_slow_server_slows_no_sign_up() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Silence);
    let app = app_with(&smtp).await;
    for name in ["ada", "bob", "eve", "dan", "fay", "gus"] {
        app.unconfirmed(name).await;
    }
    assert_eq!(app.database.number("select count(*) from mails where state = 'queued'").await, 6);
}

#[tokio::test]
async fn a_server_that_takes_its_time_gets_the_letter_once() {
    let smtp = SmtpCatcher::start().await;
    for moment in [Moment::Greeting, Moment::Rcpt, Moment::FinalDot] {
        smtp.once(moment, Behaviour::Delay(std::time::Duration::from_millis(200)));
    }
    let app = app_with(&smtp).await;
    app.unconfirmed("ada").await;
    smtp.wait_for(1).await;
    app.mailbox.settled().await;
    assert_eq!(smtp.letters().len(), 1);
    assert_eq!(app.database.number("select attempts from mails").await, 1);
}
