//! A request with the old password that is in progress while a new password is set has no effect, in whichever order
//! the two reach the database.

use std::future::Future;
use std::pin::Pin;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::account::OTHER_PASSWORD;
use crate::support::database::{Held, TestDatabase};
use crate::support::{Actor, Answer, Credential, TestApp};

type Request = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Sends requests, each as soon as the one before waits for the held lock, then releases the lock.
async fn run_in_order(database: &TestDatabase, held: Held, requests: Vec<Request>) -> Vec<Answer> {
    let waiting = queue_up(database, requests).await;
    drop(held);
    answers(waiting).await
}

async fn queue_up(database: &TestDatabase, requests: Vec<Request>) -> Vec<JoinHandle<Answer>> {
    let mut waiting = Vec::new();
    for request in requests {
        waiting.push(tokio::spawn(request));
        database.until_waiting(waiting.len()).await;
    }
    waiting
}

async fn answers(waiting: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap());
    }
    answers
}

fn reset(app: &TestApp, token: String) -> Request {
    let visitor = app.visitor();
    let fields = json!({ "token": token, "password": OTHER_PASSWORD });
    Box::pin(async move { visitor.post_json("/password/reset", &fields).await })
}

fn login(actor: &Actor) -> Request {
    let actor = actor.with(Credential::Nothing);
    Box::pin(async move { actor.try_sign_in(json!({ "transport": "bearer" })).await })
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

#[tokio::test]
async fn a_login_in_progress_does_not_survive_a_reset() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    // When it waits for this lock, the login has inserted its session, but not committed it.
    let held = app.database.hold("lock table account_events in exclusive mode").await;
    let answers = run_in_order(&app.database, held, vec![login(&ada), reset(&app, token)]).await;
    assert_eq!(statuses(&answers), [200, 204]);
    let token = answers[0].json()["session"]["token"].as_str().unwrap().to_owned();
    assert!(!ada.with(Credential::Bearer(token)).is_signed_in().await);
    assert!(!ada.can_sign_in().await && ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn changes_checked_with_the_old_password_fail_after_a_reset() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    let held = app.database.hold("select 1 from addresses where canonical = 'ada@example.com' for update").await;
    let (changing, renaming, leaving, moving) = (ada.clone(), ada.clone(), ada.clone(), ada.clone());
    let requests: Vec<Request> = vec![
        reset(&app, token),
        Box::pin(async move { moving.change_email("eve@example.org").await }),
        Box::pin(async move { changing.change_password("marble-canyon-whistle-83").await }),
        Box::pin(async move { renaming.change_username(&json!("eve")).await }),
        Box::pin(async move { leaving.delete_account().await }),
    ];
    assert_eq!(statuses(&run_in_order(&app.database, held, requests).await), [204, 401, 401, 401, 401]);
    let mut ada = ada.knowing(OTHER_PASSWORD);
    ada.sign_in().await;
    assert_eq!(ada.get("/me").await.json()["username"], "ada");
    app.mailbox.exactly("eve@example.org", 0).await;
}

#[tokio::test]
async fn renewing_a_hash_does_not_bring_the_old_password_back() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    let renewing = app.beside(|settings| settings.bcrypt_cost = 11).await;
    let held = app.database.hold("select 1 from addresses where canonical = 'ada@example.com' for update").await;
    let answers = run_in_order(&app.database, held, vec![reset(&app, token), login(&ada.at(&renewing))]).await;
    assert_eq!(statuses(&answers), [204, 200]);
    assert!(!ada.can_sign_in().await);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}

#[tokio::test]
async fn a_password_that_is_changed_while_its_hash_is_renewed_works() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let renewing = app.beside(|settings| settings.bcrypt_cost = 11).await;
    let held = app.database.hold("select 1 from addresses where canonical = 'ada@example.com' for update").await;
    let changing = ada.clone();
    let change: Request = Box::pin(async move { changing.change_password(OTHER_PASSWORD).await });
    let answers = run_in_order(&app.database, held, vec![login(&ada.at(&renewing)), change]).await;
    assert_eq!(statuses(&answers), [200, 204]);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
    assert!(!ada.can_sign_in().await);
}

#[tokio::test]
async fn a_wrong_password_while_the_account_is_deleted_is_unauthenticated() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await.with_password("a wrong guess");
    let deleted = app.database.hold("delete from users").await;
    let (moving, changing, leaving) = (ada.clone(), ada.clone(), ada.clone());
    let requests: Vec<Request> = vec![
        Box::pin(async move { moving.change_email("eve@example.org").await }),
        Box::pin(async move { changing.change_password(OTHER_PASSWORD).await }),
        Box::pin(async move { leaving.delete_account().await }),
    ];
    let waiting = queue_up(&app.database, requests).await;
    deleted.commit().await;
    assert_eq!(statuses(&answers(waiting).await), [401; 3]);
}
