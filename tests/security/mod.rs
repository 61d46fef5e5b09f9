//! What must not happen: a stranger gets in, a stranger learns who has an account, the service falls over.

mod browser;
mod canary;
mod clients;
mod faults;
mod http;
mod nothing_revealed;
mod outages;
mod overload;
mod properties;
mod resets;
mod stop;
mod strangers;
mod throttle;

use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

/// A service with rate limits behind a trusted proxy, so that a test chooses the address of the client.
pub async fn limited() -> TestApp {
    TestApp::with_flags(&["--rate-limits", "on", "--trusted-proxies", "127.0.0.1"]).await
}

/// Posts these fields as this client.
pub async fn post_from(app: &TestApp, client: &str, path: &str, fields: &Value) -> Answer {
    app.visitor().request("POST", path).header("X-Forwarded-For", client).json(fields).send().await
}

/// Signs in with a wrong password as this client.
pub async fn fail(app: &TestApp, client: &str, kind: &str, name: &str) -> Answer {
    post_from(app, client, "/login", &json!({ kind: name, "password": "wrong" })).await
}

/// Asserts a 429, and returns its `Retry-After` in seconds.
#[track_caller]
pub fn wait_of(answer: Answer) -> i64 {
    answer.expect_problem(429, "rate_limited").header("retry-after").unwrap().parse().unwrap()
}
