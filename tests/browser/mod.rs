//! The pages in a real browser, as people use them: with a mouse, with only a keyboard, on a phone, without scripts.
//!
//! `cargo test --test main browser:: -- --ignored --test-threads=1`; `CHROMIUM` and `CHROMEDRIVER` name the programs if
//! they are not on the `PATH`.

mod links;
mod phone;
mod policies;
mod reset;
mod spa;
mod swagger;

use crate::support::TestApp;
use crate::support::browser::Browser;

/// The path of the page of the newest mail whose subject contains this.
async fn mail_page(app: &TestApp, subject: &str) -> String {
    app.mailbox.wait_until_idle().await;
    let list = app.visitor().get("/dev/mailbox").await.expect(200).json();
    let mut mails = list["mails"].as_array().unwrap().iter();
    let mail = mails.find(|mail| mail["subject"].as_str().unwrap().contains(subject)).unwrap();
    format!("/dev/mailbox/{}", mail["id"].as_str().unwrap())
}

/// Opens a page of the service.
async fn open(browser: &Browser, app: &TestApp, path: &str) {
    browser.open(&format!("{}{path}", app.http.base)).await;
}
