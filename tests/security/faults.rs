//! Faults of the database and of the connection to it: every request gets a correct answer in time, valid cookies stay
//! valid, and the service recovers by itself.

use std::time::{Duration, Instant};

use serde_json::json;
use vestibule::config::Switch;

use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::proxy::{Proxy, Traffic};
use crate::support::{Actor, Answer, Credential, TestApp, eventually, password_of};

/// Five seconds, and one for a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(6);

pub(super) async fn in_time(answer: impl Future<Output = Answer>) -> Answer {
    let began = Instant::now();
    let answer = answer.await;
    let took = began.elapsed();
    assert!(took < ANSWERED_WITHIN, "{} took {took:?}", answer.request);
    answer
}

/// Every kind of request gets a 503 in time, and no cookie is changed.
pub(super) async fn assert_unavailable(app: &TestApp, ada: &Actor) {
    let visitor = ada.with(Credential::Nothing);
    let fresh = json!({ "email": "fresh@example.com", "password": password_of("fresh") });
    let resend = json!({ "email": "ada@example.com" });
    let answers = tokio::join!(
        in_time(ada.get("/me")),
        in_time(ada.get("/sessions")),
        in_time(ada.post("/logout")),
        in_time(ada.try_sign_in(json!({}))),
        in_time(visitor.try_sign_in(json!({}))),
        in_time(visitor.register_as(fresh)),
        in_time(visitor.post_json("/resend", &resend)),
    );
    let (a, b, c, d, e, f, g) = answers;
    for answer in [a, b, c, d, e, f, g] {
        // `contract::check` asserts `Retry-After` on every 503.
        let answer = answer.expect_problem(503, "unavailable");
        assert_eq!(answer.set_cookie(), None, "{}", answer.request);
    }
    in_time(app.visitor().get("/health/ready")).await.expect(503);
    in_time(app.visitor().get("/health/live")).await.expect(200);
}

/// The service works again, and sessions from before are still alive.
pub(super) async fn assert_recovered(app: &TestApp, ada: &Actor) {
    eventually("the service is ready", async || (app.visitor().get("/health/ready").await.status == 200).then_some(()))
        .await;
    assert!(ada.is_signed_in().await);
    ada.with(Credential::Nothing).try_sign_in(json!({})).await.expect(200);
}

/// Opens several connections of the pool.
async fn warm_up(ada: &Actor) {
    let asking = (0..32).map(|_| ada.get("/me"));
    futures_util::future::join_all(asking).await;
}

#[tokio::test]
async fn the_service_recovers_when_the_database_was_cut_off() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    for _ in 0..2 {
        proxy.set(Traffic::Closed);
        assert_unavailable(&app, &ada).await;
        proxy.set(Traffic::Open);
        assert_recovered(&app, &ada).await;
    }
}

#[tokio::test]
async fn the_service_recovers_when_the_database_was_frozen() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    proxy.set(Traffic::Frozen);
    assert_unavailable(&app, &ada).await;
    proxy.set(Traffic::Open);
    assert_recovered(&app, &ada).await;
}

#[tokio::test]
async fn silently_lost_connections_are_all_dropped_together() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    warm_up(&ada).await;
    let before = proxy.connections();
    assert!(before > 4, "{before} connections");
    proxy.lose_connections();
    let began = Instant::now();
    // The requests are sequential: a pool that dropped one connection at a time would need minutes.
    while ada.get("/me").await.status != 200 {}
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_recovered(&app, &ada).await;
}

#[tokio::test]
async fn a_slow_database_is_tolerated_up_to_the_time_limit() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    proxy.set(Traffic::Slow(Duration::from_millis(20)));
    in_time(ada.get("/me")).await.expect(200);
    in_time(ada.with(Credential::Nothing).try_sign_in(json!({}))).await.expect(200);
    // So slow that each query is in time, but a whole request may not be.
    proxy.set(Traffic::Slow(Duration::from_millis(300)));
    let visitor = ada.with(Credential::Nothing);
    let fresh = json!({ "email": "slow@example.com", "password": password_of("slow") });
    let answers = tokio::join!(
        in_time(visitor.try_sign_in(json!({}))),
        in_time(ada.get("/me")),
        in_time(visitor.register_as(fresh)),
    );
    for answer in [answers.0, answers.1, answers.2] {
        assert!(matches!(answer.status, 200 | 202 | 503), "{}", answer.status);
    }
    proxy.set(Traffic::Slow(Duration::from_secs(3)));
    assert_unavailable(&app, &ada).await;
    proxy.set(Traffic::Open);
    assert_recovered(&app, &ada).await;
}

#[tokio::test]
async fn no_acknowledged_registration_is_lost() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::Off).await;
    let ada = app.member("ada").await;
    let mut registering = Vec::new();
    for number in 0..40 {
        let visitor = app.visitor();
        let email = format!("{number}@example.com");
        registering.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(40 * number)).await;
            let fields = json!({ "email": email, "password": password_of("claimant") });
            (email, visitor.register_as(fields).await.status)
        }));
    }
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.cut();
    }
    let mut acknowledged = 0;
    for registration in registering {
        let (email, status) = registration.await.unwrap();
        assert!(matches!(status, 202 | 503), "{status}");
        let count =
            format!("select count(*) from users join outbox on canonical = email_canonical where email = '{email}'");
        if status == 202 {
            acknowledged += 1;
            assert_eq!(app.database.number(&count).await, 1, "{email}");
        }
    }
    assert!(acknowledged > 0);
    assert_recovered(&app, &ada).await;
}

#[tokio::test]
async fn the_service_waits_for_a_database_that_is_absent_at_startup() {
    for absence in [Traffic::Closed, Traffic::Frozen] {
        let database = TestDatabase::migrated();
        let proxy = Proxy::start(&database.url);
        proxy.set(absence.clone());
        let process = Process::start(&fresh_dir("data"), &[("DATABASE_URL", &proxy.url)]);
        let http = process.http().await;
        eventually("it listens", async || http.request("GET", "/health/live").try_send().await.ok()).await.expect(200);
        in_time(http.request("GET", "/health/ready").send()).await.expect(503);
        let login = http.request("POST", "/login").json(&json!({ "email": "ada@example.com", "password": "x" }));
        in_time(login.send()).await.expect_problem(503, "unavailable");
        // What the service sent so far is lost, and does not reach the database that appears now.
        proxy.lose_connections();
        proxy.set(Traffic::Open);
        eventually(&format!("it is ready after {absence:?}"), async || {
            (http.request("GET", "/health/ready").send().await.status == 200).then_some(())
        })
        .await;
    }
}
