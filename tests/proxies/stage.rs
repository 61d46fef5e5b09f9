//! Service, proxy and application, with clients of the proxy.

use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::readme::read;
use crate::support::backend::{Backend, Seen};
use crate::support::proxies::free_address;
use crate::support::{Actor, Credential, TestApp};

/// Service, proxy and application.
pub struct Stage<P> {
    pub app: TestApp,
    /// Runs as long as this lives.
    _proxy: P,
    pub base: String,
    pub backend: Backend,
    client: reqwest::Client,
}

/// What a client got from the proxy.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
}

impl Answer {
    pub fn location(&self) -> Url {
        Url::parse(self.headers[LOCATION].to_str().unwrap()).unwrap()
    }

    /// Where the login page leads back to.
    pub fn next(&self) -> Option<String> {
        self.location().query_pairs().find(|(name, _)| name == "next").map(|(_, value)| value.into_owned())
    }
}

/// The code block of a guide, with the addresses of this test.
pub fn from_guide(guide: &str, language: &str, changes: &[(&str, &str)]) -> String {
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
    pub async fn new(start: impl AsyncFnOnce(&str, &str, &str) -> Option<P>) -> Option<Self> {
        let address = free_address();
        let origin = format!("http://{address}");
        let (public_url, login_url) = (format!("{origin}/auth"), format!("{origin}/public/sign-in"));
        let flags = ["--trusted-proxies=127.0.0.1", "--public-url", &public_url, "--login-url", &login_url];
        let app = TestApp::with_flags(&flags).await;
        let backend = Backend::start();
        let service = app.http.base.trim_start_matches("http://").to_owned();
        let proxy = start(&address, &service, backend.address()).await?;
        let none = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().redirect(none).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Some(Self { app, _proxy: proxy, base: origin, backend, client })
    }

    pub fn request(&self, method: &str, path: &str, actor: &Actor) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        match &actor.credential {
            Credential::Cookie(token) => request.header("Cookie", format!("other=1; {}={token}", self.app.cookie_name)),
            Credential::Bearer(token) => request.bearer_auth(token),
            Credential::Nothing => request,
        }
    }

    pub async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone() }
    }

    pub async fn get(&self, path: &str, actor: &Actor) -> Answer {
        self.ask(self.request("GET", path, actor)).await
    }

    /// The one request that reached the application.
    #[track_caller]
    pub fn reached(&self) -> Seen {
        let mut seen = self.backend.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        self.exchange(&request_head(method, path, &self.base, headers), &[]).await
    }

    /// Sends bytes as they are, and reads until nothing more comes.
    pub async fn exchange(&self, head: &str, body: &[u8]) -> String {
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
}

pub fn request_head(method: &str, path: &str, base: &str, headers: &[(&str, &str)]) -> String {
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
