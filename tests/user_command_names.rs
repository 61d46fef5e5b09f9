//! How a command names an account.

use serde_json::json;

use crate::support::TestApp;
use crate::support::account::OTHER_PASSWORD;
use crate::user_commands::{expect_refusal, user, user_with};

#[tokio::test]
async fn an_unknown_name_gives_one_line_and_exit_status_one() {
    let app = TestApp::start().await;
    app.member("ada").await;
    let commands: [&[&str]; 7] =
        [&["show"], &["confirm"], &["disable"], &["enable"], &["sign-out"], &["set-password"], &["delete", "--yes"]];
    for name in ["nobody", "nobody@example.com", "0198c0de-0000-7000-8000-000000000000", "a b", "%"] {
        for command in commands {
            let run = user_with(&app, &[command, &[name]].concat(), OTHER_PASSWORD);
            expect_refusal(&run, &["there is no account", name]);
        }
    }
}

#[tokio::test]
async fn a_username_that_looks_like_an_id_names_its_own_account() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let id = ada.get("/me").await.json()["id"].as_str().unwrap().to_owned();
    bob.change_username(&json!(id.replace('-', ""))).await.expect(200);
    user(&app, &["disable", &id.replace('-', "")]).expect_success();
    assert!(ada.is_signed_in().await && !bob.is_signed_in().await);
    user(&app, &["disable", &id]).expect_success();
    assert!(!ada.is_signed_in().await);
}
