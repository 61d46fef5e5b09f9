//! The pages on a phone, by day and by night. Not `/docs/`: Swagger UI comes without a viewport, for those who develop.

use serde_json::{Value, json};

use super::{letter_page, open};
use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::life::{NOTICE, RESET};

const WIDTH: u32 = 360;

/// Finds what is wrong with a page or a letter; see there.
const AUDIT: &str = include_str!("audit.js");

/// Demands that nothing is wrong with what the browser shows.
async fn assert_fit(browser: &Browser, width: Option<u32>, scheme: &str, page: &str) {
    let faults = browser.script(AUDIT, json!([width, scheme])).await;
    assert_eq!(faults, Value::Array(Vec::new()), "{page}, {scheme}: {faults:#}");
}

/// Somebody whose address no phone shows in one line.
const NAME: &str = "ada.augusta.king.countess.of.lovelace.who.wrote.the.first.one";

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn pages_and_letters_fit_a_phone_by_day_and_by_night() {
    let app = TestApp::start().await;
    let visitor = app.visitor().reached_at(&format!("{NAME}@example.com"));
    visitor.register_as(json!({ "email": visitor.email, "password": visitor.password })).await.expect(202);
    let confirm = app.mailbox.letter_to(&visitor.email).await.path();
    let bob = app.member("bob").await;
    let reset = app.reset_link(&bob).await.path();
    let (change, undo) = app.email_change(&bob, &format!("{NAME}@example.org")).await;
    let letter = letter_page(&app, RESET).await;
    let notice = letter_page(&app, NOTICE).await;
    let paths =
        [&confirm, &reset, &change, &undo, &letter, &notice, "/dev/mailbox", "/problems/unconfirmed", "/confirm/x"];

    let browser = Browser::start().await;
    for scheme in ["light", "dark"] {
        browser.become_phone(WIDTH, scheme).await;
        for path in paths {
            open(&browser, &app, path).await;
            assert_fit(&browser, Some(WIDTH), scheme, path).await;
            if path.starts_with("/dev/mailbox/") {
                browser.enter_frame("iframe").await;
                assert_fit(&browser, None, scheme, &format!("the letter of {path}")).await;
            }
        }
    }
    open(&browser, &app, &reset).await;
    browser.type_into("input[type=password]", "short").await;
    browser.click("button").await;
    browser.expect("[role=alert]", "does not do").await;
    assert_fit(&browser, Some(WIDTH), "dark", "the form with a complaint").await;
    open(&browser, &app, &confirm).await;
    browser.click("button").await;
    browser.expect("h1", "Address confirmed").await;
    assert_fit(&browser, Some(WIDTH), "dark", "the page of a link that was spent").await;
}
