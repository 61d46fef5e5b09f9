//! An answer of the service, and what tests check about it.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A complete HTTP response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Method and path, for assertion messages.
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} is not JSON: {}", self.request, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The content type without its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.header("content-type").map(|value| value.split(';').next().unwrap_or_default().trim())
    }

    /// The names of all headers: they must not reveal what the body hides.
    pub fn header_names(&self) -> BTreeSet<String> {
        self.headers.keys().map(ToString::to_string).collect()
    }

    /// Everything by which a client could distinguish two answers: status, header names, and the body without its
    /// request id.
    pub fn appearance(&self) -> (u16, BTreeSet<String>, String) {
        let mut body = self.text();
        if let Some(id) = self.header("x-request-id") {
            body = body.replace(id, "");
        }
        // A registration has a secret of its own.
        if let Ok(Value::Object(mut members)) = serde_json::from_str(&body)
            && members.remove("registration").is_some_and(|secret| secret.as_str().is_some_and(|text| text.len() == 43))
        {
            body = Value::Object(members).to_string();
        }
        (self.status, self.header_names(), body)
    }

    /// The `Set-Cookie` header; an answer has at most one.
    #[track_caller]
    pub fn set_cookie(&self) -> Option<String> {
        let all: Vec<_> = self.headers.get_all("set-cookie").iter().collect();
        assert!(all.len() <= 1, "{} sets {} cookies", self.request, all.len());
        all.first().map(|value| value.to_str().unwrap().to_owned())
    }

    /// Asserts the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        self
    }

    /// Asserts a problem document with this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.content_type(), Some("application/problem+json"), "{}", answer.request);
        assert_eq!(answer.json()["code"], code, "{}: {}", answer.request, answer.text());
        answer
    }

    /// Asserts `validation_failed` with exactly these pointers and codes.
    #[track_caller]
    pub fn expect_errors(self, expected: &[(&str, &str)]) -> Self {
        let answer = self.expect_problem(422, "validation_failed");
        let body = answer.json();
        let found: BTreeSet<(&str, &str)> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect();
        assert_eq!(found, expected.iter().copied().collect(), "{}", answer.request);
        assert_eq!(body["errors"].as_array().unwrap().len(), expected.len(), "{}", answer.text());
        answer
    }
}
