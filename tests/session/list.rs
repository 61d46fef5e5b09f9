//! `GET /sessions`: users see their own sessions and no others.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::support::{Actor, Credential, TestApp};

async fn sessions(actor: &Actor) -> Vec<Value> {
    actor.get("/sessions").await.expect(200).json()["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_member_sees_their_sessions_newest_first_and_which_one_is_current() {
    let app = TestApp::start().await;
    let first = app.member("ada").await;
    app.member("bob").await;
    let mut second = first.with(Credential::Nothing);
    let login = second.sign_in_with_bearer().await.json();
    let seen = sessions(&second).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0]["id"], login["session"]["id"]);
    assert_eq!(seen[0]["expires_at"], login["session"]["expires_at"]);
    assert_eq!((&seen[0]["current"], &seen[1]["current"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(seen[0]["ip"], "127.0.0.1");
    assert_eq!(seen[0]["user_agent"], "vestibule-tests/1");
    let seen = sessions(&first).await;
    assert_eq!((&seen[0]["current"], &seen[1]["current"]), (&Value::Bool(false), &Value::Bool(true)));
    assert!(!seen.iter().any(|session| session.to_string().contains(second.token())));
}

#[tokio::test]
async fn an_ended_session_is_not_listed() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let mut there = ada.with(Credential::Nothing);
    there.sign_in().await;
    assert_eq!(sessions(&ada).await.len(), 2);
    there.post("/logout").await.expect(204);
    assert_eq!(sessions(&ada).await.len(), 1);
    app.clock.advance(Duration::hours(13));
    there.sign_in().await;
    assert_eq!(sessions(&there).await.len(), 1);
}

#[tokio::test]
async fn the_last_use_is_recorded_more_exactly_for_a_short_idle_time() {
    for (idle, minutes, is_recorded) in [("12h", 4, false), ("12h", 6, true), ("2h", 2, true), ("5m", 2, true)] {
        let app = TestApp::with_flags(&["--session-idle-ttl", idle]).await;
        let ada = app.member("ada").await;
        let last_seen =
            async || -> DateTime<Utc> { sessions(&ada).await[0]["last_seen_at"].as_str().unwrap().parse().unwrap() };
        let before = last_seen().await;
        app.clock.advance(Duration::minutes(minutes));
        ada.get("/me").await.expect(200);
        let recorded = (last_seen().await - before).num_minutes();
        assert_eq!(recorded, if is_recorded { minutes } else { 0 }, "{idle}, {minutes} minutes");
    }
}

#[tokio::test]
async fn recording_a_use_writes_little() {
    let app = TestApp::start().await;
    app.member("ada").await;
    // Full pages, as a large table has.
    app.database
        .rows(
            "insert into sessions select gen_random_uuid(), sha256(n::text::bytea), user_id, created_at, last_seen_at, expires_at, \
             idle_seconds, false, ip, user_agent from sessions, generate_series(1, 1000) n",
        )
        .await;
    app.database.rows("vacuum analyze sessions").await;
    let ids = app.database.rows("select id from sessions order by random()").await;
    let mut bytes = Vec::new();
    for id in ids {
        let update = format!("update sessions set last_seen_at = now() where id = '{}'", id[0].as_deref().unwrap());
        let plan = app.database.rows(&format!("explain (analyze, wal, costs off) {update}")).await;
        let line = plan.iter().filter_map(|row| row[0].as_deref()).find(|line| line.contains("WAL:")).unwrap();
        // A page is written whole once after each checkpoint, however often it changes.
        if !line.contains("fpi") {
            bytes.push(line.rsplit("bytes=").next().unwrap().trim().parse::<u32>().unwrap());
        }
        // Other tests share the server, and dropping their databases causes checkpoints.
        if bytes.len() == 50 {
            break;
        }
    }
    // The commit adds 34 bytes.
    assert!(bytes.len() == 50 && bytes.iter().sum::<u32>() / 50 + 34 <= 150, "{bytes:?}");
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    for (flags, expected) in [(&[][..], "127.0.0.1"), (&["--trusted-proxies", "127.0.0.0/8"][..], "198.51.100.7")] {
        let app = TestApp::with_flags(flags).await;
        let ada = app.member("ada").await.with(Credential::Nothing);
        let fields = serde_json::json!({ "email": ada.email, "password": ada.password, "transport": "bearer" });
        let login = ada.request("POST", "/login").json(&fields);
        let login = login.header("X-Forwarded-For", "1.2.3.4, 198.51.100.7").send().await.expect(200).json();
        let token = login["session"]["token"].as_str().unwrap().to_owned();
        let seen = sessions(&ada.with(Credential::Bearer(token))).await;
        assert_eq!(seen[0]["ip"], expected);
    }
}

#[tokio::test]
async fn a_visitor_and_an_unconfirmed_account_are_refused() {
    let app = TestApp::start().await;
    app.visitor().get("/sessions").await.expect_problem(401, "unauthenticated");
    app.unconfirmed("ada").await.get("/sessions").await.expect_problem(403, "unconfirmed");
}
