//! `/verify` with real proxies, each with the configuration of its guide: what reaches the application, and what does not.

use serde_json::Value;
use url::Url;

use super::stage::{Stage, from_guide, request_head};
use crate::support::envoy;
use crate::support::proxies::RealProxy;
use crate::support::{Credential, eventually};
use crate::token::verified;
use crate::user_commands::user;

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

impl<P> Stage<P> {
    async fn who_passes(&self) {
        let mut ada = self.app.member("ada").await;
        let login = ada.sign_in().await.json();
        let unconfirmed = self.app.unconfirmed("bob").await;
        let visitor = self.app.visitor();
        for (actor, status) in [(&visitor, 401), (&unconfirmed, 403)] {
            let answer = self.ask(self.request("GET", "/page", actor).header("Accept", "*/*")).await;
            assert_eq!(answer.status, status);
            let post = self.request("POST", "/page", actor).header("Accept", "application/json").body("x");
            assert_eq!(self.ask(post).await.status, status);
            assert!(self.backend.take().is_empty());
        }
        assert_eq!(self.get("/public/page", &visitor).await.status, 200);
        assert_eq!(self.reached().path, "/public/page");
        assert_eq!((self.get("/auth/me", &visitor).await.status, self.get("/auth/me", &ada).await.status), (401, 200));
        let mut bearer = ada.with(Credential::Nothing);
        bearer.sign_in_with_bearer().await;
        for actor in [&ada, &bearer] {
            assert_eq!(self.get("/page?a=%2F&b=1", actor).await.status, 200);
            let seen = self.reached();
            assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/page?a=%2F&b=1"));
            assert_eq!(seen.all("x-auth-user-id"), [login["user"]["id"].as_str().unwrap()]);
            assert_eq!(
                (seen.all("x-auth-email"), seen.all("x-auth-username")),
                (vec![ada.email.as_str()], vec!["ada"])
            );
            let claims = verified(&self.app, seen.all("x-auth-token")[0]).await;
            assert_eq!(claims["sub"], login["user"]["id"]);
            assert_eq!(seen.all("x-auth-session-id"), [claims["sid"].as_str().unwrap()]);
        }
        ada.post("/logout").await.expect(204);
        assert_eq!(self.get("/page", &ada).await.status, 401);
        user(&self.app, &["disable", "ada"]).expect_success();
        assert_eq!(self.get("/page", &bearer).await.status, 401);
        assert!(self.backend.take().is_empty());
    }

    async fn a_browser_comes_back(&self) {
        let page = format!("{}/page?a=1&b=%2F", self.base);
        for method in ["GET", "POST"] {
            let visitor = self.request(method, "/page?a=1&b=%2F", &self.app.visitor()).header("Accept", BROWSER);
            let answer = self.ask(visitor).await;
            assert!(matches!(answer.status, 302 | 303), "{method}: {}", answer.status);
            assert_eq!(answer.location().path(), "/public/sign-in");
            assert_eq!(answer.next().as_deref(), Some(page.as_str()));
        }
        // Whatever a client claims, it is led back to this host only.
        for name in ["Host", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Original-URL", "Forwarded"] {
            for value in
                ["evil.example", "https://evil.example/", "//evil.example", "app@evil.example", "@evil.example/"]
            {
                let answer = self.raw("GET", "/page", &[(name, value), ("Accept", BROWSER)]).await;
                let location = answer.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("location").then_some(value)
                });
                // A proxy may refuse a strange Host itself.
                let Some(location) = location else {
                    assert!(answer.starts_with("HTTP/1.1 4") || name == "Host", "{name}: {value}: {answer}");
                    continue;
                };
                let location = Url::parse(location).unwrap();
                assert_eq!(location[..url::Position::BeforePath], *self.base, "{name}: {value}");
                for (_, next) in location.query_pairs() {
                    assert!(next.starts_with(&format!("{}/", self.base)), "{name}: {value}: {next}");
                }
            }
        }
        assert!(self.backend.take().is_empty());
    }

    async fn no_client_says_who_it_is(&self) {
        let ada = self.app.member("eve").await;
        ada.change_username(&Value::Null).await.expect(200);
        let cookie = format!("{}={}", self.app.cookie_name, ada.token());
        for name in ["User-Id", "Email", "Username", "Session-Id", "Token"] {
            for spelling in [
                format!("X-Auth-{name}"),
                format!("x-auth-{name}").to_lowercase(),
                format!("X-AUTH-{name}").to_uppercase(),
                format!("X_Auth_{name}").replace('-', "_"),
                format!("X-Auth_{name}"),
                format!("X_Auth-{name}"),
            ] {
                for path in ["/page", "/public/page"] {
                    for value in ["evil", ""] {
                        let forged =
                            [(spelling.as_str(), value), (spelling.as_str(), "evil"), ("Cookie", cookie.as_str())];
                        let answer = self.raw("GET", path, &forged).await;
                        for seen in self.backend.take() {
                            let claims: Vec<_> =
                                seen.headers.iter().filter(|(name, _)| name.contains("auth")).collect();
                            assert!(claims.iter().all(|(_, value)| value != "evil"), "{spelling}: {claims:?}");
                            let expected = if path == "/page" { 5 } else { 0 };
                            assert_eq!(claims.len(), expected, "{spelling} at {path}: {claims:?}");
                        }
                        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 4"), "{answer}");
                    }
                }
            }
        }
    }

    async fn what_is_sent_arrives_unharmed(&self) {
        let ada = self.app.member("carol").await;
        let body: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let request = self.request(method, "/things?x=1", &ada).header("Content-Type", "application/x-things");
            let request = request.header("Origin", "https://elsewhere.example").body(body.clone());
            assert_eq!(self.ask(request).await.status, 200, "{method}");
            let seen = self.reached();
            assert_eq!((seen.method.as_str(), seen.path.as_str()), (method, "/things?x=1"));
            assert!(seen.body == body && seen.all("content-type") == ["application/x-things"], "{method}");
        }
        let cookie = format!("{}={}", self.app.cookie_name, ada.token());
        // What curl sends with a large file.
        let length = body.len().to_string();
        let head = [("Cookie", cookie.as_str()), ("Content-Length", length.as_str()), ("Expect", "100-continue")];
        let answer = self.exchange(&request_head("POST", "/file", &self.base, &head), &body).await;
        assert!(answer.contains(" 200 "), "{answer}");
        assert!(self.reached().body == body);
        let upgrade = [
            ("Cookie", cookie.as_str()),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = self.raw("GET", "/socket", &upgrade).await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let seen = self.reached();
        assert_eq!((seen.all("upgrade"), seen.all("x-auth-username")), (vec!["websocket"], vec!["carol"]));
        let answer = self.raw("GET", "/socket", &upgrade[1..]).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }

    async fn nothing_passes_without_the_database(&self) {
        let ada = self.app.member("dora").await;
        assert_eq!(self.get("/page", &ada).await.status, 200);
        self.backend.take();
        self.app.database.close();
        let status = self.get("/page", &ada).await.status;
        assert!(matches!(status, 500 | 503), "{status}");
        assert!(self.backend.take().is_empty());
        self.app.database.open();
        let again = async || (self.get("/page", &ada).await.status == 200).then_some(());
        eventually("the session works again", again).await;
    }

    async fn holds(&self) {
        self.who_passes().await;
        self.a_browser_comes_back().await;
        self.no_client_says_who_it_is().await;
        self.what_is_sent_arrives_unharmed().await;
        self.nothing_passes_without_the_database().await;
    }
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn nginx_lets_only_confirmed_users_through() {
    let stage = Stage::new(async |address, service, application| {
        let configuration = from_guide(
            "nginx",
            "nginx",
            &[
                ("listen 443 ssl;", &format!("listen {address};")),
                ("ssl_certificate /etc/nginx/app.example.com.pem;", ""),
                ("ssl_certificate_key /etc/nginx/app.example.com.key;", ""),
                ("127.0.0.1:8080", service),
                ("127.0.0.1:3000", application),
            ],
        );
        RealProxy::nginx_servers(address, &configuration).await
    });
    if let Some(stage) = stage.await {
        stage.holds().await;
    }
}

