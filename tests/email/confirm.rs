//! `/confirm/{token}`: GET describes a link, POST uses it. It works once, and only if it is genuine and not expired.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn reading_a_link_changes_nothing_and_the_click_still_works() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    let head = app.visitor().request("HEAD", &path).send().await.expect(200);
    assert!(head.body.is_empty());
    for _ in 0..5 {
        let link = app.visitor().get(&path).await.expect(200).json();
        assert_eq!(link["purpose"], "confirm_email");
        assert_eq!(link["email"], "ada@example.com");
        assert_eq!(link["confirmed"], false);
    }
    assert!(!ada.passes_the_guard().await);

    let answer = ada.open(&path).await.expect(200);
    assert_eq!(answer.json(), json!({ "status": "confirmed" }));
    assert_eq!(answer.set_cookie(), None, "confirming gives no session");
    assert!(ada.passes_the_guard().await, "the open session notices at its next request");
}

/// Mail programs take the end of a sentence or a line for a part of the link, and people copy blanks.
#[tokio::test]
async fn what_stands_around_a_token_does_not_break_the_link() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    for after in [".", ")", "%3E", ",", "%0A", "%0D%0A", "%20", "%C2%A0", ").", "%29%2E"] {
        let link = app.visitor().get(&format!("{path}{after}")).await.expect(200).json();
        assert_eq!(link["confirmed"], false, "{after}");
        let page = app.visitor().request("GET", &format!("{path}{after}")).by_browser().send().await.expect(200);
        assert!(page.text().contains("ada@example.com"), "{after}");
    }
    app.visitor().get(&path.replace("/confirm/", "/confirm/%20%3C")).await.expect(200);
    app.visitor().get(&format!("{path}A")).await.expect_problem(422, "link_invalid");
    ada.post(&format!("{path}.")).await.expect(200);
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
async fn a_link_confirms_once_and_then_reports_already_confirmed() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    ada.open(&path).await.expect(200);
    let confirmed_at = "select confirmed_at from users";
    let before = app.database.rows(confirmed_at).await;
    app.clock.advance(Duration::minutes(5));
    for _ in 0..2 {
        let again = ada.open(&path).await.expect(200);
        assert_eq!(again.json(), json!({ "status": "already_confirmed" }));
    }
    assert_eq!(app.visitor().get(&path).await.expect(200).json()["confirmed"], true);
    assert_eq!(app.database.rows(confirmed_at).await, before);
}

#[tokio::test]
async fn a_link_expires_when_it_says() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    let link = app.visitor().get(&path).await.json();
    let expires_at: chrono::DateTime<chrono::Utc> = link["expires_at"].as_str().unwrap().parse().unwrap();
    app.clock.advance(expires_at - app.clock.now() - Duration::seconds(30));
    app.visitor().get(&path).await.expect(200);
    app.clock.advance(Duration::seconds(31));
    app.visitor().get(&path).await.expect_problem(410, "link_expired");
    ada.open(&path).await.expect_problem(410, "link_expired");
    let me = ada.try_sign_in(json!({})).await.expect(200).json();
    assert_eq!(me["user"]["confirmed"], false);
}

#[tokio::test]
async fn the_lifetime_of_a_link_is_a_setting() {
    let app = TestApp::with(|settings| settings.confirm_ttl = std::time::Duration::from_secs(7200)).await;
    let ada = app.unconfirmed("ada").await;
    let mail = app.mailbox.mail_to(&ada.email).await;
    assert!(mail.text.contains("2 hours"));
    app.clock.advance(Duration::minutes(119));
    app.visitor().get(&mail.path()).await.expect(200);
    app.clock.advance(Duration::minutes(2));
    ada.open(&mail.path()).await.expect_problem(410, "link_expired");
}

#[tokio::test]
async fn a_tampered_link_is_invalid() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let token = app.mailbox.mail_to(&ada.email).await.token();
    let changed = (0..token.len()).step_by(5).chain([token.len() - 1]).map(|at| {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &token[..at], &token[at + 1..])
    });
    let parts: Vec<&str> = token.split('.').collect();
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"typ":"vestibule-link+jwt","alg":"none"}"#);
    let forged = [
        token[1..].to_owned(),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        format!("{token}{token}"),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{unsigned}.{}.", parts[1]),
        format!("{unsigned}.{}.{}", parts[1], parts[2]),
        "%00".into(),
        "x".repeat(4096),
    ];
    for token in changed.chain(forged) {
        let path = format!("/confirm/{token}");
        app.visitor().get(&path).await.expect_problem(422, "link_invalid");
        ada.open(&path).await.expect_problem(422, "link_invalid");
    }
    app.visitor().post("/confirm/").await.expect_problem(404, "not_found");
    assert!(!ada.passes_the_guard().await);
}

#[tokio::test]
async fn a_link_of_another_service_is_invalid() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    other.visitor().post(&path).await.expect_problem(422, "link_invalid");
}

#[tokio::test]
async fn links_signed_with_a_former_key_work_and_with_a_foreign_key_do_not() {
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    let ring = |text: &str| vestibule::config::key_ring(text).ok();
    let app = TestApp::with(|settings| settings.secret_key = ring(&old)).await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    let foreign = app.beside(|settings| settings.secret_key = ring(&new)).await;
    foreign.visitor().post(&path).await.expect_problem(422, "link_invalid");
    let rotated = app.beside(|settings| settings.secret_key = ring(&format!("{new},{old}"))).await;
    ada.at(&rotated).open(&path).await.expect(200);
}

