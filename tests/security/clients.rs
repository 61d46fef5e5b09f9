//! One client against many accounts: how many attempts it has, and how the service recognises it.

use chrono::Duration;
use serde_json::json;

use crate::security::{fail, limited, post_from, wait_of};
use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::{Credential, TestApp, password_of};

/// Gives a client this many failed logins.
async fn set_failed_logins(app: &TestApp, client: &str, count: u32) {
    fail(app, client, "email", "unknown@example.com").await.expect(401);
    app.database.rows(&format!("update client_throttles set count = {count} where action = 'failed_sign_in'")).await;
}

#[tokio::test]
async fn a_client_may_fail_fifty_times_in_fifteen_minutes() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    let own = json!({ "email": ada.email, "password": ada.password });
    set_failed_logins(&app, "198.51.100.7", 48).await;
    for number in 0..2 {
        fail(&app, "198.51.100.7", "email", &format!("{number}@example.com")).await.expect(401);
    }
    let wait = wait_of(fail(&app, "198.51.100.7", "email", "fresh@example.com").await);
    assert!((890..=900).contains(&wait), "{wait}");
    wait_of(post_from(&app, "198.51.100.7", "/login", &own).await);
    post_from(&app, "198.51.100.8", "/login", &own).await.expect(200);
    app.clock.advance(Duration::seconds(wait));
    post_from(&app, "198.51.100.7", "/login", &own).await.expect(200);
}

#[tokio::test]
async fn a_throttled_client_adds_no_rows_and_gets_the_longer_wait() {
    let app = limited().await;
    fail(&app, "198.51.100.9", "email", "slow@example.com").await.expect(401);
    let blocked_until = app.clock.now() + Duration::hours(1);
    app.database.rows(&format!("update login_throttles set blocked_until = '{blocked_until}'")).await;
    set_failed_logins(&app, "198.51.100.7", 50).await;
    let rows = "select count(*) from login_throttles";
    let before = app.database.number(rows).await;
    for number in 0..5 {
        wait_of(fail(&app, "198.51.100.7", "email", &format!("{number}@example.com")).await);
        wait_of(fail(&app, "198.51.100.7", "username", &format!("name{number}")).await);
    }
    assert_eq!(app.database.number(rows).await, before);
    assert!(wait_of(fail(&app, "198.51.100.7", "email", "other@example.com").await) <= 900);
    // Until then the service answers from memory, which knows only that this client must wait.
    app.clock.advance(Duration::seconds(5));
    assert!(wait_of(fail(&app, "198.51.100.7", "email", "slow@example.com").await) > 3000);
}

#[tokio::test]
async fn a_client_may_register_sixty_times_an_hour() {
    let app = limited().await;
    let register = async |client: &str, number: u32| {
        let fields = json!({ "email": format!("{number}@example.com"), "password": password_of("claimant") });
        post_from(&app, client, "/register", &fields).await
    };
    for number in 0..60 {
        register("198.51.100.7", number).await.expect(202);
    }
    let wait = wait_of(register("198.51.100.7", 60).await);
    assert!((3500..=3600).contains(&wait), "{wait}");
    assert_eq!(app.database.number("select count(*) from users").await, 60);
    register("198.51.100.8", 61).await.expect(202);
    app.clock.advance(Duration::seconds(wait));
    register("198.51.100.7", 62).await.expect(202);
}

#[tokio::test]
async fn without_trusted_proxies_no_header_changes_the_client_address() {
    let app = TestApp::with_flags(&["--rate-limits", "on"]).await;
    set_failed_logins(&app, "198.51.100.1", 50).await;
    for claimed in ["198.51.100.2", "127.0.0.2", "::1", "2001:db8::1", "203.0.113.1, 198.51.100.3"] {
        wait_of(fail(&app, claimed, "email", "fresh@example.com").await);
    }
    let forwarded = app.visitor().request("POST", "/login").header("Forwarded", "for=198.51.100.9");
    let forwarded = forwarded.header("X-Real-IP", "198.51.100.9").header("CF-Connecting-IP", "198.51.100.9");
    wait_of(forwarded.json(&json!({ "email": "fresh@example.com", "password": "x" })).send().await);
    assert_eq!(app.database.number("select count(*) from client_throttles where client = '127.0.0.1'").await, 2);
}

#[tokio::test]
async fn behind_trusted_proxies_the_rightmost_untrusted_address_counts() {
    let app = limited().await;
    set_failed_logins(&app, "198.51.100.7", 50).await;
    let invented =
        ["1.2.3.4, 198.51.100.7", "1.2.3.4,198.51.100.7, 127.0.0.1", "nonsense, 198.51.100.7", "::ffff:198.51.100.7"];
    for list in invented {
        wait_of(fail(&app, list, "email", "fresh@example.com").await);
    }
    let two_lines = |first: &[u8], second: &[u8]| {
        let request = app.visitor().request("POST", "/login").header("X-Forwarded-For", first);
        let request = request.header("X-Forwarded-For", second);
        request.json(&json!({ "email": "fresh@example.com", "password": "x" })).send()
    };
    wait_of(two_lines(b"1.2.3.4", b"198.51.100.7").await);
    wait_of(two_lines(b"1.2.3.4", b"\xff, 198.51.100.7").await);
    fail(&app, "198.51.100.7, 1.2.3.4", "email", "fresh@example.com").await.expect(401);
}

#[tokio::test]
async fn an_ipv6_client_is_its_64_bit_prefix() {
    let app = limited().await;
    set_failed_logins(&app, "2001:db8:1:2::1", 50).await;
    for same in ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:0DB8:0001:0002::"] {
        wait_of(fail(&app, same, "email", "fresh@example.com").await);
    }
    fail(&app, "2001:db8:1:3::1", "email", "fresh@example.com").await.expect(401);
}

#[tokio::test]
async fn an_untrusted_proxy_is_logged_once() {
    let database = TestDatabase::migrated();
    let process = Process::start(&fresh_dir("data"), &[("DATABASE_URL", &database.url)]);
    let http = process.ready().await;
    let login = |forwarded: Option<&str>| {
        let request = http.request("POST", "/login").json(&json!({ "email": "a@example.com", "password": "x" }));
        match forwarded {
            Some(address) => request.header("X-Forwarded-For", address).send(),
            None => request.send(),
        }
    };
    login(None).await.expect(401);
    let says = |log: &str| log.matches("set TRUSTED_PROXIES=127.0.0.1").count();
    assert_eq!(says(&process.log()), 0, "{}", process.log());
    for address in ["198.51.100.7", "198.51.100.8"] {
        login(Some(address)).await.expect(401);
    }
    assert_eq!(says(&process.log()), 1, "{}", process.log());
}
