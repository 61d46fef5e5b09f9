//! The pages in a real browser, as people use them: with the mouse, with the keyboard alone, on a phone, without scripts.
//!
//! `cargo test --test main browser:: -- --ignored --test-threads=1`; `CHROMIUM` and `CHROMEDRIVER` name the programs where
//! they are not found by themselves.

mod links;
mod phone;
mod policies;
mod reset;
mod swagger;

use crate::support::TestApp;
use crate::support::browser::Browser;

/// The path of the page that shows the newest mail with this in its subject.
async fn mail_page(app: &TestApp, subject: &str) -> String {
    app.mailbox.settled().await;
    let list = app.visitor().get("/dev/mailbox").await.expect(200).json();
    let mut mails = list["mails"].as_array().unwrap().iter();
    let mail = mails.find(|mail| mail["subject"].as_str().unwrap().contains(subject)).unwrap();
    format!("/dev/mailbox/{}", mail["id"].as_str().unwrap())
}

/// Opens a page of the service.
async fn open(browser: &Browser, app: &TestApp, path: &str) {
    browser.open(&format!("{}{path}", app.http.base)).await;
}
