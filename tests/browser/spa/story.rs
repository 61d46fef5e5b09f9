//! The whole story, clicked and typed.

use serde_json::json;

use super::{CONFIRMED, SIGNED_OUT, Stage, UNCONFIRMED};
use crate::support::Actor;
use crate::support::account::{OTHER_PASSWORD, RESET};
use crate::support::browser::ENTER;

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn sign_up_and_confirm_by_the_link_in_a_new_tab() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, Actor::new(&stage.app, "ada"));
    stage.open().await;
    stage.expect_navigation(SIGNED_OUT).await;
    stage.choose("a[href='#/sign-up']", "Sign up").await;
    assert!(browser.has_focus("h1").await || browser.count("h1:focus").await == 1, "a new page has the focus");
    browser.type_into("#email", &ada.email).await;
    browser.type_into("#password", "short").await;
    browser.click("main button").await;
    browser.expect("main [role=alert]", "Some fields need a correction").await;
    browser.expect("#password-error", "It must").await;
    assert!(browser.has_focus("#password[aria-invalid][aria-describedby=password-error]").await);
    stage.sign_up(&ada).await;
    stage.expect_navigation(UNCONFIRMED).await;
    browser.click("main .resend button").await;
    browser.expect("#message", "We sent the email again").await;

    browser.open_in_new_tab(stage.app.mailbox.mail_to(&ada.email).await.link()).await;
    browser.expect("main", &ada.email).await;
    stage.assert_address("confirm").await;
    assert!(!ada.can_list_sessions().await, "opening the link confirms nothing");
    assert_eq!(browser.count(".with-password[hidden]").await, 1, "the session proves enough");
    browser.click("main button").await;
    browser.expect("#message", "Your email address is confirmed").await;
    stage.expect_navigation(CONFIRMED).await;
    browser.close_tab().await;
    stage.expect_navigation(CONFIRMED).await;
    stage.assert_clean().await;
}

