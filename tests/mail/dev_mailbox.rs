//! The development mailbox, and the settings without which a service has nowhere to send its mails.

use serde_json::json;

use super::registered;
use crate::support::TestApp;
use crate::support::binary::{Process, run};
use crate::support::database::{TestDatabase, fresh_dir};

#[tokio::test]
async fn mails_can_be_read_over_json_with_their_links() {
    let app = TestApp::start().await;
    let (ada, bob) = (registered(&app, "ada").await, registered(&app, "bob").await);
    app.mailbox.mail_to(&ada.email).await;
    app.mailbox.mail_to(&bob.email).await;
    let list = app.visitor().get("/dev/mailbox").await.expect(200).json();
    let mails = list["mails"].as_array().unwrap();
    assert_eq!(mails.len(), 2);
    assert!(mails[0]["id"].as_str() > mails[1]["id"].as_str(), "newest first");
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
async fn a_browser_sees_a_sandboxed_mail_and_its_source() {
    let app = TestApp::start().await;
    app.mailbox.mail_to(&registered(&app, "ada").await.email).await;
    let id = app.visitor().get("/dev/mailbox").await.json()["mails"][0]["id"].as_str().unwrap().to_owned();
    let page = app.visitor().request("GET", &format!("/dev/mailbox/{id}")).by_browser().send().await.expect(200);
    let text = page.text();
    let frame = text.split("<iframe").nth(1).unwrap().split("srcdoc=").next().unwrap();
    assert!(frame.contains("sandbox") && !frame.contains("allow-scripts") && !frame.contains("same-origin"), "{frame}");
    assert!(text.contains("Message-ID: ") && text.contains("Auto-Submitted: auto-generated"), "{text}");
}

#[test]
fn without_a_mail_server_or_mailbox_the_service_does_not_start() {
    for (variables, said) in [
        (
            vec![("LISTEN", "0.0.0.0:0"), ("PUBLIC_URL", "http://auth.example.com")],
            "SMTP_URL: required when LISTEN is not loopback",
        ),
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

#[tokio::test]
async fn forced_on_the_mailbox_exists_beyond_loopback_too() {
    let database = TestDatabase::migrated();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, public_url) = (format!("0.0.0.0:{port}"), format!("http://127.0.0.1:{port}"));
    let variables = [
        ("LISTEN", listen.as_str()),
        ("PUBLIC_URL", &public_url),
        ("DEV_MAILBOX", "on"),
        ("DATABASE_URL", database.url.as_str()),
    ];
    let service = Process::start(&fresh_dir("beyond"), &variables);
    let list = service.ready().await.request("GET", "/dev/mailbox").send().await.expect(200);
    assert_eq!(list.json(), json!({ "mails": [] }));
}
