//! How often a request waits for the database, counted by a proxy: over a network, that is most of what it costs.

use std::time::Duration;

use serde_json::json;
use vestibule::config::Switch;

use crate::support::proxy::{Proxy, Traffic};
use crate::support::{Answer, Credential, TestApp, password_of};

/// The median of some requests: the first ones on each connection also prepare statements, and others query in between.
async fn round_trips(
    (app, proxy): (&TestApp, &Proxy),
    status: u16,
    mut request: impl AsyncFnMut(usize) -> Answer,
) -> u64 {
    proxy.set(Traffic::Slow(Duration::from_millis(5)));
    let mut counts = Vec::new();
    for number in 0..9 {
        app.mailbox.wait_until_idle().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = proxy.round_trips();
        request(number).await.expect(status);
        counts.push(proxy.round_trips() - before);
    }
    counts.sort_unstable();
    counts[4]
}

#[tokio::test]
async fn a_request_with_a_session_waits_once() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    assert_eq!(round_trips((&app, &proxy), 200, async |_| ada.get("/me").await).await, 1);
}

#[tokio::test]
async fn a_sign_in_waits_six_times() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    let count = round_trips((&app, &proxy), 200, async |_| ada.try_sign_in(json!({})).await).await;
    assert!(count <= 6, "{count}");
}

#[tokio::test]
async fn a_registration_waits_six_times() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    app.member("ada").await;
    // On each connection: what follows a refusal in its transaction is not even prepared.
    for number in 0..12 {
        let email = format!("bob{number}@example.com");
        app.visitor().register_as(json!({ "email": email, "password": password_of(&email) })).await.expect(202);
    }
    // Refused by the last statements: after a registration that succeeds, the work of the mail worker would be counted too.
    let registers = async |number| {
        let email = format!("eve{number}@example.com");
        let fields = json!({ "email": email, "password": password_of(&email), "username": "ada" });
        app.visitor().register_as(fields).await
    };
    let count = round_trips((&app, &proxy), 409, registers).await;
    assert!(count <= 6, "{count}");
}
