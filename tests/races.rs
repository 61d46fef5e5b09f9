//! Concurrent requests: what may happen once happens once, and every answer is true.

use std::collections::HashMap;
use std::future::Future;

use serde_json::json;

use crate::support::account::OTHER_PASSWORD;
use crate::support::{Answer, TestApp, password_of};

pub async fn all_at_once<F: Future<Output = Answer> + Send + 'static>(tries: Vec<F>) -> Vec<Answer> {
    let tries: Vec<_> = tries.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for answer in tries {
        answers.push(answer.await.unwrap());
    }
    answers
}

fn statuses(answers: &[Answer]) -> HashMap<u16, usize> {
    let mut statuses = HashMap::new();
    for answer in answers {
        *statuses.entry(answer.status).or_default() += 1;
    }
    statuses
}

#[tokio::test]
async fn two_hundred_registrations_of_one_address_leave_three_accounts() {
    let app = TestApp::start().await;
    let tries = (0..200).map(|number| {
        let visitor = app.visitor();
        let fields = json!({ "email": "ada@example.com", "password": password_of(&format!("claimant{number}")) });
        async move { visitor.register_as(fields).await }
    });
    let answers = all_at_once(tries.collect()).await;
    for answer in &answers {
        if answer.status != 202 {
            answer.clone().expect_problem(503, "overloaded");
        }
    }
    let accepted = statuses(&answers)[&202];
    assert_eq!(app.database.number("select count(*) from users").await, 3.min(i64::try_from(accepted).unwrap()));
    app.mailbox.wait_until_idle().await;
    assert!(app.mailbox.mails().await.len() <= accepted);
    assert!(app.visitor().post_json("/resend", &json!({ "email": "ada@example.com" })).await.status == 202);
}

#[tokio::test]
async fn of_many_registrations_of_one_username_one_wins() {
    let app = TestApp::start().await;
    let tries = (0..8).map(|number| {
        let visitor = app.visitor();
        let fields =
            json!({ "email": format!("{number}@example.com"), "password": visitor.password, "username": "ada" });
        async move { visitor.register_as(fields).await }
    });
    let answers = all_at_once(tries.collect()).await;
    assert_eq!(statuses(&answers), HashMap::from([(202, 1), (409, 7)]));
    assert_eq!(app.database.number("select count(*) from users").await, 1);
}

#[tokio::test]
async fn of_two_accounts_with_one_address_one_is_confirmed() {
    let app = TestApp::start().await;
    for round in 0..4 {
        let email = format!("ada{round}@example.com");
        let mut proofs = Vec::new();
        for name in ["first", "second"] {
            let fields = json!({ "email": email, "password": password_of(name) });
            let registered = app.visitor().register_as(fields).await.expect(202).json();
            proofs.push(json!({ "registration": registered["registration"] }));
        }
        let path = app.mailbox.mail_to(&email).await.path();
        let tries = proofs.into_iter().map(|proof| {
            let (visitor, path) = (app.visitor(), path.clone());
            async move { visitor.post_json(&path, &proof).await.expect(200) }
        });
        let answers = all_at_once(tries.collect()).await;
        let confirmed = answers.iter().filter(|answer| answer.json()["status"] == "confirmed").count();
        assert_eq!(confirmed, 1);
    }
    assert_eq!(app.database.number("select count(*) from users where confirmed_at is not null").await, 4);
    assert_eq!(app.database.number("select count(*) from users").await, 4);
}

#[tokio::test]
async fn of_many_clicks_on_one_link_one_confirms() {
    let app = TestApp::start().await;
    for round in 0..4 {
        let ada = app.unconfirmed(&format!("ada{round}")).await;
        let path = app.mailbox.mail_to(&ada.email).await.path();
        let tries = (0..8).map(|_| {
            let (ada, path) = (ada.clone(), path.clone());
            async move { ada.post(&path).await.expect(200) }
        });
        let answers = all_at_once(tries.collect()).await;
        let count = |status| answers.iter().filter(|answer| answer.json()["status"] == status).count();
        assert_eq!((count("confirmed"), count("already_confirmed")), (1, 7));
    }
}

#[tokio::test]
async fn a_confirmation_and_a_registration_of_one_address_do_not_disturb_each_other() {
    let app = TestApp::start().await;
    for round in 0..4 {
        let ada = app.unconfirmed(&format!("ada{round}")).await;
        let path = app.mailbox.mail_to(&ada.email).await.path();
        let registering = app.visitor();
        let fields = json!({ "email": ada.email, "password": registering.password });
        let registration = tokio::spawn(async move { registering.register_as(fields).await });
        ada.open(&path).await.expect(200);
        registration.await.unwrap().expect(202);
        assert!(ada.passes_the_guard().await);
    }
    assert_eq!(app.database.number("select count(*) from users where confirmed_at is not null").await, 4);
}

#[tokio::test]
async fn concurrent_logins_get_separate_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let tries = (0..12).map(|_| {
        let ada = ada.clone();
        async move { ada.with(crate::support::Credential::Nothing).try_sign_in(json!({})).await }
    });
    let answers = all_at_once(tries.collect()).await;
    let ids: std::collections::HashSet<String> =
        answers.iter().map(|answer| answer.json()["session"]["id"].to_string()).collect();
    assert_eq!(ids.len(), 12);
}

#[tokio::test]
async fn a_change_of_address_and_a_reset_do_not_deadlock() {
    let app = TestApp::start().await;
    for undo in [false, true] {
        let name = if undo { "eve" } else { "ada" };
        let actor = app.member(name).await;
        let (link, undo_link) = app.email_change(&actor, &format!("{name}@new.example")).await;
        let reset_token = app.reset_link(&actor).await.token();
        let row = format!("select 1 from addresses where canonical = '{}' for update", actor.email);
        let held = app.database.hold(&row).await;
        let (visitor, password) = (app.visitor(), json!({ "token": reset_token, "password": OTHER_PASSWORD }));
        let reset = tokio::spawn(async move { visitor.post_json("/password/reset", &password).await });
        app.database.until_waiting(1).await;
        let path = if undo { undo_link } else { link };
        let change = tokio::spawn(async move { actor.post(&path).await });
        app.database.until_waiting(2).await;
        drop(held);
        // The reset cancels the pending change, so its links stop working.
        assert_eq!((reset.await.unwrap().status, change.await.unwrap().status), (204, 410), "undo: {undo}");
    }
}

#[tokio::test]
async fn the_isolation_that_a_role_has_by_default_does_not_matter() {
    let first = TestApp::start().await;
    let serializable = "do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', \
                        current_database()); end $$";
    first.database.rows(serializable).await;
    let app = first.beside(|_| ()).await;
    let registrations = (0..12).map(|number| {
        let fields = json!({ "email": "ada@example.com", "password": password_of(&number.to_string()) });
        let visitor = app.visitor();
        async move { visitor.register_as(fields).await }
    });
    for answer in futures_util::future::join_all(registrations).await {
        answer.expect(202);
    }
}
