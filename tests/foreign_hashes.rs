//! Imports a hash of each real library (`crates/foreign-hashes/tests/fixtures`): the password works as before, and its
//! hash is then renewed to ours.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::import::{import, lines};
use crate::support::{Answer, TestApp};

#[derive(Deserialize)]
struct Foreign {
    family: String,
    case: String,
    password: String,
    hash: String,
    devise_pepper: Option<String>,
    flask_security_salt: Option<String>,
}

/// The hashes, grouped by secret: one run of the import takes one secret.
fn by_secret() -> BTreeMap<Option<(&'static str, String)>, Vec<Foreign>> {
    let all: Vec<Foreign> =
        serde_json::from_str(include_str!("../crates/foreign-hashes/tests/fixtures/hashes.json")).unwrap();
    let mut groups = BTreeMap::<_, Vec<Foreign>>::new();
    for foreign in all {
        // A login with a renewal is slow, so most families have few cases here; the tests of the crate have all.
        let has_every_case = ["better-auth", "passlib bcrypt 2b", "flask-security argon2"].contains(&&*foreign.family);
        let is_rare = !["composed", "decomposed", "long", "default cost"].contains(&&*foreign.case);
        if !has_every_case && !is_rare {
            continue;
        }
        let pepper = foreign.devise_pepper.clone().map(|pepper| ("--devise-pepper", pepper));
        let salt = foreign.flask_security_salt.clone().map(|salt| ("--flask-security-salt", salt));
        groups.entry(pepper.or(salt)).or_default().push(foreign);
    }
    groups
}

async fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    app.visitor().post_json("/login", &json!({ "email": email, "password": password })).await
}

#[tokio::test]
async fn an_imported_password_works_and_its_hash_is_renewed() {
    let app = TestApp::start().await;
    for (number, (secret, group)) in by_secret().into_iter().enumerate() {
        let email = |at: usize| format!("person{at}@from{number}.example");
        let rows = group.iter().enumerate();
        let rows = rows.map(|(at, foreign)| json!({ "email": email(at), "password_hash": foreign.hash }));
        let flags: Vec<&str> = secret.iter().flat_map(|(flag, secret)| [*flag, secret.as_str()]).collect();
        let summary = import(&app, &lines(rows), &flags).expect_success();
        assert_eq!(summary, format!("{} imported, 0 already there, 0 refused\n", group.len()));
        for (at, foreign) in group.iter().enumerate() {
            let what = format!("{}, {}", foreign.family, foreign.case);
            let email = email(at);
            assert_eq!(login(&app, &email, &format!("{}x", &foreign.password[1..])).await.status, 401, "{what}");
            assert_eq!(login(&app, &email, &foreign.password).await.status, 200, "{what}");
            let renewed = app.database.rows(&format!("select password_hash from users where email = '{email}'")).await;
            let renewed = renewed[0][0].as_deref().unwrap();
            assert!(renewed.starts_with("$bcrypt-sha256$v=2,t=2b,"), "{what}: {renewed}");
            assert_eq!(login(&app, &email, &foreign.password).await.status, 200, "{what}, renewed");
        }
    }
    let left = "select count(*) from addresses where parameters not like '$bcrypt-sha256$v=2%'";
    assert_eq!(app.database.number(left).await, 0);
}
