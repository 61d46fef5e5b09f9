//! Every mail, whole, as it goes over the wire: a change of text, headers or encoding is seen here.
//!
//! `UPDATE_GOLDEN=1 cargo test --test main golden` writes `tests/golden/*.eml` anew.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use strum::VariantArray as _;
use uuid::Uuid;
use vestibule::config::{Config, MailTransport};
use vestibule::mail::{Delivery, MailKind, MailTemplates, TemplateVariables};

use crate::support::TestApp;
use crate::support::database::fresh_dir;

const ID: &str = "019aa8f2-0000-7000-8000-000000000001";

fn at() -> DateTime<Utc> {
    "2026-11-21T19:40:00Z".parse().unwrap()
}

fn has_link(kind: MailKind) -> bool {
    use MailKind::{ChangeEmail, ConfirmEmail, EmailChangeNotice, ResetPassword};
    matches!(kind, ConfirmEmail | ResetPassword | ChangeEmail | EmailChangeNotice)
}

fn variables(language: &str, kind: MailKind) -> TemplateVariables {
    let (when, lifetime) = match language {
        "de" => ("21. November 2026 um 19:40 UTC", "24 Stunden"),
        _ => ("21 November 2026 at 19:40 UTC", "24 hours"),
    };
    let link = format!("https://auth.example.com/confirm/{}", "AbCdEf0123-_".repeat(12));
    let has_link = has_link(kind);
    let code_lifetime = if language == "de" { "15 Minuten" } else { "15 minutes" };
    TemplateVariables {
        email: "ada.lovelace@example.com".into(),
        link: if has_link { link } else { String::new() },
        lifetime: if has_link { lifetime.into() } else { String::new() },
        code_lifetime: code_lifetime.into(),
        when: when.into(),
        device: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
        ..TemplateVariables::sample()
    }
}

/// The source of a mail, as delivery writes it; only the boundary, which is random, is replaced.
async fn source(app: &TestApp, sender: &str, kind: MailKind, language: &str, variables: &TemplateVariables) -> String {
    let dir = fresh_dir("golden");
    let mail_transport = MailTransport::Mailbox(dir.clone());
    let config = Config { mail_from: sender.parse().unwrap(), mail_transport, ..app.inside.config.clone() };
    let mail = MailTemplates::built_in().render(kind, language, variables).unwrap();
    let id: Uuid = ID.parse().unwrap();
    Delivery::new(&config).unwrap().send(id, &variables.email, &mail, at()).await.unwrap();
    let source = std::fs::read_to_string(dir.join(format!("{ID}.eml"))).unwrap();
    std::fs::remove_dir_all(dir).unwrap();
    let boundary = source.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    source.replace(&boundary, "BOUNDARY")
}

const SENDER: &str = "Vestibül <no-reply@auth.example.com>";

fn golden(kind: MailKind, language: &str) -> PathBuf {
    let file = format!("tests/golden/{}.{language}.eml", kind.name());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[tokio::test]
async fn every_mail_reads_as_its_golden_copy() {
    let app = TestApp::start().await;
    for kind in MailKind::VARIANTS.iter().copied() {
        for language in ["en", "de"] {
            let (source, file) =
                (source(&app, SENDER, kind, language, &variables(language, kind)).await, golden(kind, language));
            // Kept with the line ends of a text file, so that a difference can be read.
            let kept = source.replace("\r\n", "\n");
            assert_eq!(kept.replace('\n', "\r\n"), source, "lines end with CRLF, and only there");
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&file, &kept).unwrap();
            }
            let golden = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(kept, golden, "{} differs; UPDATE_GOLDEN=1 writes it anew", file.display());
        }
    }
}

/// The rules for every mail, on the source as a mail program reads it.
#[track_caller]
fn assert_well_formed(source: &str, domain: &str, links: usize) {
    let message = mail_parser::MessageParser::default().parse(source).unwrap();
    let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
    assert!(source.is_ascii(), "headers and bodies are encoded");
    assert!(source.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "no long line");
    assert_eq!(message.message_id().unwrap(), format!("{ID}@{domain}"));
    assert_eq!(message.date().unwrap().to_timestamp(), at().timestamp());
    assert_eq!(message.header_raw("Auto-Submitted").unwrap().trim(), "auto-generated");
    assert_eq!(message.to().unwrap().iter().count(), 1);
    assert!(message.cc().is_none() && message.bcc().is_none());
    for header in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"] {
        assert_eq!(message.headers_raw().filter(|(name, _)| name.eq_ignore_ascii_case(header)).count(), 1, "{header}");
    }
    let count = |part: &str| part.matches("http://").count() + part.matches("https://").count();
    assert_eq!((count(&text), count(&html)), (links, links), "{text}\n{html}");
    for remote in ["<img", "src=\"", "url(", "@import", "<link", "<script"] {
        assert!(!html.contains(remote), "{remote} in {html}");
    }
    assert!(!text.contains('<') || links == 0 || !text.contains("<html"), "{text}");
}

#[tokio::test]
async fn every_mail_has_what_mail_programs_look_for() {
    let app = TestApp::start().await;
    for kind in MailKind::VARIANTS.iter().copied() {
        for language in ["en", "de"] {
            let links = usize::from(has_link(kind));
            let source = source(&app, SENDER, kind, language, &variables(language, kind)).await;
            assert_well_formed(&source, "auth.example.com", links);
        }
    }
}

#[tokio::test]
async fn text_from_strangers_stays_text() {
    let app = TestApp::start().await;
    let hostile = "<img src=x onerror=alert(1)>\"'&{{ link }}\r\nBcc: eve@example.com\r\n\r\n.\r\n";
    for language in ["en", "de"] {
        let usual = variables(language, MailKind::ConfirmEmail);
        let variables = TemplateVariables {
            device: hostile.repeat(60),
            service: format!("bücher\r\nBcc: eve@x.org {}", "ü".repeat(400)),
            ..usual
        };
        let source = source(&app, SENDER, MailKind::ConfirmEmail, language, &variables).await;
        assert_well_formed(&source, "auth.example.com", 1);
        let head = source.split("\r\n\r\n").next().unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        let message = mail_parser::MessageParser::default().parse(&source).unwrap();
        assert!(message.body_html(0).unwrap().contains("&lt;img src=x"));
        assert!(message.subject().unwrap().contains("bücher Bcc: eve@x.org üü"));
    }
}

#[tokio::test]
async fn senders_and_recipients_beyond_ascii_are_encoded() {
    let app = TestApp::start().await;
    for (sender, domain) in [("no-reply@bücher.example", "xn--bcher-kva.example"), (SENDER, "auth.example.com")] {
        let variables =
            TemplateVariables { email: "ada@bücher.example".into(), ..variables("en", MailKind::ConfirmEmail) };
        let source = source(&app, sender, MailKind::ConfirmEmail, "en", &variables).await;
        assert_well_formed(&source, domain, 1);
        assert!(source.contains("ada@xn--bcher-kva.example"), "{source}");
    }
}
