//! Sessions in all operations: each login makes a token, sent as cookie or bearer token, which lives exactly as long as
//! the server says.

use chrono::Duration;
use serde_json::json;

use crate::support::actor::cookie_value;
use crate::support::{Credential, TestApp};

#[tokio::test]
async fn each_login_makes_a_new_token_and_ends_the_session_of_the_request() {
    let app = TestApp::start().await;
    let before = app.member("ada").await;
    let mut after = before.clone();
    after.sign_in().await;
    assert_ne!(before.token(), after.token());
    before.get("/me").await.expect_problem(401, "unauthenticated");
    assert!(after.is_signed_in().await);

    let mut bearer = after.clone();
    bearer.sign_in_with_bearer().await;
    assert!(!after.is_signed_in().await && bearer.is_signed_in().await);
    let mut bob = app.member("bob").await;
    bob.credential = bearer.credential.clone();
    bob.sign_in().await;
    assert!(!bearer.is_signed_in().await, "also if another user signs in with it");
}

#[tokio::test]
async fn a_token_chosen_by_the_client_never_becomes_a_session() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let chosen = "A".repeat(43);
    ada.credential = Credential::Cookie(chosen.clone());
    let answer = ada.sign_in().await;
    assert_ne!(cookie_value(&answer, app.cookie_name), chosen);
    assert!(!ada.with(Credential::Cookie(chosen)).is_signed_in().await);
}

#[tokio::test]
async fn cookie_and_bearer_are_one_kind_of_session() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let token = ada.token().to_owned();
    assert!(ada.with(Credential::Bearer(token)).passes_the_guard().await);
    ada.sign_in_with_bearer().await;
    let token = ada.token().to_owned();
    assert!(ada.with(Credential::Cookie(token.clone())).passes_the_guard().await);
    let scheme =
        |scheme: &str| app.visitor().request("GET", "/me").header("Authorization", format!("{scheme} {token}"));
    scheme("bearer").send().await.expect(200);
    for (before, after) in [("Bearer  ", " "), ("Bearer\t", "\t"), ("Bearer ", "\u{a0}")] {
        let header = format!("{before}{}{after}", ada.token());
        app.visitor().request("GET", "/me").header("Authorization", header).send().await.expect(200);
    }
    scheme("BEARER").send().await.expect(200);
    scheme("Basic").send().await.expect(401);
    scheme("Token").send().await.expect(401);
}

#[tokio::test]
async fn a_bearer_token_overrides_the_cookie() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let both = ada.request("GET", "/me").header("Authorization", format!("Bearer {}", bob.token()));
    assert_eq!(both.send().await.expect(200).json()["username"], "bob");
    ada.request("GET", "/me").header("Authorization", "Bearer nonsense").send().await.expect(401);
}

#[tokio::test]
async fn the_cookie_is_found_among_others() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let cookies = format!("a=b; vestibule_session={}; internal=x; session=y", ada.token());
    app.visitor().request("GET", "/me").header("Cookie", cookies).send().await.expect(200);
    let two = format!("vestibule_session=nonsense; vestibule_session={}", ada.token());
    app.visitor().request("GET", "/me").header("Cookie", two).send().await.expect(200);
    let inner = format!("internal={}", ada.token());
    app.visitor().request("GET", "/me").header("Cookie", inner).send().await.expect(401);
}

#[tokio::test]
async fn an_unknown_token_is_ignored() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = ada.token().to_owned();
    let flipped = format!("{}{}", if token.starts_with('A') { "B" } else { "A" }, &token[1..]);
    let wrong = [
        String::new(),
        "x".into(),
        token[..42].to_owned(),
        format!("{token}{token}"),
        format!("{token}="),
        flipped,
        "A".repeat(43),
        "A".repeat(4096),
        "%00".into(),
        "\u{e9}".repeat(10),
        "null".into(),
    ];
    for text in wrong {
        for credential in [Credential::Cookie(text.clone()), Credential::Bearer(text.clone())] {
            let stranger = ada.with(credential);
            stranger.get("/me").await.expect_problem(401, "unauthenticated");
            stranger.post("/logout").await.expect(204);
        }
    }
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn an_idle_session_ends() {
    let flags = ["--session-ttl", "12h", "--session-idle-ttl", "1h"];
    let app = TestApp::with_flags(&flags).await;
    let ada = app.member("ada").await;
    for _ in 0..3 {
        app.clock.advance(Duration::minutes(59));
        assert!(ada.is_signed_in().await);
    }
    app.clock.advance(Duration::minutes(61));
    ada.get("/me").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_session_expires_even_while_in_use() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    for _ in 0..11 {
        app.clock.advance(Duration::hours(1));
        assert!(ada.is_signed_in().await);
    }
    app.clock.advance(Duration::minutes(61));
    ada.get("/me").await.expect_problem(401, "unauthenticated");
    ada.get("/sessions").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_remembered_session_has_longer_limits_of_both_kinds() {
    let app = TestApp::start().await;
    let mut idle = app.member("ada").await;
    idle.credential =
        Credential::Cookie(cookie_value(&idle.try_sign_in(json!({ "remember": true })).await, app.cookie_name));
    let used = idle.with(Credential::Nothing).try_sign_in(json!({ "remember": true })).await;
    let used = idle.with(Credential::Cookie(cookie_value(&used, app.cookie_name)));
    app.clock.advance(Duration::days(13));
    assert!(used.is_signed_in().await);
    app.clock.advance(Duration::days(2));
    assert!(used.is_signed_in().await);
    assert!(!idle.is_signed_in().await, "after 14 days without use");
    app.clock.advance(Duration::days(10));
    assert!(used.is_signed_in().await);
    app.clock.advance(Duration::days(6));
    assert!(!used.is_signed_in().await, "after 30 days in any case");
}

#[tokio::test]
async fn a_logout_on_one_instance_ends_the_session_on_all() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let other = app.beside(|_| ()).await;
    let ada_there = ada.at(&other);
    assert!(ada_there.passes_the_guard().await);
    ada.post("/logout").await.expect(204);
    assert!(!ada_there.is_signed_in().await);
}

