//! The pages on a phone, in light and dark mode. The inside of `/docs/` is Swagger UI, so only its width is checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{mail_page, open};
use crate::support::account::CHANGE_NOTICE;
use crate::support::browser::Browser;
use crate::support::{TestApp, password_of};

const WIDTH: u32 = 360;

/// Returns what is wrong with a page or a mail on a phone.
const AUDIT: &str = include_str!("audit.js");

/// Asserts that nothing is wrong with the page that the browser shows.
async fn assert_fit(browser: &Browser, width: Option<u32>, scheme: &str, page: &str) {
    let faults = browser.script(AUDIT, json!([width, scheme])).await;
    assert_eq!(faults, Value::Array(Vec::new()), "{page}, {scheme}: {faults:#}");
}

/// The local part of an address that is too long for one line on a phone.
const NAME: &str = "ada.augusta.king.countess.of.lovelace.who.wrote.the.first.one";

/// Registers this address with a client that prefers this language.
async fn register(app: &TestApp, email: &str, language: &str) {
    let fields = json!({ "email": email, "password": password_of("ada") });
    let request = app.visitor().request("POST", "/register").header("Accept-Language", language);
    request.json(&fields).send().await.expect(202);
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn pages_fit_a_phone_in_light_and_dark_mode() {
    let app = TestApp::start().await;
    let email = format!("{NAME}@example.com");
    register(&app, &email, "en").await;
    let confirm = app.mailbox.mail_to(&email).await.path();
    let bob = app.member("bob").await;
    let reset = app.reset_link(&bob).await.path();
    let (change, undo) = app.email_change(&bob, &format!("{NAME}@example.org")).await;
    let mail = mail_page(&app, CHANGE_NOTICE).await;
    let paths = [&confirm, &reset, &change, &undo, &mail, "/dev/mailbox", "/problems/unconfirmed", "/confirm/x"];

    let browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.become_phone(WIDTH, scheme).await;
        for path in paths {
            open(&browser, &app, path).await;
            assert_fit(&browser, Some(WIDTH), scheme, path).await;
        }
    }
    open(&browser, &app, &reset).await;
    browser.type_into("input[type=password]", "short").await;
    browser.click("button").await;
    browser.expect("[role=alert]", "was not set").await;
    assert_fit(&browser, Some(WIDTH), "dark", "the form with an error").await;
    open(&browser, &app, &confirm).await;
    browser.type_into("#password", "wrong").await;
    browser.click("button").await;
    browser.expect("[role=alert]", "This password is wrong").await;
    assert_fit(&browser, Some(WIDTH), "dark", "the form after a wrong password").await;
    browser.type_into("#password", &password_of("ada")).await;
    browser.click("button").await;
    browser.expect("h1", "Email address confirmed").await;
    assert_fit(&browser, Some(WIDTH), "dark", "the page of a used link").await;
    open(&browser, &app, "/docs/").await;
    assert_eq!(browser.script("return document.documentElement.clientWidth", json!([])).await, WIDTH);
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn mails_fit_a_phone_in_light_and_dark_mode_and_in_the_mailbox() {
    let app = TestApp::start().await;
    for language in ["en", "de"] {
        register(&app, &format!("{NAME}@{language}.example.com"), language).await;
    }
    let bob = app.member("bob").await;
    app.reset_link(&bob).await;
    app.email_change(&bob, &format!("{NAME}@example.org")).await;
    let mails = app.mailbox.mails().await;
    assert_eq!(mails.len(), 6);
    let in_mailbox = mail_page(&app, CHANGE_NOTICE).await;

    let browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.become_phone(WIDTH, scheme).await;
        for mail in &mails {
            browser.open(&format!("data:text/html;base64,{}", STANDARD.encode(&mail.html))).await;
            assert_fit(&browser, Some(WIDTH), scheme, &mail.subject).await;
        }
        open(&browser, &app, &in_mailbox).await;
        browser.enter_frame("iframe").await;
        assert_fit(&browser, None, scheme, "the mail in the mailbox").await;
    }
}