impl Actor {
    /// Whether a new session of this user passes the guard.
    async fn can_list_sessions(&self) -> bool {
        self.elsewhere().await.passes_the_guard().await
    }
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn sign_up_and_confirm_by_the_code() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, Actor::new(&stage.app, "ada"));
    stage.open().await;
    stage.sign_up(&ada).await;
    stage.open().await;
    browser.expect("h1", "Confirm your email address").await;
    let code = stage.app.mailbox.mail_to(&ada.email).await.code().to_owned();
    let wrong = if code == "12345678" { "12345679" } else { "12345678" };
    for (typed, expected) in [("1234", "Some fields need a correction"), (wrong, "This code is wrong")] {
        stage.fill("#code", typed).await;
        browser.click("main button").await;
        browser.expect("[role=alert]", expected).await;
        assert!(browser.has_focus("#code").await);
    }
    assert!(!ada.can_list_sessions().await);
    stage.fill("#code", &code).await;
    browser.click("main button").await;
    browser.expect("#message", "Your email address is confirmed").await;
    browser.expect("h1", "Your account").await;
    stage.expect_navigation(CONFIRMED).await;
    assert!(ada.can_list_sessions().await);
    stage.assert_clean().await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn without_a_session_the_tab_that_signed_up_confirms_by_its_registration() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, Actor::new(&stage.app, "ada"));
    stage.open().await;
    stage.sign_up(&ada).await;
    stage.app.database.rows("delete from sessions").await;
    browser.open(stage.app.mailbox.mail_to(&ada.email).await.link()).await;
    browser.expect("main", &ada.email).await;
    assert_eq!(browser.count(".with-password[hidden]").await, 1);
    browser.click("main button").await;
    browser.expect("#message", "Your email address is confirmed").await;
    browser.expect("h1", "Sign in").await;
    assert!(ada.can_list_sessions().await);
    stage.assert_clean().await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn in_another_browser_the_link_asks_for_the_password() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, Actor::new(&stage.app, "ada"));
    ada.register().await.expect(202);
    let link = stage.app.mailbox.mail_to(&ada.email).await;
    browser.open(link.link()).await;
    browser.expect("label", "Password").await;
    browser.type_into("#password", "not-her-password").await;
    browser.click("main button").await;
    browser.expect("[role=alert]", "This password is wrong").await;
    stage.fill("#password", &ada.password).await;
    browser.click("main button").await;
    browser.expect("#message", "Your email address is confirmed").await;
    stage.expect_navigation(SIGNED_OUT).await;
    assert!(ada.can_list_sessions().await);
    browser.open_in_new_tab(&link.link().replace("token=", "token=x")).await;
    browser.expect("[role=alert]", "This link is not complete").await;
    stage.assert_clean().await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn sign_in_stay_signed_in_and_sign_out() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, stage.member("ada").await);
    stage.open().await;
    stage.sign_in(&ada.knowing("not-her-password")).await;
    browser.expect("[role=alert]", "Wrong name or password").await;
    assert!(browser.has_focus("#name").await);
    stage.sign_in(&ada).await;
    browser.expect("main", "You are signed in as ada@example.com").await;
    stage.expect_navigation(CONFIRMED).await;
    stage.open().await;
    browser.expect("main", "You are signed in as ada@example.com").await;
    assert_eq!(browser.script("return document.cookie + localStorage.length", json!([])).await, "0");

    stage.choose("a[href='#/sessions']", "Where you are signed in").await;
    browser.expect("li:nth-child(2)", "last used").await;
    browser.expect("li .current:not([hidden])", "this one").await;
    browser.click("ul + form button").await;
    browser.expect("#message", "All other sessions have ended").await;
    assert!(!ada.is_signed_in().await);
    assert_eq!(browser.count("li").await, 1);

    stage.choose("#sign-out", "Sign in").await;
    stage.expect_navigation(SIGNED_OUT).await;
    browser.script("history.back()", json!([])).await;
    browser.expect("h1", "Sign in").await;
    stage.open().await;
    browser.expect("h1", "Sign in").await;
    stage.assert_clean().await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_session_that_ended_elsewhere_leads_to_the_sign_in() {
    let stage = Stage::start().await;
    let ada = stage.member("ada").await;
    stage.open().await;
    stage.sign_in(&ada).await;
    stage.browser.expect("h1", "Your account").await;
    ada.delete("/sessions").await.expect(204);
    stage.choose("a[href='#/sessions']", "Sign in").await;
    stage.browser.expect("#message", "You were signed out").await;
    stage.expect_navigation(SIGNED_OUT).await;
    stage.assert_clean().await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn a_forgotten_password_is_replaced_and_the_account_deleted() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, stage.member("ada").await);
    stage.open().await;
    browser.click("main a[href='#/forgot']").await;
    browser.expect("h1", "Forgot your password?").await;
    browser.type_into("#email", &ada.email).await;
    browser.click("main button").await;
    browser.expect("#message", "an email with a link is on its way").await;
    browser.open_in_new_tab(stage.app.mailbox.mail_about(&ada.email, RESET).await.link()).await;
    browser.expect("h1", "Set a new password").await;
    stage.assert_address("reset").await;
    browser.type_into("#password", "short").await;
    browser.click("main button").await;
    browser.expect("#password-error", "It must").await;
    stage.fill("#password", OTHER_PASSWORD).await;
    browser.click("main button").await;
    browser.expect("#message", "Your password is set").await;
    stage.sign_in(&ada.knowing(OTHER_PASSWORD)).await;

    browser.expect("h1", "Your account").await;
    browser.type_into("#password", &ada.password).await;
    browser.click("main .danger").await;
    browser.expect("[role=alert]", "This password is wrong").await;
    stage.fill("#password", OTHER_PASSWORD).await;
    browser.click("main .danger").await;
    browser.expect("#message", "Your account is deleted").await;
    stage.expect_navigation(SIGNED_OUT).await;
    assert!(!ada.knowing(OTHER_PASSWORD).can_sign_in().await);
    stage.assert_clean().await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn the_keyboard_alone_signs_in_and_out() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, stage.member("ada").await);
    stage.open().await;
    browser.expect("h1", "Sign in").await;
    browser.tab_to("#name").await;
    browser.press(&ada.email).await;
    browser.tab_to("#password").await;
    browser.press(&ada.password).await;
    browser.press(ENTER).await;
    browser.expect("h1", "Your account").await;
    browser.tab_to("#sign-out").await;
    browser.press(ENTER).await;
    browser.expect("h1", "Sign in").await;
    stage.expect_navigation(SIGNED_OUT).await;
}

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn every_page_fits_a_phone_in_light_and_dark_mode() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, Actor::new(&stage.app, "ada"));
    browser.become_phone(360, "dark").await;
    stage.open().await;
    for page in ["sign-up", "forgot", "reset", "sign-in"] {
        stage.assert_fits(page).await;
    }
    stage.sign_in(&ada).await;
    browser.expect("[role=alert]", "Wrong name or password").await;
    stage.assert_fits("sign-in").await;
    stage.sign_up(&ada).await;
    for page in ["code", "account"] {
        stage.assert_fits(page).await;
    }
    stage.app.database.rows("update users set confirmed_at = now()").await;
    stage.open().await;
    browser.expect("h1", "Your account").await;
    stage.assert_fits("sessions").await;
}

impl Stage {
    async fn assert_fits(&self, page: &str) {
        let (browser, open) = (
            &self.browser,
            "location.hash = '#/' + arguments[0];
            return document.getElementById('page-' + arguments[0]).content.querySelector('h1').textContent",
        );
        let heading = browser.script(open, json!([page])).await;
        browser.expect("main h1", heading.as_str().unwrap()).await;
        for scheme in ["light", "dark"] {
            browser.become_phone(360, scheme).await;
            let faults = browser.script(include_str!("../audit.js"), json!([360, scheme])).await;
            assert_eq!(faults, json!([]), "{page}, {scheme}: {faults:#}");
        }
    }
}
