//! `POST /token`: who gets an access token, and what it says.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::{Value, json};

use super::{claims, header, verified};
use crate::support::{Actor, TestApp};

async fn token(actor: &Actor) -> String {
    let answer = actor.post("/token").await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = answer.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(600)));
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_says_who_the_user_is_and_no_more() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let me = ada.get("/me").await.expect(200).json();
    let session = ada.sign_in().await.json()["session"]["id"].clone();
    let token = token(&ada).await;
    assert_eq!(header(&token)["typ"], "JWT");
    assert_eq!(header(&token)["alg"], "ES256");
    let claims = verified(&app, &token).await;
    let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["aud", "amr", "auth_time", "client_id", "exp", "iat", "iss", "jti", "sid", "sub"];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!((&claims["sub"], &claims["sid"]), (&me["id"], &session));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(app.http.base), &json!(app.http.base)));
    assert_eq!((&claims["client_id"], &claims["amr"]), (&json!("vestibule"), &json!(["pwd"])));
    let number = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!(number("exp") - number("iat"), 600);
    assert!((0..60).contains(&(number("iat") - number("auth_time"))), "{claims}");
    assert_ne!(claims["jti"], verified(&app, &self::token(&ada).await).await["jti"], "each token has an id of its own");
}

#[tokio::test]
async fn a_token_tells_when_the_user_signed_in() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.clock.advance(Duration::hours(2));
    let claims = claims(&token(&ada).await);
    let age = claims["iat"].as_i64().unwrap() - claims["auth_time"].as_i64().unwrap();
    assert!((7200..7260).contains(&age), "{claims}");
}

#[tokio::test]
async fn the_settings_decide_what_a_token_says() {
    let app = TestApp::with_flags(&[
        "--access-ttl=1m",
        "--access-audience=https://api.example.com,reports",
        "--access-token-type=at+jwt",
        "--access-client-id=web",
        "--access-claims=email,username",
    ])
    .await;
    let ada = app.member("ada").await;
    let answer = ada.post("/token").await.expect(200).json();
    assert_eq!(answer["expires_in"], 60);
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(header(token)["typ"], "at+jwt");
    let claims = claims(token);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert_eq!(claims["aud"], json!(["https://api.example.com", "reports"]));
    let told = (&claims["client_id"], &claims["email"], &claims["username"]);
    assert_eq!(told, (&json!("web"), &json!(ada.email), &json!("ada")));
    ada.change_username(&Value::Null).await.expect(200);
    let answer = ada.post("/token").await.expect(200).json();
    assert!(self::claims(answer["access_token"].as_str().unwrap()).get("username").is_none());
}

#[tokio::test]
async fn only_a_confirmed_session_gets_a_token() {
    let app = TestApp::start().await;
    app.visitor().post("/token").await.expect_problem(401, "unauthenticated");
    app.unconfirmed("bob").await.post("/token").await.expect_problem(403, "unconfirmed");
    let ada = app.member("ada").await;
    let forged = ada.request("POST", "/token").header("Origin", "https://evil.example").send().await;
    forged.expect_problem(403, "cross_origin");
    token(&ada).await;
    ada.post("/logout").await.expect(204);
    ada.post("/token").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_access_token_is_no_session_and_the_answer_says_so() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = token(&ada).await;
    let asked = app.visitor().request("GET", "/me").header("Authorization", format!("Bearer {token}"));
    let answer = asked.send().await.expect_problem(401, "unauthenticated").json();
    assert!(answer["detail"].as_str().unwrap().contains("access token"), "{answer}");
    let plain = app.visitor().get("/me").await.expect(401).json();
    assert!(!plain["detail"].as_str().unwrap().contains("access token"), "{plain}");
}
