//! The development mailbox: pleasant in development, and nowhere else.

use serde_json::json;
use vestibule::config::{DevMailbox, Secret};

use super::{app_with, promised};
use crate::support::binary::run;
use crate::support::database::fresh_dir;
use crate::support::smtp::SmtpCatcher;
use crate::support::{TestApp, settings};

#[tokio::test]
async fn letters_can_be_read_over_json_with_their_links() {
    let app = TestApp::start().await;
    let (ada, bob) = (promised(&app, "ada").await, promised(&app, "bob").await);
    app.mailbox.letter_to(&ada.email).await;
    app.mailbox.letter_to(&bob.email).await;
    let list = app.visitor().get("/dev/mailbox").await.expect(200).json();
    let mails = list["mails"].as_array().unwrap();
    assert_eq!(mails.len(), 2);
    assert!(mails[0]["id"].as_str() > mails[1]["id"].as_str(), "the newest first");
    let mail = mails.iter().find(|mail| mail["to"] == json!(ada.email)).unwrap();
    let one = app.visitor().get(&format!("/dev/mailbox/{}", mail["id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(&one, mail);
    let link = mail["links"][0].as_str().unwrap();
    assert!(link.contains("/confirm/") && mail["text"].as_str().unwrap().contains(link));
    assert!(mail["html"].as_str().unwrap().contains(link));
    for unknown in ["019aa8f2-0000-7000-8000-000000000001", "..%2f..%2fsecret.key", "x"] {
        app.visitor().get(&format!("/dev/mailbox/{unknown}")).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_browser_sees_a_list_and_letters_that_can_do_nothing() {
    let app = TestApp::start().await;
    let empty = app.visitor().request("GET", "/dev/mailbox").from_browser().send().await.expect(200);
    assert!(empty.text().contains("No letters yet"));
    let ada = promised(&app, "ada").await;
    app.mailbox.letter_to(&ada.email).await;
    let id = app.visitor().get("/dev/mailbox").await.json()["mails"][0]["id"].as_str().unwrap().to_owned();
    let list = app.visitor().request("GET", "/dev/mailbox").from_browser().send().await.expect(200);
    assert_eq!(list.content_type(), Some("text/html"));
    assert!(list.text().contains(&format!("/dev/mailbox/{id}")) && list.text().contains(&ada.email));
    let page = app.visitor().request("GET", &format!("/dev/mailbox/{id}")).from_browser().send().await.expect(200);
    let text = page.text();
    assert!(text.contains("<iframe") && text.contains(" sandbox srcdoc=\"") && !text.contains("allow-scripts"));
    assert!(text.contains("Message-ID: ") && text.contains(&id) && text.contains("Auto-Submitted"), "the source");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
}

#[tokio::test]
async fn a_stranger_cannot_put_markup_into_the_pages() {
    let app = TestApp::start().await;
    let ada = crate::support::Actor::new(&app, "ada");
    let body = json!({ "email": ada.email, "password": ada.password });
    let agent = "\"><script>alert(1)</script>";
    ada.request("POST", "/register").json(&body).header("User-Agent", agent).send().await.expect(202);
    app.mailbox.letter_to(&ada.email).await;
    let id = app.visitor().get("/dev/mailbox").await.json()["mails"][0]["id"].as_str().unwrap().to_owned();
    let page = app.visitor().request("GET", &format!("/dev/mailbox/{id}")).from_browser().send().await.expect(200);
    assert!(!page.text().contains("<script"), "{}", page.text());
}

#[tokio::test]
async fn the_mailbox_can_be_emptied_and_fills_again() {
    let app = TestApp::start().await;
    app.mailbox.letter_to(&promised(&app, "ada").await.email).await;
    app.visitor().delete("/dev/mailbox").await.expect(204);
    assert!(app.mailbox.is_empty().await);
    app.visitor().delete("/dev/mailbox").await.expect(204);
    app.mailbox.letter_to(&promised(&app, "bob").await.email).await;
    assert_eq!(app.mailbox.letters().await.len(), 1);
}

#[tokio::test]
async fn there_is_no_mailbox_once_letters_are_sent() {
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    promised(&app, "ada").await;
    smtp.wait_for(1).await;
    for path in ["/dev/mailbox", "/dev/mailbox/019aa8f2-0000-7000-8000-000000000001"] {
        app.visitor().get(path).await.expect_problem(404, "not_found");
    }
    app.visitor().delete("/dev/mailbox").await.expect_problem(404, "not_found");
    assert!(!app.data_dir.join("mails").exists());
}

#[tokio::test]
async fn the_mailbox_can_be_forced_on() {
    let smtp = SmtpCatcher::start().await;
    let app = TestApp::with(|settings| {
        settings.smtp_url = Some(Secret::from(smtp.url.clone()));
        settings.dev_mailbox = DevMailbox::On;
    })
    .await;
    app.mailbox.letter_to(&promised(&app, "ada").await.email).await;
    assert!(smtp.letters().is_empty() && smtp.connections().total == 0);
}

#[test]
fn without_a_way_for_letters_the_service_does_not_start() {
    for (variables, said) in [
        (vec![("LISTEN", "0.0.0.0:0")], "SMTP_URL: required when LISTEN is not loopback"),
        (vec![("DEV_MAILBOX", "off"), ("LISTEN", "127.0.0.1:0")], "SMTP_URL: required with DEV_MAILBOX=off"),
        (vec![("SMTP_URL", "http://mail.example.com"), ("LISTEN", "127.0.0.1:0")], "SMTP_URL"),
        (vec![("SMTP_URL", "smtp://mail.example.com?tls=perhaps"), ("LISTEN", "127.0.0.1:0")], "SMTP_URL"),
    ] {
        let dir = fresh_dir("refused");
        let mut variables = variables;
        variables.extend([("DATA_DIR", dir.to_str().unwrap()), ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")]);
        let output = run(&["serve"], &variables);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(said), "{said}: {error}");
    }
}

#[test]
fn forced_on_it_is_there_beyond_loopback_too() {
    let dir = fresh_dir("beyond");
    let mut settings = settings(&dir);
    settings.dev_mailbox = DevMailbox::On;
    let config = vestibule::config::Config::new(&settings, "0.0.0.0:8080".parse().unwrap());
    assert!(matches!(config.unwrap().mail_transport, vestibule::config::MailTransport::Mailbox(_)));
}
