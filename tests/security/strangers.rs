//! A stranger undoes nothing: whatever they do to an address or a name, what belongs to its owner goes on working.

use chrono::Duration;
use serde_json::{Value, json};
use vestibule::config::Switch;

use crate::security::{fail, limited, post_from, wait_of};
use crate::support::account::{ACCOUNT_DELETED, CHANGE_NOTICE};
use crate::support::{Credential, TestApp, password_of};

const STRANGER: &str = "198.51.100.7";

async fn register_from(app: &TestApp, client: &str, email: &str, name: &str) -> Value {
    let fields = json!({ "email": email, "password": password_of(name) });
    post_from(app, client, "/register", &fields).await.expect(202).json()
}

#[tokio::test]
async fn a_stranger_cannot_take_over_a_registration_under_way() {
    let app = limited().await;
    let ada = app.unconfirmed("ada").await;
    let mut strangers = Vec::new();
    for n in 0..4 {
        strangers.push(register_from(&app, STRANGER, &ada.email, &format!("eve{n}")).await);
    }
    assert!(ada.is_signed_in().await, "the registration of another network stays");
    app.clock.advance(Duration::hours(1));
    app.advance_and_deliver(Duration::seconds(1)).await;
    app.mailbox.wait_until_idle().await;
    // Whichever mail the victim clicks, it confirms the victim's own registration.
    let path = app.mailbox.mail_to(&ada.email).await.path();
    app.visitor().post(&path).await.expect_problem(403, "password_required");
    ada.open(&path).await.expect(200);
    assert!(ada.passes_the_guard().await);
    for stranger in strangers {
        let again = app.visitor().post_json(&path, &json!({ "registration": stranger["registration"] })).await;
        assert_eq!(again.expect(200).json()["status"], "already_confirmed");
    }
    assert_eq!(app.database.number("select count(*) from users").await, 1);
}

