//! Every page works under its policy: one that is too strict shows in a browser alone.

use super::{mail_page, open};
use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::life::RESET;

/// Demands that the page said nothing on the console and asked nobody but the service.
async fn assert_at_peace(browser: &Browser, app: &TestApp, page: &str) {
    let requested = browser.requested().await;
    assert!(!requested.is_empty(), "{page}: the log is silent");
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
        // What a page does once it is loaded.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_at_peace(&browser, &app, path).await;
    }
    open(&browser, &app, &confirm).await;
    browser.click("form button").await;
    browser.expect("h1", "Email address confirmed").await;
    assert_at_peace(&browser, &app, "the page of a link that was spent").await;
}
