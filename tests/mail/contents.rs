//! Mails as they arrive: in the language of the request, with the admin's templates, and without anything that a
//! stranger could inject.

use std::path::Path;

use chrono::Duration as Span;
use serde_json::json;
use strum::VariantArray as _;
use vestibule::mail::MailKind;

use super::app_with;
use crate::support::binary::run;
use crate::support::database::fresh_dir;
use crate::support::smtp::SmtpCatcher;
use crate::support::{Actor, TestApp};

async fn register(app: &TestApp, name: &str, headers: &[(&str, &str)]) -> Actor {
    let actor = Actor::new(app, name);
    let body = json!({ "email": actor.email, "password": actor.password });
    let request = actor.request("POST", "/register").json(&body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.send().await.expect(202);
    actor
}

#[tokio::test]
async fn mails_are_in_the_language_of_the_request() {
    let app = TestApp::start().await;
    for (name, accepted, beginning) in [
        ("ada", "de-AT, en;q=0.5", "Guten Tag"),
        ("bob", "fr, en;q=0.9, de;q=0.8", "Hello"),
        ("cyd", "fr", "Hello"),
        ("dan", ";;;q=x,,", "Hello"),
    ] {
        let actor = register(&app, name, &[("Accept-Language", accepted)]).await;
        let mail = app.mailbox.mail_to(&actor.email).await;
        assert!(mail.text.starts_with(beginning), "{accepted}: {}", mail.text);
    }
    // A resent mail is in the language of the request for it.
    let ada = Actor::new(&app, "ada");
    let resend = ada.request("POST", "/resend").json(&json!({ "email": ada.email }));
    resend.header("Accept-Language", "en").send().await.expect(202);
    assert!(app.mailbox.mails_to(&ada.email, 2).await[0].text.starts_with("Hello"));
}

#[tokio::test]
async fn a_registration_of_an_owned_address_sends_the_owner_a_mail_without_a_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let body = json!({ "email": ada.email, "password": "kettle-orbit-plum-24" });
    let request = app.visitor().request("POST", "/register").json(&body).header("Accept-Language", "de");
    request.send().await.expect(202);
    let mail = &app.mailbox.mails_to(&ada.email, 2).await[0];
    assert!(mail.subject.contains("bereits ein Konto") && mail.links.is_empty(), "{mail:?}");
    assert!(!mail.html.contains("href"), "{}", mail.html);
}

#[tokio::test]
async fn a_mail_names_the_client_and_nothing_from_the_client_becomes_markup_or_header() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let agent = format!("<b>bold</b><a href='http://evil.example'>x</a>{}", "y".repeat(5000));
    let ada = register(&app, "ada", &[("User-Agent", agent.as_str())]).await;
    let mail = smtp.wait_for(1).await.swap_remove(0);
    let source = mail.source();
    assert_eq!((mail.to.as_slice(), mail.from.as_str()), ([ada.email].as_slice(), "no-reply@localhost"));
    assert!(source.split("\r\n").all(|line| line.len() <= 998), "no line is too long");
    let message = mail_parser::MessageParser::default().parse(&source).unwrap();
    let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
    // A free-text user agent could carry a stranger's message to the reader, so only known programs are named.
    assert!(text.contains("from 127.0.0.1") && text.contains("with an unnamed program"), "{text}");
    for part in [&text, &html] {
        assert!(!part.contains("bold") && !part.contains("evil.example") && !part.contains("yyy"), "{part}");
    }
    assert_eq!(html.matches("<a ").count(), 1, "{html}");
    for header in ["Date", "Message-ID", "Auto-Submitted", "Subject"] {
        assert!(!mail.header(header).is_empty());
    }
}

