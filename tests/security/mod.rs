//! What must not happen: somebody gets in, somebody learns who has an account, something falls over.

mod browser;
mod canary;
mod clients;
mod faults;
mod http;
mod nothing_told;
mod outages;
mod overload;
mod properties;
mod resets;
mod stop;
mod throttle;

use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

/// A service with its limits, behind a proxy that is trusted: a test chooses from where it comes.
pub async fn limited() -> TestApp {
    TestApp::with_flags(&["--rate-limits", "on", "--trusted-proxies", "127.0.0.1"]).await
}

/// The answer to these fields, sent by this client.
pub async fn post_from(app: &TestApp, client: &str, path: &str, fields: &Value) -> Answer {
    app.visitor().request("POST", path).header("X-Forwarded-For", client).json(fields).send().await
}

/// The answer to a wrong password.
pub async fn fail(app: &TestApp, client: &str, kind: &str, name: &str) -> Answer {
    post_from(app, client, "/login", &json!({ kind: name, "password": "wrong" })).await
}

/// The seconds of a 429.
#[track_caller]
pub fn wait_of(answer: Answer) -> i64 {
    answer.expect_problem(429, "rate_limited").header("retry-after").unwrap().parse().unwrap()
}
