//! An address has no owner until it is confirmed. Registering the address of another user, before or after them, gives
//! no access, reveals nothing, and does not keep them out.

use serde_json::json;

use crate::support::{Actor, Credential, TestApp, eventually, password_of};

/// A user who registers this address with their own password, and signs in.
async fn claimant(app: &TestApp, name: &str, email: &str) -> Actor {
    let mut actor = app.visitor();
    actor.name = name.into();
    actor.email = email.into();
    actor.password = password_of(name);
    actor.register_as(json!({ "email": email, "password": actor.password })).await.expect(202);
    actor.sign_in().await;
    actor
}

async fn account_id(actor: &Actor) -> String {
    actor.get("/me").await.expect(200).json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_registration_keeps_its_own_password_and_account() {
    let app = TestApp::start().await;
    let eve = claimant(&app, "eve", "ada@example.com").await;
    let ada = claimant(&app, "ada", "ada@example.com").await;
    assert_ne!(account_id(&eve).await, account_id(&ada).await);
    for actor in [&eve, &ada] {
        let login = actor.with(Credential::Nothing).try_sign_in(json!({})).await.expect(200).json();
        assert_eq!(login["user"]["id"], account_id(actor).await);
    }
}

#[tokio::test]
async fn the_newest_three_unconfirmed_accounts_of_an_address_are_kept() {
    let app = TestApp::start().await;
    let mut claimants = Vec::new();
    for number in 0..5 {
        claimants.push(claimant(&app, &format!("claimant{number}"), "ada@example.com").await);
    }
    for (number, claimant) in claimants.iter().enumerate() {
        let is_kept = number >= 2;
        assert_eq!(claimant.is_signed_in().await, is_kept, "{number}");
        let expected = if is_kept { 200 } else { 401 };
        claimant.try_sign_in(json!({})).await.expect(expected);
    }
}

#[tokio::test]
async fn a_squatter_loses_the_account_when_the_owner_confirms_the_address() {
    let app = TestApp::start().await;
    let squatter = claimant(&app, "eve", "ada@example.com").await;
    let squatters_link = app.mailbox.mail_to("ada@example.com").await.path();
    let mut ada = claimant(&app, "ada", "ada@example.com").await;
    // The mail that the squatter caused serves the owner as well as any other.
    ada.post(&squatters_link).await.expect(200);

    assert!(ada.passes_the_guard().await);
    squatter.get("/me").await.expect_problem(401, "unauthenticated");
    squatter.try_sign_in(json!({})).await.expect_problem(401, "invalid_credentials");
    assert_eq!(squatter.get(&squatters_link).await.expect(200).json()["confirmed"], true);
    assert_eq!(squatter.open(&squatters_link).await.expect(200).json()["status"], "already_confirmed");
    ada.sign_in().await;
    assert_eq!(app.database.number("select count(*) from users").await, 1);
}

#[tokio::test]
async fn a_link_confirms_the_registration_of_anyone_who_spends_it() {
    let app = TestApp::start().await;
    let first = claimant(&app, "first", "ada@example.com").await;
    let link = app.mailbox.mail_to("ada@example.com").await.path();
    let second = claimant(&app, "second", "ada@example.com").await;
    app.visitor().post(&link).await.expect_problem(403, "password_required");
    second.open(&link).await.expect(200);
    assert!(second.passes_the_guard().await);
    assert!(!first.is_signed_in().await);
}

#[tokio::test]
async fn an_owned_address_can_be_registered_but_never_confirmed() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let mut eve = claimant(&app, "eve", &ada.email).await;

    let mails = app.mailbox.exactly(&ada.email, 2).await;
    assert!(mails[0].subject.contains("already have an account"), "{}", mails[0].subject);
    assert!(mails[0].links.is_empty() && !mails[0].text.contains("/confirm/") && !mails[0].html.contains("href"));

    assert_eq!(eve.get("/me").await.expect(200).json()["confirmed"], false);
    eve.get("/sessions").await.expect_problem(403, "unconfirmed");
    eve.post("/resend").await.expect(202);
    let mails = app.mailbox.exactly(&ada.email, 3).await;
    assert!(mails[0].links.is_empty());
    // The owner's old link does not confirm this account either.
    eve.post(&mails[2].path()).await.expect(200);
    eve.sign_in().await;
    assert!(!eve.passes_the_guard().await);
    assert!(ada.passes_the_guard().await);
    ada.try_sign_in(json!({})).await.expect(200);
}