#[tokio::test]
async fn a_confirmation_takes_effect_at_the_next_request_of_an_open_session() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    ada.get("/sessions").await.expect_problem(403, "unconfirmed");
    let path = app.mailbox.mail_to(&ada.email).await.path();
    ada.open(&path).await.expect(200);
    ada.get("/sessions").await.expect(200);
    assert_eq!(ada.get("/me").await.json()["confirmed"], true);
}

#[tokio::test]
async fn the_cookie_is_http_only_and_same_site() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let cookie = ada.sign_in().await.set_cookie().unwrap();
    let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    assert_eq!(attributes, ["HttpOnly", "SameSite=Lax", "Path=/"]);
    let strict = app.beside(|settings| settings.cookie_samesite = vestibule::config::SameSitePolicy::Strict).await;
    assert!(ada.at(&strict).sign_in().await.set_cookie().unwrap().contains("SameSite=Strict"));
}

#[tokio::test]
async fn under_https_the_cookie_is_secure_and_bound_to_the_host() {
    let key = "ab".repeat(32);
    let app =
        TestApp::with_flags(&["--public-url", "https://auth.example.com", "--secret-key", &key, "--dev-mailbox", "on"])
            .await;
    let mut ada = app.member("ada").await;
    let answer = ada.sign_in().await;
    let cookie = answer.set_cookie().unwrap();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
    assert_eq!(attributes, ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"]);
    assert!(answer.header("strict-transport-security").unwrap().starts_with("max-age="));
    assert!(ada.passes_the_guard().await);
    let plain = format!("vestibule_session={}", ada.token());
    app.visitor().request("GET", "/me").header("Cookie", plain).send().await.expect(401);
    let mail = app.mailbox.mail_to(&ada.email).await;
    assert!(mail.link().starts_with("https://auth.example.com/confirm/"));
}

#[tokio::test]
async fn the_name_of_the_cookie_can_be_chosen_and_is_documented() {
    let key = "ab".repeat(32);
    let https = ["--public-url", "https://auth.example.com", "--secret-key", &key, "--dev-mailbox", "on"];
    for (flags, chosen, name) in
        [(&[][..], None, "vestibule_session"), (&[], Some("x.y"), "x.y"), (&https, Some("x"), "__Host-x")]
    {
        let name_flags = chosen.map(|name| ["--cookie-name", name]);
        let flags: Vec<_> = flags.iter().copied().chain(name_flags.into_iter().flatten()).collect();
        let app = TestApp::with_flags(&flags).await;
        app.visitor().register().await.expect(202);
        let cookie = app.visitor().try_sign_in(json!({})).await.expect(200).set_cookie().unwrap();
        let token = cookie.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).expect(&cookie);
        let pair = format!("{name}={}", token.split(';').next().unwrap());
        app.visitor().request("GET", "/me").header("Cookie", pair).send().await.expect(200);
        let document = app.visitor().get("/openapi.json").await.json();
        assert_eq!(document["components"]["securitySchemes"]["session_cookie"]["name"], name);
    }
}

#[tokio::test]
async fn the_database_reveals_no_token() {
    use base64::Engine as _;
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    ada.sign_in_with_bearer().await;
    let link = app.mailbox.mail_to(&ada.email).await.token();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(ada.token()).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let tables = app.database.rows("select table_name from information_schema.tables where table_schema = 'public'");
    let mut seen = 0;
    for table in tables.await {
        let table = table[0].clone().unwrap();
        for row in app.database.rows(&format!("select t::text from {table} t")).await {
            let text = row[0].clone().unwrap();
            seen += 1;
            for secret in [ada.token(), &hex, &ada.password, &link, link.rsplit('.').next().unwrap()] {
                assert!(!text.contains(secret), "{table}: {text}");
            }
        }
    }
    assert!(seen >= 4, "{seen} rows");
}

#[tokio::test]
async fn a_short_idle_time_does_not_end_a_session_in_use() {
    let app = TestApp::with_flags(&["--session-idle-ttl", "30s"]).await;
    let ada = app.member("ada").await;
    for _ in 0..5 {
        app.clock.advance(Duration::seconds(20));
        assert!(ada.is_signed_in().await);
    }
    app.clock.advance(Duration::seconds(31));
    assert!(!ada.is_signed_in().await);
}

#[tokio::test]
async fn an_account_keeps_its_newest_hundred_sessions() {
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    let oldest = ada.clone();
    app.database
        .rows(
            "insert into sessions (id, token_sha256, user_id, created_at, last_seen_at, expires_at, idle_seconds, is_remembered, ip) \
             select uuid_in(overlay(id::text placing lpad(to_hex(n), 4, '0') from 25)::cstring), sha256(n::text::bytea), user_id, \
             created_at, last_seen_at, expires_at, idle_seconds, is_remembered, ip from sessions, generate_series(65000, 65119) n",
        )
        .await;
    ada.sign_in().await;
    assert_eq!(app.database.number("select count(*) from sessions").await, 100);
    assert!(ada.is_signed_in().await);
    assert!(!oldest.is_signed_in().await);
}
