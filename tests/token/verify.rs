//! `/verify` as a proxy calls it. tests/proxies has the real ones.

use chrono::Duration;
use serde_json::{Value, json};

use super::verified;
use crate::support::{Actor, Answer, TestApp};

const IDENTITY: [&str; 5] = ["x-auth-user-id", "x-auth-email", "x-auth-username", "x-auth-session-id", "x-auth-token"];

async fn verify(actor: &Actor, query: &str) -> Answer {
    let answer = actor.get(&format!("/verify{query}")).await;
    let has_all = IDENTITY.iter().all(|name| answer.header(name).is_some_and(|value| !value.is_empty()));
    let has_any = IDENTITY.iter().any(|name| answer.header(name).is_some());
    assert_eq!((has_all, has_any), (answer.status == 200, answer.status == 200), "{:?}", answer.headers);
    answer
}

#[tokio::test]
async fn a_confirmed_user_passes_with_every_identity_header() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let login = ada.sign_in().await.json();
    let answer = verify(&ada, "").await.expect(200);
    assert!(answer.body.is_empty() && answer.header("cache-control") == Some("no-store"));
    let header = |name: &str| Value::from(answer.header(name).unwrap());
    assert_eq!(header("x-auth-user-id"), login["user"]["id"]);
    assert_eq!(header("x-auth-session-id"), login["session"]["id"]);
    assert_eq!((header("x-auth-email"), header("x-auth-username")), (json!(ada.email), json!("ada")));
    let token = answer.header("x-auth-token").unwrap();
    let claims = verified(&app, token).await;
    assert_eq!((&claims["sub"], &claims["sid"]), (&login["user"]["id"], &login["session"]["id"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    ada.change_username(&Value::Null).await.expect(200);
    assert_eq!(verify(&ada, "").await.header("x-auth-username"), Some("-"));
    ada.sign_in_with_bearer().await;
    verify(&ada, "").await.expect(200);
}

#[tokio::test]
async fn a_visitor_and_an_unconfirmed_user_do_not_pass() {
    let app = TestApp::start().await;
    let answer = verify(&app.visitor(), "").await.expect_problem(401, "unauthenticated");
    assert_eq!((answer.header("www-authenticate"), answer.header("location")), (Some("Bearer"), None));
    verify(&app.unconfirmed("bob").await, "").await.expect_problem(403, "unconfirmed");
    // An access token is for applications; here only sessions count.
    let ada = app.member("ada").await;
    let token = verify(&ada, "").await.header("x-auth-token").unwrap().to_owned();
    let with_token = app.visitor().request("GET", "/verify").header("Authorization", format!("Bearer {token}"));
    with_token.send().await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_session_that_ended_is_refused_at_the_next_request_on_every_instance() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let other = app.beside(|_| ()).await;
    verify(&ada.at(&other), "").await.expect(200);
    ada.post("/logout").await.expect(204);
    verify(&ada.at(&other), "").await.expect(401);
    crate::user_commands::user(&app, &["disable", "bob"]).expect_success();
    verify(&bob.at(&other), "").await.expect(401);
}

#[tokio::test]
async fn without_the_database_the_answer_is_503() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.database.close();
    verify(&ada, "").await.expect_problem(503, "unavailable");
    verify(&app.visitor(), "").await.expect(401);
    app.database.open();
    crate::support::eventually("the session works again", async || {
        (ada.get("/verify").await.status == 200).then_some(())
    })
    .await;
}

/// Envoy sends the method, path and query of its client.
#[tokio::test]
async fn any_method_and_any_path_below_are_the_same_question() {
    let app = TestApp::with_flags(&["--login-url=https://app.example.com/sign-in"]).await;
    let ada = app.member("ada").await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in ["/verify", "/verify/", "/verify/api/things?page=2", "/verify//x"] {
            // A page of another origin may cause requests to an application: that is for the application to judge.
            let by_page = ada.request(method, path).header("Origin", "https://elsewhere.example");
            let answer = by_page.send().await.expect(200);
            assert!(answer.header("x-auth-user-id").is_some() && answer.body.is_empty(), "{method} {path}");
            app.visitor().request(method, path).send().await.expect(401);
        }
    }
    // What a body says, how large it is and what it is called do not matter.
    let body = ada.request("POST", "/verify").header("Content-Type", "text/plain").body(vec![b'x'; 100_000]);
    body.send().await.expect(200);
}

