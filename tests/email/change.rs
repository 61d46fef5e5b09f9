//! `POST /email/change`: requests another address, which takes effect once it is confirmed.

use chrono::Duration;
use serde_json::json;

use crate::support::account::{ALREADY_REGISTERED, CHANGE_NOTICE, NEW_ADDRESS, OTHER_PASSWORD};
use crate::support::{Actor, TestApp};

const NEW: &str = "ada@example.org";

async fn email_of(actor: &Actor) -> String {
    actor.get("/me").await.expect(200).json()["email"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_address_changes_when_the_new_one_is_confirmed_and_not_before() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, "Ada@Example.org").await;
    let described = app.visitor().get(&link).await.expect(200).json();
    assert_eq!((&described["purpose"], &described["email"]), (&json!("change_email"), &json!("Ada@Example.org")));
    assert_eq!(described["confirmed"], false);
    assert_eq!(email_of(&ada).await, "ada@example.com");
    assert!(ada.can_sign_in().await && !ada.reached_at(NEW).can_sign_in().await);

    let answer = ada.open(&link).await.expect(200);
    assert_eq!((answer.json(), answer.set_cookie()), (json!({ "status": "confirmed" }), None));
    assert_eq!(email_of(&ada).await, "Ada@Example.org", "the open session continues");
    assert!(ada.passes_the_guard().await);
    assert!(ada.reached_at(NEW).can_sign_in().await && !ada.can_sign_in().await);

    assert_eq!(app.visitor().get(&link).await.expect(200).json()["confirmed"], true);
    assert_eq!(ada.open(&link).await.expect(200).json()["status"], "already_confirmed");
}

#[tokio::test]
async fn the_old_address_is_free_for_another_user() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, NEW).await;
    ada.open(&link).await.expect(200);
    let bob = app.visitor().reached_at("ada@example.com").knowing("bobs-own-orbit-of-kettles-9");
    let fields = json!({ "email": bob.email, "password": bob.password, "username": "bob" });
    bob.register_as(fields).await.expect(202);
    let confirm = app.mailbox.mail_about(&bob.email, "Confirm your email address").await.path();
    bob.open(&confirm).await.expect(200);
    let me = bob.try_sign_in(json!({})).await.expect(200).json();
    assert_eq!((&me["user"]["username"], &me["user"]["confirmed"]), (&json!("bob"), &json!(true)));
    assert!(ada.reached_at(NEW).can_sign_in().await);
}

#[tokio::test]
async fn a_new_request_replaces_the_previous_one() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (first, first_undo) = app.email_change(&ada, "first@example.org").await;
    let (second, _) = app.email_change(&ada, "second@example.org").await;
    app.visitor().get(&first).await.expect_problem(410, "link_used");
    ada.open(&first).await.expect_problem(410, "link_used");
    ada.open(&first_undo).await.expect_problem(410, "link_used");
    ada.open(&second).await.expect(200);
    assert_eq!(email_of(&ada).await, "second@example.org");
    ada.open(&first).await.expect_problem(410, "link_used");
}

#[tokio::test]
async fn an_address_with_an_owner_gets_the_same_answer_and_the_owner_gets_a_mail() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let taken = ada.change_email(&bob.email).await.expect(202);
    let mail = app.mailbox.mail_about(&bob.email, ALREADY_REGISTERED).await;
    assert!(mail.links.is_empty(), "{}", mail.text);
    assert_eq!(app.mailbox.count_about(&bob.email, NEW_ADDRESS).await, 0);
    assert_eq!(app.mailbox.count_about(&ada.email, CHANGE_NOTICE).await, 1);
    let free = ada.change_email(NEW).await.expect(202);
    assert_eq!(taken.appearance(), free.appearance());
    assert!(bob.can_sign_in().await && email_of(&ada).await == "ada@example.com");
}

#[tokio::test]
async fn a_wrong_password_requests_nothing() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let answer = ada.post_json("/email/change", &json!({ "password": "wrong", "email": NEW })).await;
    answer.expect_problem(403, "wrong_password");
    app.mailbox.exactly(NEW, 0).await;
    assert_eq!(app.mailbox.count_about(&ada.email, CHANGE_NOTICE).await, 0);
    assert!(ada.is_signed_in().await);
    let answer = ada.post_json("/email/change", &json!({ "password": ada.password, "email": "nonsense" })).await;
    answer.expect_errors(&[("/email", "malformed")]);
    let bob = app.unconfirmed("bob").await;
    bob.change_email(NEW).await.expect_problem(403, "unconfirmed");
}

#[tokio::test]
async fn of_two_accounts_that_request_one_address_one_gets_it() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let (of_ada, _) = app.email_change(&ada, "both@example.org").await;
    let (of_bob, _) = app.email_change(&bob, "both@example.org").await;
    assert_ne!(of_ada, of_bob);
    let clicks = [(&ada, &of_ada), (&bob, &of_bob), (&ada, &of_ada), (&bob, &of_bob)];
    let clicks = clicks.map(|(owner, path)| tokio::spawn(owner.request("POST", path).send()));
    let mut statuses = Vec::new();
    for click in clicks {
        statuses.push(click.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 410, 410], "one link works, and reports it again the second time");
    let emails = [email_of(&ada).await, email_of(&bob).await];
    assert_eq!(emails.iter().filter(|email| *email == "both@example.org").count(), 1, "{emails:?}");
}