#[tokio::test]
async fn registering_again_never_removes_the_owner() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    for number in 0..4 {
        claimant(&app, &format!("claimant{number}"), &ada.email).await;
    }
    assert!(ada.passes_the_guard().await);
    assert_eq!(app.database.number("select count(*) from users").await, 4);
}

#[tokio::test]
async fn no_answer_reveals_whether_an_address_is_known() {
    let app = TestApp::start().await;
    app.member("owner").await;
    app.unconfirmed("waiting").await;
    let mut seen = Vec::new();
    for name in ["unknown", "waiting", "owner"] {
        let mut actor = app.visitor();
        actor.email = format!("{name}@example.com");
        let wrong = json!({ "email": actor.email, "password": "the-password-of-no-account" });
        let login = actor.post_json("/login", &wrong).await.expect(401).appearance();
        let resend = actor.post_json("/resend", &json!({ "email": actor.email })).await.expect(202).appearance();
        let fields = json!({ "email": actor.email, "password": actor.password });
        let registration = actor.register_as(fields).await.expect(202).appearance();
        let mut signed_in = actor.sign_in().await;
        assert_eq!(signed_in.json()["user"]["confirmed"], false);
        assert_eq!(signed_in.json()["user"]["email"], actor.email);
        signed_in.body.clear();
        let guarded = actor.get("/sessions").await.expect(403).appearance();
        let resend_own = actor.post("/resend").await.expect(202).appearance();
        seen.push([login, resend, registration, signed_in.appearance(), guarded, resend_own]);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test]
async fn spellings_of_an_address_are_one_address() {
    let app = TestApp::start().await;
    let spellings = ["ada@bücher.example", "ADA@XN--BCHER-KVA.example", "ａｄａ＠bu\u{308}cher．example"];
    let mut claimants = Vec::new();
    for (number, spelling) in spellings.iter().enumerate() {
        claimants.push(claimant(&app, &format!("claimant{number}"), spelling).await);
    }
    assert_eq!(app.database.number("select count(distinct email_canonical) from users").await, 1);
    let mail = app.mailbox.mail_to(spellings[0]).await;
    claimants[1].open(&mail.path()).await.expect(200);
    assert!(!claimants[0].is_signed_in().await && !claimants[2].is_signed_in().await);
    assert!(claimants[1].passes_the_guard().await);
    claimants[1].email = spellings[2].into();
    claimants[1].sign_in().await;
    assert!(claimants[1].passes_the_guard().await);
}

#[tokio::test]
async fn look_alikes_are_different_addresses() {
    let app = TestApp::start().await;
    for email in ["mike@example.com", "mıke@example.com", "mike+news@example.com"] {
        let mike = claimant(&app, "mike", email).await;
        let mail = app.mailbox.mail_to(email).await;
        mike.open(&mail.path()).await.expect(200);
    }
    assert_eq!(app.database.number("select count(*) from users where confirmed_at is not null").await, 3);
}

#[tokio::test]
async fn unconfirmed_accounts_are_deleted_after_seven_days() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let bob = app.unconfirmed("bob").await;
    let bobs_link = app.mailbox.mail_to(&bob.email).await.path();
    app.clock.advance(chrono::Duration::days(7) - chrono::Duration::hours(1));
    let count = "select count(*) from users";
    // An instance cleans up when it starts.
    let _early = app.beside(|_| ()).await;
    let sessions = "select count(*) from sessions";
    eventually("ended sessions are removed", async || (app.database.number(sessions).await == 0).then_some(())).await;
    assert_eq!(app.database.number(count).await, 2);

    app.clock.advance(chrono::Duration::hours(2));
    let _late = app.beside(|_| ()).await;
    eventually("the account is removed", async || (app.database.number(count).await == 1).then_some(())).await;
    ada.try_sign_in(json!({})).await.expect(200);
    bob.try_sign_in(json!({})).await.expect_problem(401, "invalid_credentials");
    ada.open(&bobs_link).await.expect_problem(410, "link_expired");
    bob.register().await.expect(202);
}