#[tokio::test]
async fn the_query_can_ask_for_more() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    verify(&ada, "?fresh=15m").await.expect(200);
    app.clock.advance(Duration::minutes(14));
    verify(&ada, "?fresh=15m").await.expect(200);
    verify(&ada, "?fresh=15m&fresh=1h").await.expect(200);
    verify(&ada, "?fresh=1h&fresh=10m").await.expect_problem(403, "reauthentication_required");
    app.clock.advance(Duration::minutes(2));
    let refused = verify(&ada, "?fresh=15m").await.expect_problem(403, "reauthentication_required");
    assert_eq!(refused.json()["methods"], json!(["password"]));
    verify(&ada, "?second_factor=true").await.expect_problem(403, "reauthentication_required");
    verify(&ada, "?second_factor=false&unknown=1").await.expect(200);
    for query in ["?fresh=soon", "?second_factor=yes", "?redirect=1"] {
        verify(&ada, query).await.expect_problem(422, "validation_failed");
        verify(&app.visitor(), query).await.expect_problem(422, "validation_failed");
    }
    verify(&app.visitor(), "?fresh=1h").await.expect(401);
    verify(&app.unconfirmed("bob").await, "?fresh=1h").await.expect_problem(403, "unconfirmed");
    // A sign-in in the future: the clock was wrong then, or is now.
    app.clock.advance(Duration::hours(-2));
    verify(&ada, "?fresh=15m").await.expect_problem(403, "reauthentication_required");
}

const LOGIN: &str = "--login-url=https://app.example.com/sign-in?from=proxy";
const ORIGINS: &str = "--verify-origins=https://wiki.example.com";

async fn asked_by_proxy(app: &TestApp, query: &str, method: &str) -> Answer {
    let request = app.visitor().request(method, &format!("/verify{query}")).by_browser();
    request
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "wiki.example.com")
        .header("X-Forwarded-Uri", "/page?a=1&b=2")
        .send()
        .await
}

#[tokio::test]
async fn a_browser_is_sent_to_the_login_page_and_back() {
    let app = TestApp::with_flags(&[LOGIN, ORIGINS, "--trusted-proxies=127.0.0.1"]).await;
    let back = "https://app.example.com/sign-in?from=proxy&next=https%3A%2F%2Fwiki.example.com%2Fpage%3Fa%3D1%26b%3D2";
    for (method, query, status) in [
        ("GET", "?redirect=true", 302),
        ("HEAD", "?redirect=true", 302),
        ("POST", "?redirect=true", 303),
        ("GET", "", 401),
    ] {
        let answer = asked_by_proxy(&app, query, method).await.expect(status);
        assert_eq!(answer.header("location"), Some(back), "{method} {query}");
    }
    // A script wants to know, not to see a page.
    let script = app.visitor().request("GET", "/verify?redirect=true").header("Accept", "*/*").send().await;
    assert_eq!(script.expect(401).header("location"), Some("https://app.example.com/sign-in?from=proxy"));
    // Who is signed in would come back at once.
    let unconfirmed = app.unconfirmed("bob").await;
    let answer = unconfirmed.request("GET", "/verify?redirect=true").by_browser().send().await;
    assert_eq!(answer.expect_problem(403, "unconfirmed").header("location"), None);
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_to_go_back_to_and_only_to_known_origins() {
    let untrusted = TestApp::with_flags(&[LOGIN, ORIGINS, "--trusted-proxies=10.0.0.0/8"]).await;
    let answer = asked_by_proxy(&untrusted, "?redirect=true", "GET").await.expect(302);
    assert_eq!(answer.header("location"), Some("https://app.example.com/sign-in?from=proxy"));
    let app = TestApp::with_flags(&[LOGIN, ORIGINS, "--trusted-proxies=127.0.0.1"]).await;
    for original in [
        "https://evil.example/",
        "https://wiki.example.com@evil.example/",
        "//evil.example",
        "https://wiki.example.com:8443/",
    ] {
        let request = app.visitor().request("GET", "/verify?redirect=true").by_browser();
        let answer = request.header("X-Original-URL", original).send().await.expect(302);
        assert_eq!(answer.header("location"), Some("https://app.example.com/sign-in?from=proxy"), "{original}");
    }
    // The origin of the service itself needs no setting.
    let own = format!("{}/somewhere", app.http.base);
    let request = app.visitor().request("GET", "/verify").header("X-Original-URL", &own).send().await.expect(401);
    assert!(request.header("location").unwrap().contains("next=http%3A%2F%2F127.0.0.1"), "{:?}", request.headers);
}

#[tokio::test]
async fn a_cookie_can_be_for_a_whole_domain() {
    let flags = [
        "--public-url=https://auth.example.com",
        "--smtp-url=smtp://127.0.0.1:1",
        "--dev-mailbox=on",
        "--cookie-domain=example.com",
    ];
    let key = format!("--secret-key={}", "ab".repeat(32));
    let app = TestApp::with_flags(&[flags[0], flags[1], flags[2], flags[3], &key]).await;
    let ada = Actor::new(&app, "ada");
    ada.register().await.expect(202);
    let answer = ada.try_sign_in(json!({})).await.expect(200);
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("__Secure-session="), "{cookie}");
    for attribute in ["Domain=example.com", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute}: {cookie}");
    }
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    let me = |method, path| app.visitor().request(method, path).header("Cookie", format!("__Secure-session={token}"));
    me("GET", "/me").send().await.expect(200);
    let removed = me("POST", "/logout").send().await.expect(204).set_cookie().unwrap();
    assert!(removed.starts_with("__Secure-session=;") && removed.contains("Domain=example.com"), "{removed}");
}
