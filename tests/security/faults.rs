//! What happens to a database, and to the way to it: every request is answered in time and truly, a good cookie stays
//! good, and the service recovers by itself.

use std::time::{Duration, Instant};

use serde_json::json;
use vestibule::config::Switch;

use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::proxy::{Proxy, Way};
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

/// Every kind of request is answered in time with 503, and nobody's cookie is touched.
pub(super) async fn assert_away(app: &TestApp, ada: &Actor) {
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
        // That there is a Retry-After, too, every answer is checked for.
        let answer = answer.expect_problem(503, "unavailable");
        assert_eq!(answer.set_cookie(), None, "{}", answer.request);
    }
    in_time(app.visitor().get("/health/ready")).await.expect(503);
    in_time(app.visitor().get("/health/live")).await.expect(200);
}

/// It can serve again, and whoever was signed in still is.
pub(super) async fn assert_back(app: &TestApp, ada: &Actor) {
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
async fn a_database_that_is_cut_off_and_comes_back() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    for _ in 0..2 {
        proxy.set(Way::Closed);
        assert_away(&app, &ada).await;
        proxy.set(Way::Open);
        assert_back(&app, &ada).await;
    }
}

#[tokio::test]
async fn a_database_that_freezes_and_thaws() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    proxy.set(Way::Frozen);
    assert_away(&app, &ada).await;
    proxy.set(Way::Open);
    assert_back(&app, &ada).await;
}

#[tokio::test]
async fn connections_that_died_without_a_word_are_all_given_up_together() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    warm_up(&ada).await;
    let before = proxy.connections();
    assert!(before > 4, "{before} connections");
    proxy.lose_connections();
    let began = Instant::now();
    // One after the other: a pool that gave up one connection at a time would need minutes.
    while ada.get("/me").await.status != 200 {}
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_back(&app, &ada).await;
}

#[tokio::test]
async fn a_slow_link_is_waited_for_but_not_for_long() {
    let (app, proxy) = TestApp::behind_a_proxy(Switch::On).await;
    let ada = app.member("ada").await;
    proxy.set(Way::Slow(Duration::from_millis(20)));
    in_time(ada.get("/me")).await.expect(200);
    in_time(ada.with(Credential::Nothing).try_sign_in(json!({}))).await.expect(200);
    // So slow that every piece of work could be in time and a whole request not.
    proxy.set(Way::Slow(Duration::from_millis(300)));
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
    proxy.set(Way::Slow(Duration::from_secs(3)));
    assert_away(&app, &ada).await;
    proxy.set(Way::Open);
    assert_back(&app, &ada).await;
}

#[tokio::test]
async fn no_registration_that_was_acknowledged_is_lost() {
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
        let count = format!("select count(*) from users join outbox on user_id = users.id where email = '{email}'");
        if status == 202 {
            acknowledged += 1;
            assert_eq!(app.database.number(&count).await, 1, "{email}");
        }
    }
    assert!(acknowledged > 0);
    assert_back(&app, &ada).await;
}

#[tokio::test]
async fn a_database_that_is_absent_at_start_is_waited_for() {
    for absence in [Way::Closed, Way::Frozen] {
        let database = TestDatabase::migrated();
        let proxy = Proxy::before(&database.url);
        proxy.set(absence.clone());
        let process = Process::start(&fresh_dir("data"), &[("DATABASE_URL", &proxy.url)]);
        let http = process.http().await;
        eventually("it listens", async || http.request("GET", "/health/live").try_send().await.ok()).await.expect(200);
        in_time(http.request("GET", "/health/ready").send()).await.expect(503);
        let login = http.request("POST", "/login").json(&json!({ "email": "ada@example.com", "password": "x" }));
        in_time(login.send()).await.expect_problem(503, "unavailable");
        // Whatever it said to the absent one is not heard by the one that comes.
        proxy.lose_connections();
        proxy.set(Way::Open);
        eventually(&format!("it is ready after {absence:?}"), async || {
            (http.request("GET", "/health/ready").send().await.status == 200).then_some(())
        })
        .await;
    }
}