#[tokio::test]
async fn an_address_keeps_three_registrations_of_a_network_and_one_of_each() {
    let app = TestApp::with(|settings| settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    for client in 1..=12 {
        for n in 0..4 {
            let ip = format!("192.0.2.{client}");
            register_from(&app, &ip, "ada@example.com", &format!("claimant{client}x{n}")).await;
        }
        let of_network = "select max(n) from (select count(*) as n from users group by registered_from) as counts";
        assert!(app.database.number(of_network).await <= 3);
    }
    assert_eq!(app.database.number("select count(*) from users").await, 20);
    assert_eq!(app.database.number("select count(distinct registered_from) from users").await, 12);
}

#[tokio::test]
async fn an_owner_signs_in_from_a_known_network_whatever_strangers_try() {
    let app = limited().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    let (home, own) = ("203.0.113.5", json!({ "email": ada.email, "password": ada.password }));
    post_from(&app, home, "/login", &own).await.expect(200);
    for n in 0..5 {
        fail(&app, &format!("198.51.100.{n}"), "email", &ada.email).await.expect(401);
        fail(&app, &format!("198.51.100.{n}"), "username", &ada.name).await.expect(401);
    }
    wait_of(post_from(&app, STRANGER, "/login", &own).await);
    post_from(&app, home, "/login", &own).await.expect(200);
    post_from(&app, home, "/login", &json!({ "username": ada.name, "password": ada.password })).await.expect(200);
    // The counter of strangers does not tell that the owner signed in.
    wait_of(post_from(&app, STRANGER, "/login", &own).await);
    // The known network has a limit of its own.
    for _ in 0..5 {
        fail(&app, home, "email", &ada.email).await.expect(401);
    }
    wait_of(post_from(&app, home, "/login", &own).await);
    // After 90 days without a sign-in it is a network like any other.
    app.clock.advance(Duration::days(91));
    fail(&app, STRANGER, "email", &ada.email).await.expect(401);
    wait_of(post_from(&app, home, "/login", &own).await);
}

#[tokio::test]
async fn registering_and_deleting_an_address_lifts_no_limit() {
    let app = limited().await;
    let ada = app.member("ada").await;
    register_from(&app, STRANGER, &ada.email, "decoy").await;
    let decoy = ada.knowing(&password_of("decoy")).elsewhere().await;
    for _ in 0..5 {
        fail(&app, STRANGER, "email", &ada.email).await.expect(401);
    }
    decoy.delete_account().await.expect(204);
    wait_of(fail(&app, "198.51.100.8", "email", &ada.email).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_leaves_places_in_the_hashing_queue_to_others() {
    let app = limited().await;
    let ada = app.member("ada").await;
    let flood: Vec<_> = (0..48)
        .map(|n| {
            let request = app.visitor().request("POST", "/login").header("X-Forwarded-For", STRANGER);
            let fields = json!({ "email": format!("nobody{n}@example.com"), "password": "wrong" });
            tokio::spawn(request.json(&fields).send())
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let own = json!({ "email": ada.email, "password": ada.password });
    for n in 0..6 {
        post_from(&app, &format!("203.0.113.{n}"), "/login", &own).await.expect(200);
    }
    for answer in flood {
        assert!(matches!(answer.await.unwrap().status, 401 | 503));
    }
}

#[tokio::test]
async fn successful_sign_ins_of_a_client_are_counted() {
    let app = TestApp::with(|settings| {
        settings.rate_limits = Switch::On;
        settings.limit_sign_ins = 5;
    })
    .await;
    // To confirm with a password and to sign in were two tries.
    let ada = app.member("ada").await;
    for _ in 0..3 {
        ada.try_sign_in(json!({})).await.expect(200);
    }
    let wait = wait_of(ada.try_sign_in(json!({})).await);
    assert!((890..=900).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_48_is_counted_together() {
    let app = TestApp::with(|settings| {
        settings.rate_limits = Switch::On;
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        settings.limit_registrations = 1;
    })
    .await;
    for n in 0..10 {
        register_from(&app, &format!("2001:db8:1:{n}::1"), &format!("{n}@example.com"), "claimant").await;
    }
    let more = json!({ "email": "more@example.com", "password": password_of("claimant") });
    wait_of(post_from(&app, "2001:db8:1:ffff::1", "/register", &more).await);
    post_from(&app, "2001:db8:2::1", "/register", &more).await.expect(202);
}

#[tokio::test]
async fn a_registration_is_counted_before_its_password_is_judged() {
    let app = TestApp::with(|settings| {
        settings.rate_limits = Switch::On;
        settings.limit_registrations = 2;
    })
    .await;
    let weak = json!({ "email": "ada@example.com", "password": "password1" });
    for _ in 0..2 {
        app.visitor().register_as(weak.clone()).await.expect_errors(&[("/password", "too_guessable")]);
    }
    wait_of(app.visitor().register_as(weak).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_requests_for_mails_at_once_stall_nobody() {
    let app = limited().await;
    let ada = app.member("ada").await;
    let asked: Vec<_> = (0..60)
        .map(|n| {
            let path = if n % 2 == 0 { "/password/forgot" } else { "/resend" };
            let request = app.visitor().request("POST", path).header("X-Forwarded-For", format!("192.0.2.{n}"));
            tokio::spawn(request.json(&json!({ "email": ada.email })).send())
        })
        .collect();
    // A request that waits for a connection in vain gets 503.
    for _ in 0..10 {
        assert!(ada.is_signed_in().await);
    }
    for answer in asked {
        answer.await.unwrap().expect(202);
    }
}

#[tokio::test]
async fn a_client_may_ask_for_a_limited_number_of_mails() {
    let app = TestApp::with(|settings| {
        settings.rate_limits = Switch::On;
        settings.limit_mails = 3;
    })
    .await;
    for n in 0..3 {
        let fields = json!({ "email": format!("{n}@example.com") });
        let path = if n == 1 { "/password/forgot" } else { "/resend" };
        app.visitor().post_json(path, &fields).await.expect(202);
    }
    for path in ["/password/forgot", "/resend"] {
        let wait = wait_of(app.visitor().post_json(path, &json!({ "email": "more@example.com" })).await);
        assert!((3590..=3600).contains(&wait), "{wait}");
    }
}

#[tokio::test]
async fn a_request_for_a_mail_writes_one_row_for_every_address() {
    // The worker cannot reach its server, so the rows stay.
    let app = TestApp::with_flags(&["--smtp-url", "smtp://127.0.0.1:1"]).await;
    let waiting = app.unconfirmed("waiting").await;
    app.database
        .rows("insert into addresses values ('owner@example.com', '$2b$10$......................', now())")
        .await;
    app.database.rows("delete from outbox").await;
    for path in ["/password/forgot", "/resend"] {
        for email in [waiting.email.as_str(), "owner@example.com", "unknown@example.com"] {
            for _ in 0..2 {
                app.visitor().post_json(path, &json!({ "email": email })).await.expect(202);
            }
            let rows = format!("select count(*) from outbox where canonical = '{email}' and user_id is null");
            let expected = if path == "/resend" { 2 } else { 1 };
            assert_eq!(app.database.number(&rows).await, expected, "{path} {email}");
        }
    }
}

#[tokio::test]
async fn the_owner_hears_of_a_takeover_at_the_old_address() {
    let app = limited().await;
    let ada = app.member("ada").await;
    // The thief knows the password, spends the mails of the address, moves the account away and deletes it.
    for _ in 0..6 {
        ada.request_password_reset().await.expect(202);
        app.mailbox.wait_until_idle().await;
    }
    let thief = ada.clone();
    thief.change_email("thief@example.org").await.expect(202);
    let link = app.mailbox.mail_about("thief@example.org", "Confirm your new").await.path();
    thief.open(&link).await.expect(200);
    thief.delete_account().await.expect(204);
    for subject in [CHANGE_NOTICE, ACCOUNT_DELETED] {
        app.mailbox.mail_about(&ada.email, subject).await;
    }
    app.mailbox.mail_about("thief@example.org", ACCOUNT_DELETED).await;
}

#[tokio::test]
async fn a_notice_that_waits_outlives_the_account() {
    use crate::support::smtp::{Behaviour, Moment, SmtpCatcher};
    let smtp = SmtpCatcher::start().await;
    smtp.always(Moment::Greeting, Behaviour::Silence);
    let app = TestApp::with_flags(&["--smtp-url", &smtp.url.clone()]).await;
    let ada = app.unconfirmed("ada").await;
    app.database.rows("update users set confirmed_at = now()").await;
    ada.change_email("thief@example.org").await.expect(202);
    ada.delete_account().await.expect(204);
    let waiting = "select string_agg(kind, ' ' order by kind) from outbox where state = 'queued' and user_id is null";
    let kinds = app.database.rows(waiting).await[0][0].clone().unwrap();
    assert!(kinds.contains("account_deleted") && kinds.contains("email_change_notice"), "{kinds}");
    assert!(!kinds.contains("change_email "), "{kinds}");
}

#[tokio::test]
async fn a_clock_that_was_wrong_locks_nobody_afterwards() {
    let app = limited().await;
    let ada = app.member("ada").await;
    app.clock.advance(Duration::days(365));
    for _ in 0..6 {
        fail(&app, STRANGER, "email", &ada.email).await;
    }
    app.database.rows("update client_throttles set count = 1000 where client = '198.51.100.7'").await;
    ada.request_password_reset().await.expect(202);
    app.mailbox.wait_until_idle().await;
    app.clock.advance(-Duration::days(365));
    fail(&app, STRANGER, "email", &ada.email).await.expect(401);
    ada.request_password_reset().await.expect(202);
    let before = app.mailbox.mails().await.len();
    app.mailbox.wait_until_idle().await;
    assert!(app.mailbox.mails().await.len() >= before);
    assert!(ada.can_sign_in().await);
}
