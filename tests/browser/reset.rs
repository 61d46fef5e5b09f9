//! The form that sets a new password, without scripts: with a mouse, and with only a keyboard.

use serde_json::json;

use super::open;
use crate::support::account::OTHER_PASSWORD;
use crate::support::browser::{Browser, ENTER};
use crate::support::{Actor, TestApp};

const FIELD: &str = "input[type=password]";

/// A browser that shows the reset form of a new member.
async fn open_form(app: &TestApp) -> (Browser, Actor) {
    let ada = app.member("ada").await;
    let browser = Browser::without_scripts().await;
    open(&browser, app, &app.reset_link(&ada).await.path()).await;
    (browser, ada)
}

/// What a screen reader says about the field, and whether the field is marked as invalid.
async fn description_of_field(browser: &Browser) -> (String, bool) {
    let script = "const field = document.querySelector(arguments[0]);
        const ids = (field.getAttribute('aria-describedby') ?? '').split(' ');
        const texts = ids.map(id => document.getElementById(id)?.innerText ?? `no element ${id}`);
        return [texts.join(' '), field.getAttribute('aria-invalid') === 'true'];";
    let said = browser.script(script, json!([FIELD])).await;
    (said[0].as_str().unwrap().to_owned(), said[1].as_bool().unwrap())
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_weak_password_shows_the_form_with_an_error_and_a_good_one_is_set() {
    let app = TestApp::start().await;
    let (browser, ada) = open_form(&app).await;
    let (said, is_wrong) = description_of_field(&browser).await;
    assert!(said.contains("uncommon words") && !said.contains("was not set") && !is_wrong, "{said}");
    browser.type_into(FIELD, "short").await;
    browser.click("button").await;
    browser.expect("[role=alert]", "Your password was not set").await;
    let (said, is_wrong) = description_of_field(&browser).await;
    assert!(said.contains("Your password was not set: it ") && is_wrong, "{said}");
    assert!(said.contains("uncommon words") && !said.contains("no element"), "{said}");
    assert!(browser.has_focus(FIELD).await);
    assert!(ada.is_signed_in().await, "nothing has changed yet");

    browser.type_into(FIELD, OTHER_PASSWORD).await;
    browser.click("button").await;
    browser.expect("h1", "Password set").await;
    assert_eq!(browser.count("form").await, 0);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await && !ada.can_sign_in().await);
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn the_keyboard_alone_sets_a_password() {
    let app = TestApp::start().await;
    let (browser, ada) = open_form(&app).await;
    assert!(browser.has_focus(FIELD).await, "the field has the focus at once");
    browser.press("short").await;
    browser.press(ENTER).await;
    browser.expect("[role=alert]", "Your password was not set").await;
    assert!(browser.has_focus(FIELD).await, "and again after the error");
    browser.press(OTHER_PASSWORD).await;
    browser.tab_to("button").await;
    browser.press(ENTER).await;
    browser.expect("h1", "Password set").await;
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}
