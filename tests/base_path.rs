//! A `PUBLIC_URL` with a path: everything is under it, whether or not a proxy strips it, and every link leads there.

use std::collections::BTreeSet;

use serde_json::json;

use crate::start::assert_refused;
use crate::support::binary::{Process, run};
use crate::support::database::fresh_dir;
use crate::support::{Actor, Credential, TestApp, contract, password_of, raw};

const PUBLIC_URL: &str = "http://localhost/auth";

async fn app() -> TestApp {
    TestApp::with_flags(&["--public-url", PUBLIC_URL]).await
}

async fn https_app(public_url: &str) -> TestApp {
    let key = "ab".repeat(32);
    TestApp::with_flags(&["--public-url", public_url, "--secret-key", &key, "--dev-mailbox", "on"]).await
}

/// An account from its registration to the guard, and the docs, at a service with this `PUBLIC_URL`, whose path is
/// `/auth`. Clients reach it at `base`.
pub async fn an_account_and_the_docs(app: &TestApp, public_url: &str, base: &str) {
    let mut ada = Actor::new(app, "ada").under(base);
    ada.register().await.expect(202);
    let mail = app.mailbox.mail_to(&ada.email).await;
    let link = mail.link().strip_prefix(public_url).unwrap_or_else(|| panic!("{}", mail.link()));
    assert!(link.starts_with("/confirm/"), "{link}");

    let cookie = ada.sign_in().await.set_cookie().unwrap();
    assert!(cookie.ends_with("; Path=/"), "{cookie}");
    let problem = ada.get("/sessions").await.expect_problem(403, "unconfirmed").json();
    assert_eq!(problem["type"], format!("{public_url}/problems/unconfirmed"));
    ada.get("/problems/unconfirmed").await.expect(200);

    let page = ada.with(Credential::Nothing).request("GET", link).by_browser().send().await.expect(200).text();
    assert!(page.contains("href=\"/auth/style.css\"") && page.contains("<form method=\"post\">"), "{page}");
    ada.get("/style.css").await.expect(200);
    let form = ada.with(Credential::Nothing).request("POST", link).by_browser();
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    let page = form.body(format!("password={}", ada.password)).send().await.expect(200).text();
    assert!(page.contains("Email address confirmed"), "{page}");
    ada.get("/sessions").await.expect(200);

    for path in ["/", "/docs"] {
        assert_eq!(ada.get(path).await.expect(307).header("location"), Some("/auth/docs/"));
    }
    ada.get("/docs/").await.expect(200);
    let script = ada.get("/docs/swagger-initializer.js").await.expect(200).text();
    assert!(script.contains("\"/auth/openapi.json\""), "{script}");
    assert_eq!(ada.get("/openapi.json").await.expect(200).json()["servers"][0]["url"], "/auth");

    let mails = ada.request("GET", "/dev/mailbox").by_browser().send().await.expect(200).text();
    let mail = mails.split("href=\"/auth").find(|rest| rest.starts_with("/dev/mailbox/")).expect(&mails);
    let path = mail.split('"').next().unwrap();
    let mail = ada.request("GET", path).by_browser().send().await.expect(200).text();
    assert!(mail.contains("href=\"/auth/dev/mailbox\"") && mail.contains(&format!("{public_url}{link}")), "{mail}");
}

#[tokio::test]
async fn everything_works_under_the_base_path_and_without_it() {
    for prefix in ["/auth", ""] {
        let app = app().await;
        an_account_and_the_docs(&app, PUBLIC_URL, &format!("{}{prefix}", app.http.base)).await;
    }
}

