//! What every test uses: its own database, a running service, users, and a client that checks each answer against the
//! OpenAPI document.

pub mod account;
pub mod actor;
pub mod answer;
pub mod app;
pub mod backend;
pub mod binary;
pub mod browser;
pub mod canary;
pub mod chromedriver;
pub mod contract;
pub mod database;
pub mod envoy;
pub mod http;
pub mod https;
pub mod mailbox;
pub mod proxies;
pub mod proxy;
pub mod raw;
pub mod server;
pub mod smtp;
pub mod smtp_session;
pub mod tls;

pub use actor::{Actor, Credential, password_of};
pub use answer::Answer;
pub use app::TestApp;

use std::time::{Duration, Instant};

/// How long a test waits for something that must happen.
pub const BOUND: Duration = Duration::from_secs(10);

/// Repeats `ask` until it returns something, for at most [`BOUND`].
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(BOUND, what, ask).await
}

/// Repeats `ask` until it returns something, for at most `bound`.
pub async fn within<T>(bound: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {bound:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