/// Something that behaves like Envoy, where Envoy itself cannot be had. It knows no WebSockets.
#[tokio::test]
async fn a_double_of_envoy_lets_only_confirmed_users_through() {
    let stage = Stage::new(async |address: &str, service: &str, application: &str| {
        Some(envoy::start(address, service, application))
    });
    let stage = stage.await.unwrap();
    stage.who_passes().await;
    stage.no_client_says_who_it_is().await;
    stage.nothing_passes_without_the_database().await;
}

/// As PyPI has it; `ENVOY` names it. It does not say which page was asked for.
#[tokio::test]
#[ignore = "needs Envoy"]
async fn envoy_lets_only_confirmed_users_through() {
    let Ok(program) = std::env::var("ENVOY") else {
        return println!("Skipped: ENVOY names no program");
    };
    let stage = Stage::new(async |address, service, application| {
        let manager = from_guide("envoy", "yaml", &[("\"app.example.com\"", "\"*\""), ("127.0.0.1:8080", service)]);
        RealProxy::envoy(&program, address, &manager, &[("vestibule", service), ("app", application)]).await
    });
    if let Some(stage) = stage.await {
        stage.who_passes().await;
        stage.no_client_says_who_it_is().await;
        stage.what_is_sent_arrives_unharmed().await;
        stage.nothing_passes_without_the_database().await;
    }
}

async fn caddy(program: &str) {
    let stage = Stage::new(async |address, service, application| {
        let site = format!("http://{address}");
        let changes =
            [("app.example.com", site.as_str()), ("127.0.0.1:8080", service), ("127.0.0.1:3000", application)];
        RealProxy::caddy(program, address, &from_guide("caddy", "caddyfile", &changes)).await
    });
    if let Some(stage) = stage.await {
        stage.holds().await;
    }
}

#[tokio::test]
#[ignore = "needs Caddy"]
async fn caddy_lets_only_confirmed_users_through() {
    caddy("caddy").await;
}

/// A current one, as PyPI has it; `CADDY` names it.
#[tokio::test]
#[ignore = "needs Caddy 2.11 or later"]
async fn a_current_caddy_lets_only_confirmed_users_through() {
    match std::env::var("CADDY") {
        Ok(program) => caddy(&program).await,
        Err(_) => println!("Skipped: CADDY names no program"),
    }
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn haproxy_lets_only_confirmed_users_through() {
    let stage = Stage::new(async |address, service, application| {
        let lua = from_guide("haproxy", "lua", &[("127.0.0.1:8080", service)]);
        let changes = [
            (":443 ssl crt /etc/haproxy/app.example.com.pem", address),
            ("https://%[req.hdr(host)]", "http://%[req.hdr(host)]"),
            ("/etc/haproxy/vestibule.lua", "vestibule.lua"),
            ("127.0.0.1:8080", service),
            ("127.0.0.1:3000", application),
        ];
        RealProxy::haproxy(address, &from_guide("haproxy", "haproxy", &changes), &lua).await
    });
    if let Some(stage) = stage.await {
        stage.holds().await;
    }
}