#[tokio::test]
async fn every_mail_has_its_own_message_id() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    for name in ["ada", "bob", "cyd"] {
        register(&app, name, &[]).await;
    }
    let mut ids: Vec<String> = smtp.wait_for(3).await.iter().map(|mail| mail.header("Message-ID")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn an_admin_can_replace_one_template_and_add_a_language() {
    let folder = fresh_dir("templates");
    write(&folder, "en/confirm_email.subject.txt", "Welcome to our club\n");
    for mail in MailKind::VARIANTS.iter().map(|kind| kind.name()) {
        for part in ["subject.txt", "txt", "html"] {
            let text = format!("{mail}: bonjour {{{{ email }}}} {{{{ link }}}}");
            write(&folder, &format!("fr/{mail}.{part}"), &text);
        }
    }
    let app = TestApp::with(|settings| settings.mail_templates = Some(folder)).await;
    let ada = register(&app, "ada", &[]).await;
    let mail = app.mailbox.mail_to(&ada.email).await;
    assert_eq!(mail.subject, "Welcome to our club");
    assert!(
        mail.text.starts_with("Hello") && mail.html.contains("Confirm your email address"),
        "the other parts are built in"
    );
    let bob = register(&app, "bob", &[("Accept-Language", "fr-CA")]).await;
    let mail = app.mailbox.mail_to(&bob.email).await;
    assert!(mail.text.starts_with("confirm_email: bonjour bob@example.com http"), "{mail:?}");
    bob.open(&mail.path()).await.expect(200);
}

#[test]
fn a_broken_template_aborts_startup_and_is_named_with_its_line() {
    for (file, text, said) in [
        ("en/test.txt", "one\ntwo {{ lnik }}\n", "en/test.txt, line 2"),
        ("en/test.html", "{% if %}", "en/test.html, line 1"),
        ("en/welcome.txt", "", "en/welcome.txt: not an email template"),
        ("fr/test.txt", "", "is missing"),
    ] {
        let (folder, data_dir) = (fresh_dir("templates"), fresh_dir("data"));
        write(&folder, file, text);
        let output = run(
            &["serve"],
            &[
                ("MAIL_TEMPLATES", folder.to_str().unwrap()),
                ("DATA_DIR", data_dir.to_str().unwrap()),
                ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"),
                ("LISTEN", "127.0.0.1:0"),
            ],
        );
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains("MAIL_TEMPLATES") && error.contains(said),
            "{file}: {error}"
        );
        let last = error.lines().filter(|line| !line.is_empty()).count();
        assert_eq!(last, 1, "one line: {error}");
    }
}

#[test]
fn a_sender_that_could_inject_headers_is_refused() {
    for sender in ["Evil\r\nBcc: eve@example.com <a@example.com>", "a@example.com\nBcc: eve@example.com"] {
        let output = run(&["serve"], &[("MAIL_FROM", sender), ("DATA_DIR", fresh_dir("data").to_str().unwrap())]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains("MAIL_FROM"), "{sender:?}: {error}");
    }
}

#[tokio::test]
async fn a_resent_confirmation_describes_the_registration_and_not_the_resend() {
    const PHONE: &str = "Mozilla/5.0 (iPhone) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1";
    let app = TestApp::start().await;
    let victim = register(&app, "victim", &[("User-Agent", "curl/8.5.0")]).await;
    app.mailbox.exactly(&victim.email, 1).await;
    let registered_at = app.clock.now().format("um %H:%M UTC").to_string();
    app.clock.advance(Span::minutes(7));
    let asked_at = app.clock.now().to_rfc3339();
    let again = victim.request("POST", "/resend").json(&json!({ "email": victim.email }));
    again.header("User-Agent", PHONE).header("Accept-Language", "de").send().await.expect(202);
    let mails = app.mailbox.exactly(&victim.email, 2).await;
    for part in [&mails[0].text, &mails[0].html] {
        assert!(part.contains("Registriert am") && part.contains(&registered_at) && part.contains("curl"), "{part}");
        assert!(!part.contains("iPhone"), "{part}");
    }
    let statement = format!("select count(*) from outbox where queued_at >= '{asked_at}' and due_at = queued_at");
    assert_eq!(app.database.number(&statement).await, 1, "a mail is due as soon as it is queued");
}

#[tokio::test]
async fn a_confirmation_of_an_imported_account_names_no_client() {
    let app = TestApp::start().await;
    let ada = register(&app, "ada", &[]).await;
    app.mailbox.mail_to(&ada.email).await;
    // An imported account has no registration event.
    app.database.rows("delete from account_events").await;
    ada.post_json("/resend", &json!({ "email": ada.email })).await.expect(202);
    let mail = app.mailbox.mails_to(&ada.email, 2).await.swap_remove(0);
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("Signed up on") && part.contains("UTC."), "{part}");
        assert!(!part.contains("from 127.0.0.1") && !part.contains("unnamed program"), "{part}");
    }
    ada.open(&mail.path()).await.expect(200);
}
