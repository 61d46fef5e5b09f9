//! Every page works under its content security policy: only a browser shows that a policy is too strict.

use super::{mail_page, open};
use crate::support::TestApp;
use crate::support::account::RESET;
use crate::support::browser::Browser;

/// Asserts that the page logged nothing on the console and sent no request to another host.
async fn assert_clean(browser: &Browser, app: &TestApp, page: &str) {
    let requested = browser.requested().await;
    assert!(!requested.is_empty(), "{page}: no requests were logged");
    let own = format!("{}/", app.http.base);
    assert!(requested.iter().all(|url| url.starts_with(&own)), "{page}: {requested:#?}");
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{page}: {complaints:#?}");
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn every_page_works_under_its_policy_and_asks_no_other_host() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let confirm = app.mailbox.mail_to(&ada.email).await.path();
    let bob = app.member("bob").await;
    let reset = app.reset_link(&bob).await.path();
    let mail = mail_page(&app, RESET).await;
    let pages = [
        ("/docs/", ".opblock"),
        (&confirm, "form button"),
        (&reset, "form input[type=password]"),
        ("/dev/mailbox", "main.wide table a"),
        (&mail, "main.wide iframe"),
        ("/problems/unconfirmed", "main dl code"),
    ];
    let browser = Browser::start().await;
    for (path, expected) in pages {
        open(&browser, &app, path).await;
        browser.text(expected).await;
        // Time for what a page does after it is loaded.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_clean(&browser, &app, path).await;
    }
    open(&browser, &app, &confirm).await;
    browser.type_into("#password", &ada.password).await;
    browser.click("form button").await;
    browser.expect("h1", "Email address confirmed").await;
    assert_clean(&browser, &app, "the page of a used link").await;
}
