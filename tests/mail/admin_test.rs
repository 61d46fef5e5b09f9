//! `vestibule mail test`: explains to an admin what is wrong with the mail settings.

use crate::support::binary::run;
use crate::support::database::fresh_dir;
use crate::support::smtp::{Absent, Behaviour, Encryption, Moment, SmtpCatcher};

/// Sends a test mail through this server. Returns whether it was sent, and the output.
async fn test_mail(url: Option<String>) -> (bool, String) {
    let dir = fresh_dir("test-mail");
    let output = tokio::task::spawn_blocking(move || {
        let mut variables = vec![("DATA_DIR", dir.to_str().unwrap())];
        variables.extend(url.as_deref().map(|url| ("SMTP_URL", url)));
        run(&["mail", "test", "ada@example.com", "--language", "de"], &variables)
    });
    let output = output.await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("s3cret"), "the output has the password: {said}");
    (output.status.success(), said)
}

#[track_caller]
fn assert_explained((sent, said): (bool, String), explanation: &str) {
    assert!(!sent && said.contains(explanation), "expected {explanation:?}: {said}");
}

#[tokio::test]
async fn a_sent_test_mail_shows_the_reply_of_the_server() {
    let smtp = SmtpCatcher::start().await;
    let (sent, said) = test_mail(Some(smtp.url.clone())).await;
    assert!(sent && said.contains("the mail server took the mail") && said.contains("250 taken"), "{said}");
    assert_eq!(smtp.wait_for(1).await[0].header("Subject"), "Test-E-Mail von Vestibule");
    let dir = fresh_dir("test-mail");
    let variables = [("DATA_DIR", dir.to_str().unwrap()), ("SMTP_URL", &smtp.url), ("DEV_MAILBOX", "on")];
    let said = run(&["mail", "test", "ada@example.com"], &variables).stdout;
    assert!(String::from_utf8(said).unwrap().starts_with("DEV_MAILBOX is on"));
    let (sent, said) = test_mail(None).await;
    assert!(sent && said.contains("SMTP_URL is not set"), "{said}");
}

#[tokio::test]
async fn an_unreachable_server_is_explained() {
    let absent = Absent::new();
    assert_explained(test_mail(Some(absent.url.clone())).await, "Nothing listens at that host and port");
    let nowhere = "smtp://no-such-host.invalid:25".to_owned();
    assert_explained(test_mail(Some(nowhere)).await, "host name in SMTP_URL is not known");
    let silent = SmtpCatcher::start().await;
    silent.always(Moment::Greeting, Behaviour::Silence);
    assert_explained(test_mail(Some(silent.url.clone())).await, "does not reply");
}

#[tokio::test]
async fn failed_encryption_is_explained() {
    let (plain, untrusted) = (SmtpCatcher::start().await, SmtpCatcher::encrypted(Encryption::Implicit).await);
    assert_explained(test_mail(Some(untrusted.url.clone())).await, "certificate cannot be trusted");
    let required = format!("{}?tls=required", plain.url);
    assert_explained(test_mail(Some(required)).await, "offers no encryption on this port");
    let implicit = plain.url.replace("smtp://", "smtps://");
    assert_explained(test_mail(Some(implicit)).await, "does not use TLS on this port");
    assert!(plain.mails().is_empty() && untrusted.mails().is_empty());
}

#[tokio::test]
async fn a_refusal_is_explained() {
    for (moment, reply, explanation) in [
        (Moment::Auth, "535 5.7.8 Error: authentication failed", "refuses the user name or password"),
        (Moment::Mail, "530 5.7.0 Authentication required", "requires a login"),
        (Moment::Mail, "553 5.7.1 Sender address rejected: not owned by user", "refuses the sender"),
        (Moment::Mail, "550 5.7.60 client does not have permissions to send as this sender", "refuses the sender"),
        (Moment::Rcpt, "554 5.7.1 <ada@example.com>: Relay access denied", "does not relay mail for this machine"),
        (Moment::Rcpt, "450 4.2.0 Greylisted, try again in 300 seconds", "asks to try again later"),
        (Moment::Rcpt, "550 5.1.1 User unknown in virtual mailbox table", "does not know the recipient"),
    ] {
        let smtp = SmtpCatcher::start().await;
        smtp.always(moment, Behaviour::Reply(reply.to_owned()));
        let url = smtp.url.replace("smtp://", "smtp://robot:s3cret@");
        let (sent, said) = test_mail(Some(url)).await;
        assert!(said.contains(&reply[4..]), "the reply of the server is missing: {said}");
        assert_explained((sent, said), explanation);
    }
}
