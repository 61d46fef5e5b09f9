//! The pages of links that confirm an address or undo a change: one button, which needs neither scripts nor a mouse.

use super::{mail_page, open};
use crate::support::TestApp;
use crate::support::account::{CHANGE_NOTICE, OTHER_PASSWORD};
use crate::support::browser::{Browser, ENTER};

const NEW: &str = "ada@example.org";

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn without_scripts_opening_the_page_confirms_nothing_and_its_button_does() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let link = app.mailbox.mail_to(&ada.email).await.path();
    let browser = Browser::without_scripts().await;
    for _ in 0..2 {
        open(&browser, &app, &link).await;
        assert!(!ada.passes_the_guard().await);
        // The button and, because no session proves who registered, the password and the hidden name.
        assert_eq!(browser.count("button, input, a").await, 3);
        assert!(browser.text("main").await.contains(&ada.email));
    }
    browser.type_into("#password", "not-her-password").await;
    browser.click("button").await;
    browser.expect("[role=alert]", "This password is wrong").await;
    browser.type_into("#password", &ada.password).await;
    browser.click("button").await;
    browser.expect("h1", "Email address confirmed").await;
    assert!(browser.text("main").await.contains(&ada.email));
    assert_eq!(browser.count("button").await, 0);
    assert!(ada.passes_the_guard().await);
    open(&browser, &app, &link).await;
    browser.expect("h1", "Email address confirmed").await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn the_keyboard_alone_confirms() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let browser = Browser::without_scripts().await;
    open(&browser, &app, &app.mailbox.mail_to(&ada.email).await.path()).await;
    assert!(browser.has_focus("#password").await);
    browser.press(&ada.password).await;
    browser.tab_to("button").await;
    browser.press(ENTER).await;
    browser.expect("h1", "Email address confirmed").await;
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_change_of_address_is_confirmed_and_undone() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, NEW).await;
    let browser = Browser::without_scripts().await;
    open(&browser, &app, &link).await;
    assert!(browser.text("main").await.contains(NEW));
    assert!(!ada.reached_at(NEW).can_sign_in().await);
    browser.type_into("#password", &ada.password).await;
    browser.click("button").await;
    browser.expect("h1", "Email address confirmed").await;
    assert!(ada.reached_at(NEW).can_sign_in().await && !ada.can_sign_in().await);

    // The button in the mail opens a new tab.
    open(&browser, &app, &mail_page(&app, CHANGE_NOTICE).await).await;
    browser.enter_frame("iframe").await;
    browser.click("a.button").await;
    browser.enter_other_tab().await;
    browser.expect("h1", "Undo the email change").await;
    assert!(browser.text("main").await.contains(&ada.email));
    assert!(!ada.can_sign_in().await);
    browser.click("button").await;
    browser.expect("h1", "Email change undone").await;
    assert!(!ada.can_sign_in().await && !ada.reached_at(NEW).can_sign_in().await);
    browser.click("a.button").await;
    browser.expect("h1", "Set a new password").await;
    browser.type_into("#password", OTHER_PASSWORD).await;
    browser.click("button").await;
    browser.expect("h1", "Password set").await;
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}
