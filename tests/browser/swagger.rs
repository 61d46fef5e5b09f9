//! Swagger UI under `/docs/`: the walk-through of the README.

use super::open;
use crate::support::TestApp;
use crate::support::browser::{Browser, MARK_ALL};
use crate::support::proxies::free_address;

/// Opens an operation, replaces the example body if one is given, executes it, and waits for the status.
async fn execute(browser: &Browser, operation: &str, body: Option<&str>, status: &str) {
    let block = format!("#operations-{operation}");
    if browser.count(&format!("{block}.is-open")).await == 0 {
        browser.click(&format!("{block} .opblock-summary-control")).await;
    }
    if let Some(body) = body {
        browser.type_into(&format!("{block} textarea"), &format!("{MARK_ALL}{body}")).await;
    }
    browser.click(&format!("{block} .execute")).await;
    browser.expect(&format!("{block} .live-responses-table tbody .response-col_status"), status).await;
}

/// Registers, confirms with the page in the mailbox, and sees the guard before and after.
async fn walk_through(app: &TestApp, browser: &Browser, base_path: &str) {
    open(browser, app, &format!("{base_path}/docs/")).await;
    execute(browser, "account-register_account", None, "202").await;
    execute(browser, "session-create_session", None, "200").await;
    execute(browser, "session-list_sessions", None, "403").await;
    browser.expect("#operations-session-list_sessions .live-responses-table", "\"unconfirmed\"").await;

    app.mailbox.mail_to("ada@example.com").await;
    open(browser, app, &format!("{base_path}/dev/mailbox")).await;
    browser.click("table a").await;
    browser.click("main li a").await;
    browser.expect("h1", "Confirm your email address").await;
    browser.click("form button").await;
    browser.expect("h1", "Email address confirmed").await;

    open(browser, app, &format!("{base_path}/docs/")).await;
    execute(browser, "session-list_sessions", None, "200").await;
    browser.expect("#operations-session-list_sessions .live-responses-table", "\"current\": true").await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn the_walk_through_works_with_try_it_out() {
    walk_through(&TestApp::start().await, &Browser::start().await, "").await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn the_walk_through_stays_under_the_base_path() {
    let address = free_address();
    let public_url = format!("http://{address}/auth");
    let app = TestApp::with_flags(&["--listen", &address, "--public-url", &public_url]).await;
    let browser = Browser::start().await;
    browser.requested().await;
    walk_through(&app, &browser, "/auth").await;
    let requested = browser.requested().await;
    assert!(requested.contains(&format!("{public_url}/style.css")), "{requested:?}");
    assert!(requested.iter().all(|url| url.starts_with(&format!("{public_url}/"))), "{requested:?}");
    let complaints = browser.complaints().await;
    assert!(
        !complaints.iter().any(|complaint| complaint.contains("404") || complaint.contains("Refused")),
        "{complaints:?}"
    );
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_typed_body_is_sent() {
    let app = TestApp::start().await;
    let browser = Browser::start().await;
    let ada = app.member("ada").await;
    open(&browser, &app, "/docs/").await;
    let login = |password: &str| format!(r#"{{"email": "{}", "password": "{password}"}}"#, ada.email);
    execute(&browser, "session-create_session", Some(&login("wrong")), "401").await;
    execute(&browser, "session-create_session", Some(&login(&ada.password)), "200").await;
    execute(&browser, "session-list_sessions", None, "200").await;
}
