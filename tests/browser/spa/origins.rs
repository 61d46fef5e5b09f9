//! What pages of other origins can do with the session of their visitor: nothing.

use serde_json::json;

use super::Stage;

/// Answers what a page reads of the account, or the name of the error.
const READ: &str = "return fetch(arguments[0] + '/me', { credentials: 'include' }).then(
    answer => answer.text(), error => error.name)";

/// Ends the session of the visitor as a form would, without asking whether it may.
const CHANGE: &str =
    "return fetch(arguments[0] + '/logout', { method: 'POST', credentials: 'include', mode: 'no-cors' })
    .then(answer => answer.type, error => error.name)";

#[tokio::test]
#[ignore = "needs Chromium and ChromeDriver"]
async fn an_origin_that_is_not_allowed_reads_nothing_and_changes_nothing() {
    let stage = Stage::start().await;
    let (browser, ada) = (&stage.browser, stage.member("ada").await);
    stage.open().await;
    stage.sign_in(&ada).await;
    browser.expect("h1", "Your account").await;
    let service = browser.script("return document.querySelector('meta[name=vestibule]').content", json!([])).await;
    let read = browser.script(READ, json!([service])).await;
    assert!(read.as_str().unwrap().contains(&ada.email), "{read}");

    // The first is of the same site as the service, so its requests have the cookie.
    for host in ["other.example.test", "evil.test"] {
        stage.open_at(host).await;
        browser.expect("[role=alert]", "The service cannot be reached").await;
        assert_eq!(browser.script(READ, json!([service])).await, "TypeError", "{host}");
        browser.script(CHANGE, json!([service])).await;
    }
    let blocked = browser.complaints().await;
    assert!(blocked.iter().any(|text| text.contains("blocked by CORS policy")), "{blocked:#?}");
    stage.open().await;
    browser.expect("main", "You are signed in as ada@example.com").await;
    browser.script(CHANGE, json!([service])).await;
    stage.open().await;
    browser.expect("h1", "Sign in").await;
}
