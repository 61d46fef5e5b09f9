//! The page behind a reset link if there is no front end: a form that works without scripts.

use chrono::Duration;
use serde_json::json;

use crate::security::{fail, limited, wait_of};
use crate::support::account::OTHER_PASSWORD;
use crate::support::{Answer, Credential, TestApp};

const CLIENT: &str = "198.51.100.7";

async fn page(app: &TestApp, path: &str) -> Answer {
    app.visitor().request("GET", path).by_browser().send().await
}

async fn submit(app: &TestApp, path: &str, password: &str) -> Answer {
    let body: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("username", "ada@example.com")
        .append_pair("password", password)
        .finish();
    let form = app.visitor().request("POST", path).by_browser();
    form.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().await
}

#[tokio::test]
async fn opening_the_page_does_not_use_up_the_link() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let path = app.reset_link(&ada).await.path();
    for _ in 0..3 {
        let html = page(&app, &path).await.expect(200).text();
        assert!(html.contains("<form method=\"post\"") && html.contains("ada@example.com"), "{html}");
        assert!(!html.contains("<script"));
    }
    app.visitor().request("HEAD", &path).by_browser().send().await.expect(200);
    assert!(ada.is_signed_in().await && ada.can_sign_in().await);
    submit(&app, &path, OTHER_PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_form_sets_the_password_and_then_disappears() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let path = app.reset_link(&ada).await.path();
    let done = submit(&app, &path, "  brick violet + otter & 19 \u{e9}").await.expect(200);
    assert_eq!(done.content_type(), Some("text/html"));
    assert_eq!(done.set_cookie(), None);
    assert!(done.text().contains("Password set") && !done.text().contains("<form"));
    assert!(!ada.is_signed_in().await && !ada.can_sign_in().await);
    assert!(ada.knowing("  brick violet + otter & 19 \u{e9}").can_sign_in().await);
    for answer in [submit(&app, &path, OTHER_PASSWORD).await, page(&app, &path).await] {
        assert!(!answer.expect(410).text().contains("<form"));
    }
}

#[tokio::test]
async fn the_page_of_a_link_that_does_not_work_explains_what_to_do() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.unconfirmed("bob").await);
    let confirm = app.mailbox.mail_to(&bob.email).await.path();
    let (change, undo) = app.email_change(&ada, "ada@example.org").await;
    let reset = app.reset_link(&ada).await.path();
    let says = async |path: &str, title: &str| {
        let html = page(&app, path).await.expect(410).text();
        assert!(html.contains(title) && html.contains("where you requested this one"), "{path}: {html}");
        assert!(!html.contains("POST") && !html.contains("register again"), "{path}: {html}");
    };
    submit(&app, &reset, OTHER_PASSWORD).await.expect(200);
    for used in [&reset, &change, &undo] {
        says(used, "<h1>Link used</h1>").await;
    }
    app.clock.advance(Duration::days(8));
    for expired in [&reset, &change, &undo, &confirm] {
        says(expired, "<h1>Link expired</h1>").await;
    }
    let broken = page(&app, &format!("{confirm}x")).await.expect(422).text();
    assert!(broken.contains("<h1>Link invalid</h1>") && broken.contains("copy it in full"), "{broken}");
}

#[tokio::test]
async fn a_refused_password_shows_the_form_again_with_the_error() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let path = app.reset_link(&ada).await.path();
    for weak in ["short", ""] {
        let again = submit(&app, &path, weak).await.expect(422);
        let html = again.text();
        assert!(html.contains("<form") && html.contains("role=\"alert\""), "{html}");
    }
    assert!(!page(&app, &path).await.text().contains("role=\"alert\""), "no error before the form was sent");
    assert!(ada.is_signed_in().await);
    submit(&app, &path, OTHER_PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_expired_or_invalid_link_has_a_page_without_a_form() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let path = app.reset_link(&ada).await.path();
    let (folder, _) = path.rsplit_once('/').unwrap();
    app.clock.advance(Duration::minutes(31));
    for (path, status) in [(path.as_str(), 410), (&format!("{folder}/nonsense"), 422)] {
        for answer in [page(&app, path).await, submit(&app, path, OTHER_PASSWORD).await] {
            assert_eq!(answer.content_type(), Some("text/html"));
            assert!(!answer.expect(status).text().contains("<form"));
        }
    }
    assert!(ada.can_sign_in().await);
}

#[tokio::test]
async fn the_policy_of_the_page_allows_only_its_form() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let answer = page(&app, &app.reset_link(&ada).await.path()).await.expect(200);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "the URL of the page is a secret");
}

#[tokio::test]
async fn a_reset_clears_the_login_limit_for_address_and_username() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    for (kind, name) in [("email", "ada@example.com"), ("username", "ada")] {
        for _ in 0..5 {
            fail(&app, CLIENT, kind, name).await.expect_problem(401, "invalid_credentials");
        }
        wait_of(fail(&app, CLIENT, kind, name).await);
    }
    // Longer than the mail must wait because of the mail limits.
    app.database.rows("update login_throttles set blocked_until = blocked_until + interval '30 minutes'").await;
    app.clock.advance(Duration::minutes(2));
    let path = app.reset_link(&ada).await.path();
    page(&app, &path).await.expect(200);
    wait_of(fail(&app, CLIENT, "email", "ada@example.com").await);
    submit(&app, &path, OTHER_PASSWORD).await.expect(200);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
    fail(&app, CLIENT, "username", "ada").await.expect_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_reset_clears_the_lock_after_a_hundred_failures() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    fail(&app, CLIENT, "email", "ada@example.com").await.expect(401);
    app.database.rows("update login_throttles set failures = 100, blocked_until = null").await;
    app.clock.advance(Duration::days(2));
    assert_eq!(wait_of(ada.try_sign_in(json!({})).await), 86_400);
    let path = app.reset_link(&ada).await.path();
    submit(&app, &path, OTHER_PASSWORD).await.expect(200);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}
