//! `vestibule mail`: an admin sees the status of every mail, can retry mails, and never sees a link.

use serde_json::Value;

use super::{app_with, registered, status_when};
use crate::support::binary::{Process, run};
use crate::support::database::fresh_dir;
use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{TestApp, eventually};

/// The output of a command, and whether it succeeded.
struct Said {
    out: String,
    err: String,
    is_success: bool,
}

impl Said {
    #[track_caller]
    fn expect_success(self) -> String {
        assert!(self.is_success, "{}", self.err);
        self.out
    }

    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.expect_success()).unwrap()
    }
}

/// Runs `vestibule mail`, and asserts that it shows no link.
async fn mail(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let owned = |text: &&str| (*text).to_owned();
    let arguments: Vec<String> = std::iter::once("mail".to_owned()).chain(arguments.iter().map(owned)).collect();
    let variables: Vec<(String, String)> = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let output = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        run(&arguments, &variables)
    });
    let output = output.await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!out.contains("/confirm/") && !err.contains("/confirm/"), "a link: {out}{err}");
    Said { out, err, is_success: output.status.success() }
}

fn beside(app: &TestApp) -> [(&str, &str); 2] {
    [("DATABASE_URL", app.database.url.as_str()), ("DATA_DIR", app.data_dir.to_str().unwrap())]
}

/// A service with one failed, one sent and one queued mail, and their ids in that order.
async fn three_mails(smtp: &SmtpCatcher) -> (TestApp, [String; 3]) {
    let app = app_with(smtp).await;
    smtp.once(Moment::Rcpt, Behaviour::Reply("550 5.1.1 no such user".to_owned()));
    let ada = registered(&app, "ada").await;
    let failed = status_when(&app, &ada, "fails", |status| status.state == "failed").await;
    let bob = registered(&app, "bob").await;
    let sent = status_when(&app, &bob, "is sent", |status| status.state == "sent").await;
    smtp.once(Moment::Rcpt, Behaviour::Reply("450 4.2.0 come again".to_owned()));
    let cyd = registered(&app, "cyd").await;
    let queued = status_when(&app, &cyd, "waits", |status| !status.reply.is_empty()).await;
    (app, [failed.id, sent.id, queued.id])
}

#[tokio::test]
async fn the_admin_sees_the_status_of_every_mail() {
    let smtp = SmtpCatcher::start().await;
    let (app, [failed, sent, queued]) = three_mails(&smtp).await;
    let list = mail(&["list"], &beside(&app)).await.expect_success();
    let row = |id: &str| list.lines().find(|line| line.starts_with(id)).unwrap().to_owned() + "\n";
    for (id, columns) in [
        (&failed, ["failed", "ada@example.com", "permanent error (550): 5.1.1 no such user\n"]),
        (&sent, ["sent", "bob@example.com", "250 taken\n"]),
        (&queued, ["queued", "cyd@example.com", "transient error (450): 4.2.0 come again\n"]),
    ] {
        assert!(columns.iter().all(|column| row(id).contains(column)), "{}", row(id));
    }
    assert_eq!(list.lines().count(), 4, "{list}");
    let json = mail(&["list", "--json", "--state", "failed"], &beside(&app)).await.json();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!((json[0]["id"].as_str(), json[0]["state"].as_str()), (Some(failed.as_str()), Some("failed")));
    assert_eq!(mail(&["list", "--json", "--limit", "2"], &beside(&app)).await.json().as_array().unwrap().len(), 2);
    let shown = mail(&["show", &queued], &beside(&app)).await.expect_success();
    assert!(shown.contains("state       queued") && shown.contains("tries       1"), "{shown}");
    let json = mail(&["show", &sent, "--json"], &beside(&app)).await.json();
    assert_eq!((json["attempts"].as_i64(), json["sent_at"].is_string()), (Some(1), true));
    let unknown = mail(&["show", "019aa8f2-0000-7000-8000-000000000001"], &beside(&app)).await;
    assert!(!unknown.is_success && unknown.err.contains("no mail"), "{}", unknown.err);
}

#[tokio::test]
async fn the_admin_can_retry_mails() {
    let smtp = SmtpCatcher::start().await;
    let (app, [failed, sent, queued]) = three_mails(&smtp).await;
    assert_eq!(mail(&["retry", &queued], &beside(&app)).await.expect_success(), "1 to be tried again now\n");
    smtp.wait_for(2).await;
    assert_eq!(mail(&["retry", "--failed"], &beside(&app)).await.expect_success(), "1 to be tried again now\n");
    let mails = smtp.wait_for(3).await;
    assert_eq!(mails[2].header("Message-ID"), format!("<{failed}@localhost>"), "a retry sends the same mail");
    for id in [&sent, &failed] {
        eventually("the mail is sent", async || {
            let json = mail(&["show", id, "--json"], &beside(&app)).await.json();
            (json["state"] == "sent").then_some(())
        })
        .await;
        let again = mail(&["retry", id], &beside(&app)).await;
        assert!(!again.is_success && again.err.contains("no unsent mail"), "{}", again.err);
    }
    assert_eq!(mail(&["retry", "--failed"], &beside(&app)).await.expect_success(), "0 to be tried again now\n");
    assert_eq!(smtp.mails().len(), 3);
}

#[tokio::test]
async fn mails_in_an_embedded_database_are_visible_while_the_service_runs_and_after() {
    let dir = fresh_dir("embedded");
    let variables = [("DATA_DIR", dir.to_str().unwrap())];
    let mut service = Process::start(&dir, &[]);
    let http = service.ready().await;
    let body = serde_json::json!({ "email": "ada@example.com", "password": "plum-orbit-kettle-42" });
    http.request("POST", "/register").json(&body).send().await.expect(202);
    eventually("the mail is sent", async || {
        let list = mail(&["list", "--json"], &variables).await.json();
        (list[0]["state"] == "sent").then_some(())
    })
    .await;
    assert_eq!(service.terminate().await, Some(0));
    let list = mail(&["list"], &variables).await.expect_success();
    assert!(list.contains("ada@example.com") && list.contains("sent"), "{list}");
}
