//! The HTTP client: real TCP, no cookie jar, and every answer is checked against the contract.

use reqwest::Method;
use serde_json::Value;

use super::{Answer, canary, contract};

/// A client of one service.
#[derive(Clone)]
pub struct Http {
    pub base: String,
    client: reqwest::Client,
    is_foreign: bool,
}

/// A request that is being built.
pub struct Request {
    http: Http,
    method: Method,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Http {
    pub fn new(base: String) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("vestibule-tests/1")
            .no_proxy()
            // The service closes connections that were idle for 5 s. A request sent at that moment would fail.
            .pool_idle_timeout(std::time::Duration::from_secs(2))
            .build()
            .unwrap();
        Self { base, client, is_foreign: false }
    }

    /// A client of an application around the service, whose answers no contract describes.
    pub fn foreign(base: String) -> Self {
        Self { is_foreign: true, ..Self::new(base) }
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            http: self.clone(),
            method: method.parse().unwrap(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }
}

impl Request {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds the `Accept` header that a browser sends when it navigates.
    pub fn by_browser(self) -> Self {
        self.header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    }

    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends the request. Where a test breaks the connection, use [`Request::try_send`].
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap()
    }

    /// Sends the request and checks the answer against the contract.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        canary::requested(&self.path, &self.headers, self.body.as_deref().unwrap_or_default());
        let mut request = self.http.client.request(self.method.clone(), format!("{}{}", self.http.base, self.path));
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        let response = request.send().await?;
        let answer = Answer {
            request: format!("{} {}", self.method, self.path),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        };
        canary::answered(&answer);
        if !self.http.is_foreign {
            contract::check(self.method.as_str(), &self.path, &answer);
        }
        Ok(answer)
    }
}
