//! `/verify` with real proxies, each with the configuration of its guide: what reaches the application, and what does not.

use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::readme::read;
use crate::support::backend::{Backend, Seen};
use crate::support::envoy::Envoy;
use crate::support::proxies::{RealProxy, free_address};
use crate::support::{Actor, Credential, TestApp, eventually};
use crate::token::verified;
use crate::user_commands::user;

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// Service, proxy and application.
struct Stage<P> {
    app: TestApp,
    /// Runs as long as this lives.
    _proxy: P,
    base: String,
    backend: Backend,
    client: reqwest::Client,
}

/// What a client got from the proxy.
struct Answer {
    status: u16,
    headers: HeaderMap,
}

impl Answer {
    fn location(&self) -> Url {
        Url::parse(self.headers[LOCATION].to_str().unwrap()).unwrap()
    }

    /// Where the login page leads back to.
    fn next(&self) -> Option<String> {
        self.location().query_pairs().find(|(name, _)| name == "next").map(|(_, value)| value.into_owned())
    }
}

/// The code block of a guide, with the addresses of this test.
fn from_guide(guide: &str, language: &str, changes: &[(&str, &str)]) -> String {
    let page = read(&format!("docs/guides/{guide}.md"));
    let block = page.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
    let mut text = block.to_owned();
    for (written, here) in changes {
        assert!(text.contains(written), "{guide}: {written}");
        text = text.replace(written, here);
    }
    text
}

impl<P> Stage<P> {
    /// `start` gets the addresses of proxy, service and application.
    async fn new(start: impl AsyncFnOnce(&str, &str, &str) -> Option<P>) -> Option<Self> {
        let address = free_address();
        let origin = format!("http://{address}");
        let (public_url, login_url) = (format!("{origin}/auth"), format!("{origin}/public/sign-in"));
        let flags = ["--trusted-proxies=127.0.0.1", "--public-url", &public_url, "--login-url", &login_url];
        let app = TestApp::with_flags(&flags).await;
        let backend = Backend::start();
        let service = app.http.base.trim_start_matches("http://").to_owned();
        let proxy = start(&address, &service, &backend.address).await?;
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(none).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Some(Self { app, _proxy: proxy, base: origin, backend, client })
    }

    fn request(&self, method: &str, path: &str, actor: &Actor) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        match &actor.credential {
            Credential::Cookie(token) => request.header("Cookie", format!("other=1; {}={token}", self.app.cookie_name)),
            Credential::Bearer(token) => request.bearer_auth(token),
            Credential::Nothing => request,
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone() }
    }

    async fn get(&self, path: &str, actor: &Actor) -> Answer {
        self.ask(self.request("GET", path, actor)).await
    }

    /// The one request that reached the application.
    #[track_caller]
    fn reached(&self) -> Seen {
        let mut seen = self.backend.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

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

    async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        self.exchange(&request_head(method, path, &self.base, headers), &[]).await
    }

    /// Sends bytes as they are, and reads until nothing more comes.
    async fn exchange(&self, head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.base.trim_start_matches("http://")).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        let patience = |answer: &[u8]| Duration::from_millis(if answer.is_empty() { 10_000 } else { 300 });
        while let Ok(Ok(count @ 1..)) = tokio::time::timeout(patience(&answer), stream.read(&mut buffer)).await {
            answer.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn holds(&self) {
        self.who_passes().await;
        self.a_browser_comes_back().await;
        self.no_client_says_who_it_is().await;
        self.what_is_sent_arrives_unharmed().await;
        self.nothing_passes_without_the_database().await;
    }
}

fn request_head(method: &str, path: &str, base: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    let has = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if !has("host") {
        head += &format!("Host: {}\r\n", base.trim_start_matches("http://"));
    }
    if !has("connection") {
        head += "Connection: close\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
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

/// Envoy names no page to come back to, and this double knows no WebSockets.
#[tokio::test]
async fn envoy_lets_only_confirmed_users_through() {
    let stage = Stage::new(async |address: &str, service: &str, application: &str| {
        Some(Envoy::start(address, service, application))
    });
    let stage = stage.await.unwrap();
    stage.who_passes().await;
    stage.no_client_says_who_it_is().await;
    stage.nothing_passes_without_the_database().await;
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