#[tokio::test]
async fn the_base_path_ends_with_a_segment() {
    let app = app().await;
    for (path, status) in [
        ("/auth", 307),
        ("/auth/", 307),
        ("/", 307),
        ("/auth/health/live", 200),
        ("/health/live", 200),
        ("/%61uth/health/live", 200),
        ("/auth/he%61lth/live", 200),
        ("/auth//health/live", 404),
        ("//auth/health/live", 404),
        ("/auth%2fhealth/live", 404),
        ("/auth/../health/live", 404),
        ("/auth/auth/health/live", 404),
        ("/AUTH/health/live", 404),
        ("/authx/health/live", 404),
        ("/authx", 404),
        ("/aut", 404),
        ("/auth/nothing", 404),
        ("/nothing", 404),
        ("*", 404),
    ] {
        let answer = raw::request(&app, &format!("GET {path}"), &[], b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        let is_problem = answer.contains(&format!("\"type\":\"{PUBLIC_URL}/problems/not_found\""));
        assert_eq!(is_problem, status == 404, "{path}: {answer}");
    }
    for prefix in ["/auth", ""] {
        let answer = raw::request(&app, &format!("PUT {prefix}/register"), &[], b"").await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("\r\nallow: POST\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_public_url_does_not_count() {
    let app = https_app("https://app.example.com/a/b/").await;
    let problem = app.visitor().get("/a/b/me").await.expect_problem(401, "unauthenticated").json();
    assert_eq!(problem["type"], "https://app.example.com/a/b/problems/unauthenticated");
    assert_eq!(app.visitor().get("/a/b/openapi.json").await.expect(200).json()["servers"][0]["url"], "/a/b");
    for path in ["/a", "/a/me", "/b/me"] {
        app.visitor().get(path).await.expect_problem(404, "not_found");
    }
}

/// The prefix `__Host-` needs this path, and the session is of the whole origin.
#[tokio::test]
async fn the_cookie_is_for_the_whole_origin_and_the_origin_has_no_path() {
    let app = https_app("https://app.example.com/auth").await;
    let ada = Actor::new(&app, "ada");
    ada.register().await.expect(202);
    let fields = json!({ "email": ada.email, "password": password_of("ada") });
    let login = |origin: &str| ada.request("POST", "/auth/login").header("Origin", origin).json(&fields).send();
    let cookie = login("https://app.example.com").await.expect(200).set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-session=") && cookie.ends_with("; Path=/"), "{cookie}");
    login("https://app.example.com/auth").await.expect_problem(403, "cross_origin");
}

#[test]
fn a_base_path_that_begins_like_a_path_of_the_service_is_refused() {
    let mut taken: BTreeSet<&str> = ["docs", "style.css"].into();
    taken.extend(contract::operations().iter().map(|operation| operation.path.split('/').nth(1).unwrap()));
    assert!(taken.contains("me") && taken.contains("password") && taken.contains("openapi.json"), "{taken:?}");
    let dir = fresh_dir("wrong");
    for segment in taken {
        let url = format!("http://localhost/{segment}/auth");
        let variables = [
            ("PUBLIC_URL", url.as_str()),
            ("LISTEN", "127.0.0.1:0"),
            ("DATA_DIR", dir.to_str().unwrap()),
            ("DATABASE_URL", "postgres://x@127.0.0.1:1/x"),
        ];
        let output = run(&["serve"], &variables);
        assert_refused(&output, "PUBLIC_URL");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!("must not begin with /{segment},")), "{said}");
    }
}

#[tokio::test]
async fn the_log_and_the_health_command_know_the_base_path() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (dir, url) = (fresh_dir("data"), format!("http://{address}/auth"));
    let variables = [("LISTEN", address.as_str()), ("PUBLIC_URL", &url), ("DATA_DIR", dir.to_str().unwrap())];
    let process = Process::start(&dir, &variables);
    assert_eq!(process.ready().await.base, url);
    let log = process.log();
    assert!(log.contains(&format!("docs     {url}/docs/")) && log.contains(&format!("{url}/dev/mailbox ")), "{log}");
    let health = run(&["health"], &variables);
    assert!(health.status.success(), "{}", String::from_utf8_lossy(&health.stderr));
}
