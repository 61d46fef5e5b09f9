//! Guessing passwords: how many attempts there are per name, from any client, on all instances.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use vestibule::config::Switch;

use crate::security::{fail, limited, post_from, wait_of};
use crate::support::{Answer, Credential, TestApp};

const CLIENT: &str = "198.51.100.7";

/// When the most recently tried name may be tried again.
async fn blocked_until(app: &TestApp) -> DateTime<Utc> {
    let statement = "select to_char(blocked_until at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
                     from login_throttles where client = '0.0.0.0/0' order by last_at desc limit 1";
    app.database.rows(statement).await[0][0].as_deref().unwrap().parse().unwrap()
}

/// Fails five times, each time only because of the password.
async fn use_up(app: &TestApp, kind: &str, names: &[&str]) {
    for name in names.iter().cycle().take(5) {
        fail(app, CLIENT, kind, name).await.expect_problem(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn five_failures_are_free_and_then_each_wait_is_exact_and_doubles() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    // From a client that the account was never signed in to from.
    let own = json!({ "email": ada.email, "password": ada.password });
    let sign_in = || post_from(&app, CLIENT, "/login", &own);
    use_up(&app, "email", &["ada@example.com"]).await;
    for expected in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        let wait = wait_of(fail(&app, CLIENT, "email", "ada@example.com").await);
        assert!((expected - 5..=expected).contains(&wait), "{wait} instead of {expected}");
        let until = blocked_until(&app).await;
        // Just before the end even the right password is refused. The clock moves in whole seconds.
        app.clock.advance(until - app.clock.now() - Duration::seconds(1));
        let early = sign_in().await;
        if app.clock.now() < until {
            let rest = wait_of(early);
            assert!((1..=2).contains(&rest), "{rest}");
            app.clock.advance(Duration::seconds(rest));
        }
        fail(&app, CLIENT, "email", "ada@example.com").await.expect_problem(401, "invalid_credentials");
    }
    app.clock.advance(Duration::seconds(wait_of(sign_in().await)));
    sign_in().await.expect(200);
    use_up(&app, "email", &["ada@example.com"]).await;
}

#[tokio::test]
async fn after_a_hundred_failures_in_a_row_waiting_does_not_help() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    fail(&app, CLIENT, "email", "ada@example.com").await.expect(401);
    let strangers = "login_throttles set failures = 99, blocked_until = null where client = '0.0.0.0/0'";
    app.database.rows(&format!("update {strangers}")).await;
    fail(&app, CLIENT, "email", "ada@example.com").await.expect(401);
    let own = json!({ "email": ada.email, "password": ada.password });
    for days in [0, 1, 60] {
        app.clock.advance(Duration::days(days));
        assert_eq!(wait_of(post_from(&app, CLIENT, "/login", &own).await), 86_400);
    }
    // The owner hears of it, once, and signs in as usual from a network that the account knows.
    let notice = app.mailbox.mail_about(&ada.email, "is locked").await;
    assert!(notice.links.is_empty() && notice.text.contains(CLIENT), "{}", notice.text);
    assert_eq!(app.mailbox.count_about(&ada.email, "is locked").await, 1);
    ada.try_sign_in(json!({})).await.expect(200);
    wait_of(post_from(&app, CLIENT, "/login", &own).await);
}

