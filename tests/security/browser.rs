//! Pages of other origins cannot use the session cookie of the users who visit them.

use serde_json::json;

use crate::support::{Actor, Answer, Credential, TestApp};

const ALLOWED: &str = "https://app.example.com";

async fn with_allowed_origin() -> TestApp {
    TestApp::with_flags(&["--allowed-origins", ALLOWED]).await
}

/// Header lines that a browser or another program sends, and whether a change with them is allowed.
fn headers(own: &str) -> Vec<(Vec<(&'static str, String)>, bool)> {
    let origin = |value: &str| ("Origin", value.to_owned());
    let site = |value: &str| ("Sec-Fetch-Site", value.to_owned());
    vec![
        (vec![], true),
        (vec![origin(own)], true),
        (vec![origin(own), site("cross-site")], true),
        (vec![origin(ALLOWED), site("cross-site")], true),
        (vec![site("same-origin")], true),
        (vec![site("none")], true),
        (vec![site("same-site")], false),
        (vec![site("cross-site")], false),
        (vec![site("nonsense")], false),
        (vec![origin("null")], false),
        (vec![origin("null"), site("same-origin")], true),
        (vec![origin("null"), site("cross-site")], false),
        (vec![origin("null"), site("same-site")], false),
        (vec![origin("")], false),
        (vec![origin("https://evil.example"), site("same-origin")], false),
        (vec![origin(&format!("{own}.evil.example"))], false),
        (vec![origin(&format!("https://evil.example#{own}"))], false),
        (vec![origin("https://app.example.com.evil.example")], false),
        (vec![origin("https://app.example.com:444")], false),
        (vec![origin("http://app.example.com")], false),
        (vec![origin("https://APP.example.com")], false),
        (vec![origin("http://127.0.0.1:1")], false),
        (vec![origin(own), origin("https://evil.example")], false),
        (vec![origin(&format!("{own} https://evil.example"))], false),
    ]
}

async fn send(actor: &Actor, path: &str, headers: &[(&str, String)]) -> Answer {
    let mut request = actor.request("POST", path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if path == "/login" {
        request = request.json(&json!({ "email": actor.email, "password": actor.password }));
    }
    request.send().await
}

async fn sessions(app: &TestApp) -> i64 {
    app.database.number("select count(*) from sessions").await
}

#[track_caller]
fn assert_refused(answer: Answer) {
    let answer = answer.expect_problem(403, "cross_origin");
    assert_eq!(answer.set_cookie(), None);
}

#[tokio::test]
async fn a_login_from_another_origin_is_refused_and_has_no_effect() {
    let app = with_allowed_origin().await;
    let ada = app.member("ada").await;
    for actor in [ada.with(Credential::Nothing), ada.clone()] {
        for (headers, is_allowed) in headers(&app.http.base) {
            let before = sessions(&app).await;
            let answer = send(&actor, "/login", &headers).await;
            if is_allowed {
                answer.expect(200);
                continue;
            }
            assert_refused(answer);
            assert_eq!(sessions(&app).await, before, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_logout_by_cookie_from_another_origin_is_refused_and_has_no_effect() {
    let app = with_allowed_origin().await;
    let mut ada = app.member("ada").await;
    for (headers, is_allowed) in headers(&app.http.base) {
        let answer = send(&ada, "/logout", &headers).await;
        if is_allowed {
            answer.expect(204);
            assert!(!ada.is_signed_in().await, "{headers:?}");
            ada = ada.with(Credential::Nothing);
            ada.sign_in().await;
        } else {
            assert_refused(answer);
            assert!(ada.is_signed_in().await, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_resend_by_cookie_from_another_origin_is_refused_and_sends_no_mail() {
    let app = with_allowed_origin().await;
    let ada = app.unconfirmed("ada").await;
    app.mailbox.exactly("ada@example.com", 1).await;
    for (headers, is_allowed) in headers(&app.http.base) {
        if !is_allowed {
            assert_refused(send(&ada, "/resend", &headers).await);
        }
    }
    app.mailbox.exactly("ada@example.com", 1).await;
    send(&ada, "/resend", &[("Origin", ALLOWED.to_owned())]).await.expect(202);
    app.mailbox.mails_to("ada@example.com", 2).await;
}

#[tokio::test]
async fn a_bearer_token_works_from_any_origin() {
    let app = with_allowed_origin().await;
    let mut ada = app.unconfirmed("ada").await;
    let evil = [("Origin", "https://evil.example".to_owned())];
    ada.sign_in_with_bearer().await;
    send(&ada, "/resend", &evil).await.expect(202);
    // A login that sets a cookie is refused; one that answers a token involves no cookie.
    assert_refused(send(&ada, "/login", &evil).await);
    let fields = json!({ "email": ada.email, "password": ada.password, "transport": "bearer" });
    let login = app.visitor().request("POST", "/login").header("Origin", "https://evil.example").json(&fields);
    assert_eq!(login.send().await.expect(200).set_cookie(), None);
    send(&ada, "/logout", &evil).await.expect(204);
    assert!(!ada.is_signed_in().await);
}

#[tokio::test]
async fn an_invalid_cookie_is_refused_like_a_valid_one() {
    let app = with_allowed_origin().await;
    let stranger = app.visitor().with(Credential::Cookie("A".repeat(43)));
    for path in ["/logout", "/resend"] {
        assert_refused(send(&stranger, path, &[("Origin", "https://evil.example".to_owned())]).await);
    }
}

const PREFIX: &str = "access-control-";

fn cors_headers(answer: &Answer) -> Vec<String> {
    answer.header_names().into_iter().filter(|name| name.starts_with(PREFIX)).collect()
}

#[tokio::test]
async fn scripts_of_an_allowed_origin_can_read_every_answer_and_others_none() {
    let app = with_allowed_origin().await;
    let ada = app.member("ada").await;
    let visitor = app.visitor();
    let from = |actor: &Actor, method: &str, path: &str, origin: &str| {
        actor.request(method, path).header("Origin", origin).send()
    };
    // Errors too: a front end must be able to read them.
    let cases = [
        (&ada, "GET", "/me", 200),
        (&visitor, "GET", "/me", 401),
        (&visitor, "GET", "/nothing", 404),
        (&visitor, "PUT", "/me", 405),
        (&visitor, "POST", "/login", 415),
        (&visitor, "GET", "/confirm/x", 422),
    ];
    for (actor, method, path, status) in cases {
        let answer = from(actor, method, path, ALLOWED).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(ALLOWED), "{method} {path}");
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{method} {path}");
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|value| value.to_str().unwrap().contains("Origin")), "{method} {path}");
        for foreign in ["https://evil.example", "null", "https://app.example.com.evil.example"] {
            let answer = from(actor, method, path, foreign).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path} from {foreign}");
        }
    }
    app.database.close();
    let unavailable = from(&ada, "GET", "/me", ALLOWED).await.expect_problem(503, "unavailable");
    assert_eq!(unavailable.header("access-control-allow-origin"), Some(ALLOWED));
    app.database.open();
}

#[tokio::test]
async fn a_preflight_allows_only_the_allowed_origin() {
    let app = with_allowed_origin().await;
    let preflight = |app: &TestApp, origin: &str, method: &str, headers: &str| {
        let request = app.visitor().request("OPTIONS", "/login").header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", method);
        request.header("Access-Control-Request-Headers", headers).send()
    };
    let yes = preflight(&app, ALLOWED, "POST", "content-type, authorization").await.expect(200);
    assert_eq!(yes.header("access-control-allow-origin"), Some(ALLOWED));
    assert_eq!(yes.header("access-control-allow-credentials"), Some("true"));
    assert!(!yes.header("access-control-allow-methods").unwrap().contains('*'));
    for origin in ["https://evil.example", "null", "http://app.example.com"] {
        let no = preflight(&app, origin, "POST", "content-type").await.expect_problem(403, "cross_origin");
        assert!(cors_headers(&no).is_empty(), "{origin}: {:?}", no.headers);
    }
    preflight(&app, ALLOWED, "TRACE", "content-type").await.expect_problem(403, "cross_origin");
    // As front-ends with tracing send.
    let traced = "content-type, traceparent, baggage, sentry-trace, x-requested-with";
    let allowed = preflight(&app, ALLOWED, "POST", traced).await.expect(200);
    let allowed = allowed.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(traced.split(", ").all(|header| allowed.contains(header)), "{allowed}");
    let closed = TestApp::start().await;
    let no = preflight(&closed, ALLOWED, "POST", "content-type").await;
    assert!(no.status == 405 && cors_headers(&no).is_empty(), "{} {:?}", no.status, no.headers);
}

#[tokio::test]
async fn pages_of_an_allowed_app_are_like_those_of_an_allowed_origin_and_others_are_not() {
    let extension = "chrome-extension://abcdefghijklmnopabcdefghijklmnop";
    let allowed = ["capacitor://localhost", "ionic://localhost", "tauri://localhost", extension];
    let app = TestApp::with_flags(&["--allowed-origins", &allowed.join(",")]).await;
    let ada = app.unconfirmed("ada").await;
    for origin in allowed {
        let answer = send(&ada, "/login", &[("Origin", origin.to_owned())]).await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(answer.set_cookie().is_some());
    }
    for origin in ["null", "file://", "capacitor://evil", "capacitor://localhost:1", "chrome-extension://abc", "tauri"]
    {
        let answer = send(&ada, "/login", &[("Origin", origin.to_owned())]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_refused(answer);
    }
}

#[tokio::test]
async fn every_answer_has_security_headers_and_hsts_under_https() {
    let https = ["--public-url", "https://auth.example.com", "--dev-mailbox", "on", "--secret-key"];
    let key = "ab".repeat(32);
    let flags: Vec<&str> = https.into_iter().chain([key.as_str(), "--allowed-origins", ALLOWED]).collect();
    for (app, is_https) in [(with_allowed_origin().await, false), (TestApp::with_flags(&flags).await, true)] {
        let ask = |method: &str, path: &str| app.visitor().request(method, path);
        let preflight = ask("OPTIONS", "/login").header("Origin", ALLOWED);
        let cookie = format!("{}=x", app.cookie_name);
        let answers = [
            ask("GET", "/health/live").send().await.expect(200),
            ask("GET", "/docs/").send().await.expect(200),
            ask("GET", "/").send().await.expect(307),
            ask("GET", "/style.css").send().await.expect(200),
            ask("GET", "/confirm/x").by_browser().send().await.expect(422),
            ask("HEAD", "/openapi.json").send().await.expect(200),
            ask("GET", "/me").send().await.expect(401),
            ask("GET", "/nothing").send().await.expect(404),
            ask("DELETE", "/login").send().await.expect(405),
            ask("POST", "/login").send().await.expect(415),
            ask("POST", "/logout").send().await.expect(204),
            ask("POST", "/logout").header("Origin", "null").header("Cookie", &cookie).send().await.expect(403),
            preflight.header("Access-Control-Request-Method", "POST").send().await.expect(200),
        ];
        for answer in answers {
            let is = |name: &str, value: &str| assert_eq!(answer.header(name), Some(value), "{}", answer.request);
            is("x-content-type-options", "nosniff");
            is("x-frame-options", "DENY");
            is("referrer-policy", "no-referrer");
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe-eval") && !policy.contains("script-src 'unsafe"), "{policy}");
            let hsts = answer.header("strict-transport-security");
            assert_eq!(hsts.is_some_and(|value| value.starts_with("max-age=63072000")), is_https, "{}", answer.request);
        }
    }
}
