//! `/dev/mailbox`: the mails of a service without a mail server. It exists in development only.

use crate::support::smtp::SmtpCatcher;
use crate::support::{Actor, TestApp, raw};

const UNKNOWN: &str = "/dev/mailbox/0198c0de-0000-7000-8000-000000000000";

async fn ids(visitor: &Actor) -> Vec<String> {
    let mails = visitor.get("/dev/mailbox").await.expect(200).json();
    mails["mails"].as_array().unwrap().iter().map(|mail| mail["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_mails_are_listed_newest_first_and_shown_one_by_one() {
    let app = TestApp::start().await;
    for name in ["ada", "bob"] {
        let actor = app.unconfirmed(name).await;
        app.mailbox.mail_to(&actor.email).await;
    }
    let list = app.visitor().get("/dev/mailbox").await.json();
    assert_eq!(
        (&list["mails"][0]["to"], &list["mails"][1]["to"]),
        (&"bob@example.com".into(), &"ada@example.com".into())
    );
    let id = list["mails"][1]["id"].as_str().unwrap();
    let mail = app.visitor().get(&format!("/dev/mailbox/{id}")).await.expect(200).json();
    assert_eq!(mail, list["mails"][1]);
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains(mail["links"][0].as_str().unwrap()), "both parts have the link");
}

#[tokio::test]
async fn the_mailbox_can_be_emptied() {
    let app = TestApp::start().await;
    app.visitor().delete("/dev/mailbox").await.expect(204);
    let ada = app.unconfirmed("ada").await;
    app.mailbox.mail_to(&ada.email).await;
    let id = ids(&app.visitor()).await.remove(0);
    app.visitor().delete("/dev/mailbox").await.expect(204);
    assert!(ids(&app.visitor()).await.is_empty());
    app.visitor().get(&format!("/dev/mailbox/{id}")).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn an_unknown_mail_is_not_found() {
    let app = TestApp::start().await;
    for path in [UNKNOWN, "/dev/mailbox/nonsense", "/dev/mailbox/..%2fsecret"] {
        app.visitor().get(path).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_browser_gets_pages_without_scripts() {
    let app = TestApp::start().await;
    let page = app.visitor().request("GET", "/dev/mailbox").by_browser().send().await.expect(200);
    assert_eq!(page.content_type(), Some("text/html"));
    let visitor = app.visitor();
    let fields = serde_json::json!({ "email": visitor.email, "password": visitor.password });
    let request = visitor.request("POST", "/register").json(&fields).header("User-Agent", "<script>alert(1)</script>");
    request.send().await.expect(202);
    app.mailbox.mail_to(&visitor.email).await;
    let id = ids(&visitor).await.remove(0);
    for path in ["/dev/mailbox".to_owned(), format!("/dev/mailbox/{id}")] {
        let page = visitor.request("GET", &path).by_browser().send().await.expect(200);
        assert_eq!(page.content_type(), Some("text/html"));
        assert!(page.text().contains(&visitor.email) && !page.text().contains("<script"), "{}", page.text());
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    }
    let mail = visitor.request("GET", &format!("/dev/mailbox/{id}")).by_browser().send().await.text();
    assert!(mail.contains("<iframe") && mail.contains("sandbox"), "{mail}");
    let code = app.mailbox.mail_to(&visitor.email).await.code().to_owned();
    assert!(mail.contains(&format!("<dt>Code</dt><dd>{code}</dd>")), "{mail}");
}

#[tokio::test]
async fn with_an_smtp_server_there_is_no_mailbox() {
    let smtp = SmtpCatcher::start().await;
    let url = smtp.url.clone();
    let app = TestApp::with_flags(&["--smtp-url", &url]).await;
    app.visitor().get("/dev/mailbox").await.expect_problem(404, "not_found");
    app.visitor().get(UNKNOWN).await.expect_problem(404, "not_found");
    app.visitor().delete("/dev/mailbox").await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_mailbox_can_be_forced_on() {
    let smtp = SmtpCatcher::start().await;
    let url = smtp.url.clone();
    let app = TestApp::with_flags(&["--smtp-url", &url, "--dev-mailbox", "on"]).await;
    let ada = app.unconfirmed("ada").await;
    app.mailbox.mail_to(&ada.email).await;
    assert!(smtp.mails().is_empty());
}

#[tokio::test]
async fn it_answers_only_under_the_names_of_this_machine() {
    let app = TestApp::start().await;
    for (host, is_ours) in [
        ("localhost:8080", true),
        ("127.0.0.1", true),
        ("[::1]:8080", true),
        ("evil.example", false),
        ("localhost.evil.example:8080", false),
        ("", false),
        ("a b", false),
    ] {
        let request = format!("GET /dev/mailbox HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = raw::exchange(&app, request.as_bytes()).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200 "), is_ours, "{host:?}: {answer}");
    }
}