#[tokio::test]
async fn a_session_token_is_not_a_link() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    ada.post(&format!("/confirm/{}", ada.token())).await.expect_problem(422, "link_invalid");
}

#[tokio::test]
async fn a_link_points_to_the_service_whatever_host_the_request_named() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let fields = json!({ "email": "ada@example.com", "password": visitor.password });
    let request = visitor.request("POST", "/register").json(&fields).header("Host", "evil.example");
    let request = request.header("X-Forwarded-Host", "evil.example").header("Forwarded", "host=evil.example");
    request.send().await.expect(202);
    let mail = app.mailbox.mail_to("ada@example.com").await;
    assert!(mail.link().starts_with(&format!("{}/confirm/", app.http.base)), "{}", mail.link());
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"));
}

#[tokio::test]
async fn a_link_can_point_to_a_front_end() {
    let app = TestApp::with_flags(&["--confirm-url", "https://app.example.com/#/confirm?t={token}"]).await;
    let ada = app.unconfirmed("ada").await;
    let mail = app.mailbox.mail_to(&ada.email).await;
    let token = mail.link().strip_prefix("https://app.example.com/#/confirm?t=").unwrap();
    ada.open(&format!("/confirm/{token}")).await.expect(200);
}

#[tokio::test]
async fn a_browser_gets_a_page_with_one_button() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    let page = app.visitor().request("GET", &path).by_browser().send().await.expect(200);
    assert_eq!(page.content_type(), Some("text/html"));
    let html = page.text();
    assert_eq!((html.matches("<form").count(), html.matches("<button").count()), (1, 1), "{html}");
    assert!(html.contains("method=\"post\"") && html.contains("ada@example.com"));
    assert!(!html.contains("<script"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!ada.passes_the_guard().await);

    let form = || app.visitor().request("POST", &path).by_browser();
    assert!(html.contains("type=\"password\""), "no session proves who registered: {html}");
    let submit = |password: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("password", password).finish();
        form().header("Content-Type", "application/x-www-form-urlencoded").body(body).send()
    };
    for wrong in ["", "not-her-password"] {
        let page = submit(wrong).await.expect(403).text();
        assert!(page.contains("type=\"password\"") && page.contains("wrong") != wrong.is_empty(), "{page}");
    }
    assert!(!ada.passes_the_guard().await);
    let posted = submit(&ada.password).await.expect(200);
    assert_eq!(posted.content_type(), Some("text/html"));
    assert!(posted.text().contains("confirmed") && !posted.text().contains("<form"));
    assert!(ada.passes_the_guard().await);
    form().send().await.expect(200);
    let page = app.visitor().request("GET", &path).by_browser().send().await.expect(200);
    assert!(!page.text().contains("<form"));
}

#[tokio::test]
async fn a_browser_gets_a_page_for_an_expired_or_invalid_link() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    app.clock.advance(Duration::hours(25));
    for (path, status) in [(path.as_str(), 410), ("/confirm/nonsense", 422)] {
        for method in ["GET", "POST"] {
            let page = app.visitor().request(method, path).by_browser().send().await.expect(status);
            assert_eq!(page.content_type(), Some("text/html"));
            assert!(!page.text().contains("<form"));
        }
    }
}

#[tokio::test]
async fn in_the_browser_that_is_signed_in_one_click_is_enough() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    assert_eq!(ada.get(&path).await.expect(200).json()["password_required"], false);
    assert_eq!(app.visitor().get(&path).await.expect(200).json()["password_required"], true);
    let page = ada.request("GET", &path).by_browser().send().await.expect(200).text();
    assert!(page.contains("<button") && !page.contains("type=\"password\""), "{page}");
    let form = ada.request("POST", &path).by_browser();
    form.header("Content-Type", "application/x-www-form-urlencoded").send().await.expect(200);
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
async fn without_a_proof_of_the_registration_a_link_does_nothing() {
    let app = TestApp::start().await;
    let (ada, eve) = (app.unconfirmed("ada").await, app.member("eve").await);
    let path = app.mailbox.mail_to(&ada.email).await.path();
    app.visitor().post(&path).await.expect_problem(403, "password_required");
    eve.post(&path).await.expect_problem(403, "password_required");
    let unknown = json!({ "registration": vestibule::token::Token::random().reveal() });
    ada.post_json(&path, &unknown).await.expect_problem(403, "password_required");
    ada.post_json(&path, &json!({ "password": eve.password })).await.expect_problem(403, "wrong_password");
    let both = json!({ "password": ada.password, "registration": "x" });
    ada.post_json(&path, &both).await.expect_errors(&[("/registration", "malformed")]);
    assert!(!ada.passes_the_guard().await);
    ada.open(&path).await.expect(200);
}

#[tokio::test]
async fn wrong_passwords_for_a_link_are_limited_like_sign_ins() {
    let app = crate::security::limited().await;
    let ada = app.unconfirmed("ada").await;
    let path = app.mailbox.mail_to(&ada.email).await.path();
    for _ in 0..5 {
        ada.with_password("wrong").open(&path).await.expect_problem(403, "wrong_password");
    }
    crate::security::wait_of(ada.open(&path).await);
    // The session proves it without a password.
    ada.post(&path).await.expect(200);
}
