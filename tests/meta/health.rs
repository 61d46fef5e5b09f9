//! `/health/*`: the service is alive without its database, and ready only with it. The answers are not problem
//! documents.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
use crate::support::{TestApp, eventually};

#[tokio::test]
async fn a_service_with_its_database_is_alive_and_ready() {
    let app = TestApp::start().await;
    let live = app.visitor().get("/health/live").await.expect(200);
    assert_eq!(live.json(), json!({ "status": "ok", "checks": {} }));
    let ready = app.visitor().get("/health/ready").await.expect(200);
    assert_eq!(ready.json(), json!({ "status": "ok", "checks": { "database": "ok", "mail": "ok" } }));
}

#[tokio::test]
async fn readiness_is_degraded_while_mails_cannot_be_sent() {
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Reply("421 not now".into()));
    let url = smtp.url.clone();
    let app = TestApp::with_flags(&["--smtp-url", &url]).await;
    app.unconfirmed("ada").await;
    let ready = async || app.visitor().get("/health/ready").await.expect(200).json();
    let degraded = json!({ "status": "degraded", "checks": { "database": "ok", "mail": "degraded" } });
    eventually("mail is degraded", async || (ready().await == degraded).then_some(())).await;

    smtp.always(Moment::Greeting, Behaviour::Usual);
    app.advance_and_deliver(chrono::Duration::minutes(2)).await;
    eventually("mail is back", async || (ready().await["status"] == "ok").then_some(())).await;
    assert_eq!(smtp.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn the_service_notices_when_the_database_goes_away_and_comes_back() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.database.close();
    let ready = app.visitor().get("/health/ready").await.expect(503);
    assert_eq!(ready.json(), json!({ "status": "unavailable", "checks": { "database": "unavailable", "mail": "ok" } }));
    app.visitor().get("/health/live").await.expect(200);
    let answer = ada.get("/me").await.expect_problem(503, "unavailable");
    assert_eq!(answer.set_cookie(), None, "a valid cookie is not cleared");
    let login = ada.try_sign_in(json!({})).await.expect_problem(503, "unavailable");
    assert_eq!(login.set_cookie(), None);
    ada.post("/logout").await.expect_problem(503, "unavailable");
    ada.register().await.expect_problem(503, "unavailable");

    app.database.open();
    eventually("the service is ready again", async || {
        (app.visitor().get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    assert!(ada.is_signed_in().await, "the session survives");
}

/// As behind a pooler in transaction mode, which sends a statement to a server that did not prepare it.
#[tokio::test]
async fn lost_statements_are_an_outage_and_their_connections_are_replaced() {
    use diesel_async::SimpleAsyncConnection as _;
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    join_all((0..16).map(|_| ada.get("/me"))).await;
    app.visitor().get("/health/ready").await.expect(200);
    let deallocate = || {
        app.inside.db.run(async |conn| {
            let done = conn.batch_execute("deallocate all").await;
            // Until all connections are in use, so that each gets its turn.
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            done
        })
    };
    join_all((0..16).map(|_| deallocate())).await.into_iter().for_each(|done| done.unwrap());
    let mut statuses = Vec::new();
    for _ in 0..20 {
        for path in ["/me", "/health/ready", "/sessions"] {
            statuses.push(ada.get(path).await.status);
        }
    }
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert!(statuses.contains(&503) && statuses.ends_with(&[200; 9]), "{statuses:?}");
}