#[tokio::test]
async fn an_unknown_name_is_limited_like_any_other() {
    let app = limited().await;
    app.member("ada").await;
    app.unconfirmed("bob").await;
    let mut seen = Vec::new();
    for (kind, name) in [
        ("email", "ada@example.com"),
        ("email", "bob@example.com"),
        ("email", "nobody@example.com"),
        ("username", "ada"),
        ("username", "nobody"),
    ] {
        app.database.rows("delete from login_throttles").await;
        let mut answers = Vec::new();
        for _ in 0..7 {
            answers.push(fail(&app, CLIENT, kind, name).await.appearance());
        }
        seen.push(answers);
    }
    assert_eq!(seen[0].iter().map(|answer| answer.0).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429, 429]);
    assert!(seen.iter().all(|answers| *answers == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn spellings_of_a_name_share_one_limit() {
    let app = limited().await;
    let spellings = [
        "Ada@bücher.example",
        "ADA@xn--bcher-kva.example",
        "ａｄａ@bücher.example",
        "ada＠BU\u{308}CHER.example",
        " ada@bücher．example\n",
    ];
    use_up(&app, "email", &spellings).await;
    wait_of(fail(&app, CLIENT, "email", "aDA@XN--BCHER-KVA.EXAMPLE").await);
    fail(&app, CLIENT, "email", "аda@bücher.example").await.expect(401);

    use_up(&app, "username", &["ada", "ADA", "Ada", "aDA", "adA"]).await;
    wait_of(fail(&app, CLIENT, "username", "AdA").await);
    fail(&app, CLIENT, "username", "ad.a").await.expect(401);
}

#[tokio::test]
async fn of_fifty_concurrent_guesses_five_are_checked_on_all_instances_together() {
    let app = limited().await;
    app.member("ada").await;
    let other = app
        .beside(|settings| {
            settings.rate_limits = Switch::On;
            settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        })
        .await;
    let before = app.inside.hasher.computed() + other.inside.hasher.computed();
    let tries = (0..50).map(|number| {
        let at = if number % 2 == 0 { &app } else { &other };
        let request = at.visitor().request("POST", "/login").header("X-Forwarded-For", format!("192.0.2.{number}"));
        let guess = json!({ "email": "ada@example.com", "password": format!("guess {number}") });
        tokio::spawn(request.json(&guess).send())
    });
    let tries: Vec<_> = tries.collect();
    let mut statuses: HashMap<u16, usize> = HashMap::new();
    for answer in tries {
        *statuses.entry(answer.await.unwrap().status).or_default() += 1;
    }
    assert_eq!(statuses, HashMap::from([(401, 5), (429, 45)]));
    assert_eq!(app.inside.hasher.computed() + other.inside.hasher.computed() - before, 5);
}

#[tokio::test]
async fn limits_survive_a_restart_and_hold_on_all_instances() {
    let app = limited().await;
    use_up(&app, "email", &["ada@example.com"]).await;
    let other = app.beside(|settings| settings.rate_limits = Switch::On).await;
    wait_of(fail(&other, CLIENT, "email", "ada@example.com").await);
    drop(app);
    wait_of(fail(&other, CLIENT, "email", "ada@example.com").await);
}

#[tokio::test]
async fn a_success_clears_the_failures_of_its_own_account_only() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    let own = json!({ "username": ada.name, "password": ada.password });
    for _ in 0..4 {
        for (kind, name) in [("email", "ada@example.com"), ("username", "ada"), ("email", "bob@example.com")] {
            fail(&app, CLIENT, kind, name).await.expect(401);
        }
    }
    let count = "select count from client_throttles where client = '198.51.100.7' and action = 'failed_sign_in'";
    assert_eq!(app.database.number(count).await, 12);
    post_from(&app, CLIENT, "/login", &own).await.expect(200);
    assert_eq!(app.database.number(count).await, 12, "the client's own count stays");
    // For this client, both names of the account have all their attempts again; the other name has one left.
    use_up(&app, "email", &["ada@example.com"]).await;
    use_up(&app, "username", &["ada"]).await;
    fail(&app, CLIENT, "email", "bob@example.com").await.expect(401);
    wait_of(fail(&app, CLIENT, "email", "bob@example.com").await);
}

#[tokio::test]
async fn signing_in_to_an_unconfirmed_account_lifts_no_limit() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    // Otherwise an attacker could guess the owner's password by registering the address with each guess and signing in.
    let guess = json!({ "email": ada.email, "password": "a-guessed-orbit-of-kettles-9" });
    post_from(&app, CLIENT, "/register", &guess).await.expect(202);
    for _ in 0..5 {
        fail(&app, CLIENT, "email", "ada@example.com").await.expect(401);
        if wait_left(&app).await == 0 {
            post_from(&app, CLIENT, "/login", &guess).await.expect(200);
        }
    }
    wait_of(post_from(&app, CLIENT, "/login", &guess).await);
    wait_of(fail(&app, CLIENT, "email", "ada@example.com").await);
}

/// The failures that strangers still have to wait for.
async fn wait_left(app: &TestApp) -> i64 {
    app.database.number("select count(*) from login_throttles where blocked_until is not null").await
}

#[tokio::test]
async fn signing_in_before_the_address_is_confirmed_is_no_failure() {
    let app = limited().await;
    let ada = app.unconfirmed("ada").await;
    for _ in 0..8 {
        ada.try_sign_in(json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn a_throttled_answer_costs_no_hash() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    use_up(&app, "email", &["ada@example.com"]).await;
    use_up(&app, "email", &["nobody@example.com"]).await;
    let before = app.inside.hasher.computed();
    let throttled: Vec<Answer> = vec![
        post_from(&app, CLIENT, "/login", &json!({ "email": ada.email, "password": ada.password })).await,
        fail(&app, CLIENT, "email", "ada@example.com").await,
        fail(&app, CLIENT, "email", "nobody@example.com").await,
    ];
    for answer in throttled {
        wait_of(answer);
    }
    assert_eq!(app.inside.hasher.computed(), before);
}