#[tokio::test]
async fn unconfirmed_registrations_of_the_new_address_are_deleted() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let rival = app.visitor().reached_at(NEW);
    rival.register_as(json!({ "email": NEW, "password": rival.password, "username": "rival" })).await.expect(202);
    let confirm = app.mailbox.mail_to(NEW).await.path();
    assert!(rival.can_sign_in().await);
    let (link, _) = app.email_change(&ada, NEW).await;
    ada.open(&link).await.expect(200);
    assert!(!rival.can_sign_in().await && ada.reached_at(NEW).can_sign_in().await);
    assert_eq!(rival.open(&confirm).await.expect(200).json()["status"], "already_confirmed");
    assert_eq!(app.database.number("select count(*) from users").await, 1);
}

#[tokio::test]
async fn when_a_registration_confirms_the_address_first_the_change_link_is_used() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let bob = app.visitor().reached_at(NEW);
    bob.register_as(json!({ "email": NEW, "password": bob.password, "username": "bob" })).await.expect(202);
    let confirm = app.mailbox.mail_to(NEW).await.path();
    let (link, _) = app.email_change(&ada, NEW).await;
    bob.open(&confirm).await.expect(200);
    app.visitor().get(&link).await.expect_problem(410, "link_used");
    ada.open(&link).await.expect_problem(410, "link_used");
    assert_eq!(email_of(&ada).await, "ada@example.com");
    assert!(ada.can_sign_in().await && bob.can_sign_in().await);
}

#[tokio::test]
async fn the_link_to_the_new_address_expires_after_an_hour() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, NEW).await;
    app.clock.advance(Duration::minutes(61));
    ada.open(&link).await.expect_problem(410, "link_expired");
    assert_eq!(email_of(&ada).await, "ada@example.com");
    let (link, _) = app.email_change(&ada, NEW).await;
    app.clock.advance(Duration::minutes(59));
    ada.open(&link).await.expect(200);
}

#[tokio::test]
async fn passwords_keep_working_with_rival_registrations_and_renewed_hashes() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let register = async |email: &str, name: &str| {
        let actor = app.visitor().reached_at(email).knowing(&crate::support::password_of(name));
        let fields = json!({ "email": email, "password": actor.password, "username": name });
        actor.register_as(fields).await.expect(202);
        actor
    };
    let (decoy, rival) = (register(&ada.email, "decoy").await, register(NEW, "rival").await);
    let (link, undo) = app.email_change(&ada, NEW).await;
    ada.open(&link).await.expect(200);
    assert!(decoy.can_sign_in().await && !rival.can_sign_in().await);

    // An instance with a higher cost renews the hash at a login.
    let harder = app.beside(|settings| settings.bcrypt_cost = 11).await;
    let hash = "select password_hash from users where email = 'ada@example.org'";
    let before = app.database.rows(hash).await;
    for _ in 0..2 {
        assert!(ada.at(&harder).reached_at(NEW).can_sign_in().await);
        assert!(decoy.at(&harder).can_sign_in().await);
    }
    assert_ne!(app.database.rows(hash).await, before, "the hash was renewed");
    let undone = ada.open(&undo).await.expect(200).json();
    app.reset(undone["reset_token"].as_str().unwrap(), &ada.password).await.expect(204);
    for _ in 0..2 {
        assert!(ada.at(&harder).can_sign_in().await && ada.can_sign_in().await);
    }
    assert!(!decoy.can_sign_in().await, "the undo confirmed the address again");
}

#[tokio::test]
async fn changing_only_the_spelling_of_the_address_works() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, "Ada@Example.com").await;
    ada.open(&link).await.expect(200);
    assert_eq!(email_of(&ada).await, "Ada@Example.com");
    assert!(ada.can_sign_in().await);
    ada.change_password(OTHER_PASSWORD).await.expect(204);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn a_disabled_account_keeps_its_address() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, NEW).await;
    app.database.rows("update users set disabled_at = now()").await;
    ada.open(&link).await.expect_problem(410, "link_used");
    app.database.rows("update users set disabled_at = null").await;
    assert_eq!(email_of(&ada).await, "ada@example.com");
    ada.open(&link).await.expect(200);
}

#[tokio::test]
async fn an_account_may_request_ten_changes_an_hour() {
    let app = crate::security::limited().await;
    let ada = app.member("ada").await;
    for number in 0..10 {
        ada.change_email(&format!("{number}@example.org")).await.expect(202);
    }
    let wait = crate::security::wait_of(ada.change_email("one-more@example.org").await);
    assert!((3590..=3600).contains(&wait), "{wait}");
    app.mailbox.exactly("one-more@example.org", 0).await;
    app.clock.advance(Duration::seconds(wait));
    ada.elsewhere().await.change_email("one-more@example.org").await.expect(202);
    app.mailbox.mail_about("one-more@example.org", NEW_ADDRESS).await;
}
