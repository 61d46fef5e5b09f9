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
    let parse = |text| serde_json::from_str::<Vec<Foreign>>(text).unwrap();
    let all = parse(include_str!("../crates/foreign-hashes/tests/fixtures/hashes.json"));
    let published = parse(include_str!("../crates/foreign-hashes/tests/fixtures/published.json"));
    let mut groups = BTreeMap::<_, Vec<Foreign>>::new();
    for foreign in all.into_iter().chain(published) {
        // A login with a renewal is slow, so most families have few cases here; the tests of the crate have all.
        let has_every_case = ["better-auth", "passlib bcrypt 2b", "flask-security argon2"].contains(&&*foreign.family);
        let is_rare =
            !["not ASCII", "another", "example", "readme", "short", "composed", "decomposed", "long", "default cost"]
                .contains(&&*foreign.case);
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

#[tokio::test]
async fn a_singly_hashed_password_of_flask_security_matches_however_it_is_typed() {
    let app = TestApp::start().await;
    // Made by passlib 1.7.4 of "café-ﬁve" in NFKD, as Flask-Security gives it.
    let hash = "$2b$05$tlegxtQe8Hn.0bSJbK9theJBMzj3AdDnQT9E3Pq0nra3gZnrqJwQ.";
    let rows = ["ada@example.com", "bob@example.com"].map(|email| json!({ "email": email, "password_hash": hash }));
    let summary = import(&app, &lines(rows), &["--flask-security-single-hash"]).expect_success();
    assert_eq!(summary, "2 imported, 0 already there, 0 refused\n");
    for (email, spelling) in
        [("ada@example.com", "caf\u{e9}-\u{fb01}ve"), ("bob@example.com", "cafe\u{301}-\u{fb01}ve")]
    {
        let before = app.inside.hasher.computed();
        assert_eq!(login(&app, email, "cafe-five").await.status, 401);
        assert_eq!(app.inside.hasher.computed() - before, 1, "a sign-in computes one hash");
        assert_eq!(login(&app, email, spelling).await.status, 200, "{spelling}");
        // Renewed under our scheme, for which a password is NFC.
        for spelling in ["caf\u{e9}-\u{fb01}ve", "cafe\u{301}-\u{fb01}ve"] {
            assert_eq!(login(&app, email, spelling).await.status, 200, "{spelling}, renewed");
        }
    }
}
