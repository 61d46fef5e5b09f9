//! `POST /login`: who gets a session, with which names, for how long, and as cookie or token.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::support::{Credential, TestApp};

/// RFC 8265: phones and word processors type other spaces, which look the same.
#[tokio::test]
async fn all_spaces_in_a_password_are_one() {
    let app = TestApp::start().await;
    let mut ada = app.visitor();
    (ada.email, ada.password) = ("ada@example.com".to_owned(), "brick\u{a0}violet\u{3000}otter 19".to_owned());
    ada.register().await.expect(202);
    for (password, status) in [
        ("brick violet otter 19", 200),
        ("brick\u{2003}violet\u{202f}otter\u{a0}19", 200),
        ("Brick violet otter 19", 401),
        ("brick  violet otter 19", 401),
        ("brick violet otter 19 ", 401),
        ("", 401),
    ] {
        ada.knowing(password).try_sign_in(json!({})).await.expect(status);
    }
}

#[tokio::test]
async fn a_member_signs_in_with_address_or_username_in_any_case() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    for name in [json!({ "email": "ada@example.com" }), json!({ "email": " ADA@Example.Com" })] {
        let fields = json!({ "email": name["email"], "password": ada.password });
        let login = app.visitor().post_json("/login", &fields).await.expect(200).json();
        assert_eq!(login["user"]["username"], "ada");
        assert_eq!(login["user"]["confirmed"], true);
    }
    for username in ["ada", "ADA"] {
        let fields = json!({ "username": username, "password": ada.password });
        let login = app.visitor().post_json("/login", &fields).await.expect(200).json();
        assert_eq!(login["user"]["email"], "ada@example.com");
    }
}

#[tokio::test]
async fn an_unconfirmed_account_signs_in_but_may_not_use_guarded_operations() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    assert!(ada.is_signed_in().await);
    ada.get("/sessions").await.expect_problem(403, "unconfirmed");
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_get_the_same_answer() {
    let app = TestApp::start().await;
    app.member("ada").await;
    app.unconfirmed("bob").await;
    let attempts = [
        json!({ "email": "ada@example.com", "password": "wrong" }),
        json!({ "email": "bob@example.com", "password": "wrong" }),
        json!({ "email": "nobody@example.com", "password": "wrong" }),
        json!({ "username": "ada", "password": "" }),
        json!({ "username": "nobody", "password": "x".repeat(10_000) }),
        json!({ "username": "ada", "password": "nul\u{0}nul" }),
    ];
    let mut seen = Vec::new();
    for attempt in attempts {
        let answer = app.visitor().post_json("/login", &attempt).await.expect_problem(401, "invalid_credentials");
        assert_eq!(answer.set_cookie(), None);
        seen.push(answer.appearance());
    }
    assert!(seen.iter().all(|appearance| *appearance == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn the_password_of_another_user_is_wrong() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let fields = json!({ "email": ada.email, "password": bob.password });
    app.visitor().post_json("/login", &fields).await.expect_problem(401, "invalid_credentials");
}

#[tokio::test]
async fn a_login_must_name_one_account_and_a_password() {
    let app = TestApp::start().await;
    let cases = [
        (json!({}), vec![("/email", "required"), ("/password", "required")]),
        (json!({ "password": "x" }), vec![("/email", "required")]),
        (json!({ "email": null, "username": null, "password": "x" }), vec![("/email", "required")]),
        (json!({ "email": "a@x.org", "username": "ada", "password": "x" }), vec![("/username", "ambiguous")]),
        (json!({ "email": "nobody", "password": "x" }), vec![("/email", "malformed")]),
        (
            json!({ "username": "-", "password": null }),
            vec![("/username", "wrong_character"), ("/password", "wrong_type")],
        ),
        (
            json!({ "username": "ada", "password": 1, "remember": "yes", "transport": "pigeon", "admin": true }),
            vec![
                ("/password", "wrong_type"),
                ("/remember", "wrong_type"),
                ("/transport", "unknown_value"),
                ("/admin", "unknown_field"),
            ],
        ),
    ];
    for (fields, expected) in cases {
        app.visitor().post_json("/login", &fields).await.expect_errors(&expected);
    }
}

#[tokio::test]
async fn only_the_bearer_transport_returns_a_token_and_others_set_a_cookie() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await.with(Credential::Nothing);
    for fields in [json!({}), json!({ "transport": "cookie" }), json!({ "transport": null })] {
        let answer = ada.try_sign_in(fields).await.expect(200);
        assert!(answer.json()["session"].get("token").is_none());
        assert!(answer.set_cookie().is_some());
    }
    let answer = ada.try_sign_in(json!({ "transport": "bearer" })).await.expect(200);
    assert_eq!(answer.json()["session"]["token"].as_str().unwrap().len(), 43);
    assert_eq!(answer.set_cookie(), None);
}

#[tokio::test]
async fn a_session_lasts_as_long_as_requested() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    for (remember, hours) in [(false, 12), (true, 30 * 24)] {
        let answer = ada.try_sign_in(json!({ "remember": remember })).await.expect(200);
        let ends: DateTime<Utc> = answer.json()["session"]["expires_at"].as_str().unwrap().parse().unwrap();
        let minutes = (ends - app.clock.now()).num_minutes();
        assert!((hours * 60 - 2..=hours * 60).contains(&minutes), "{minutes}");
        let cookie = answer.set_cookie().unwrap();
        assert_eq!(cookie.contains("Max-Age"), remember, "{cookie}");
        if remember {
            assert!(cookie.contains(&format!("Max-Age={}", hours * 3600)), "{cookie}");
        }
    }
}

#[tokio::test]
async fn unicode_spellings_of_a_password_are_equal() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let (composed, decomposed) = ("caf\u{e9}-orbit-kettle-42", "cafe\u{301}-orbit-kettle-42");
    visitor.register_as(json!({ "email": visitor.email, "password": decomposed })).await.expect(202);
    for password in [composed, decomposed] {
        visitor.post_json("/login", &json!({ "email": visitor.email, "password": password })).await.expect(200);
    }
    let other = json!({ "email": visitor.email, "password": "cafe-orbit-kettle-42" });
    visitor.post_json("/login", &other).await.expect(401);
}

#[tokio::test]
async fn every_character_of_a_long_password_counts() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let long: String = "plum orbit kettle ".chars().cycle().take(80).collect();
    visitor.register_as(json!({ "email": visitor.email, "password": long })).await.expect(202);
    let login = |password: String| json!({ "email": visitor.email, "password": password });
    visitor.post_json("/login", &login(long.clone())).await.expect(200);
    for wrong in [format!("{long}x"), long[..79].to_owned(), format!("{}x", &long[..79]), long[..72].to_owned()] {
        visitor.post_json("/login", &login(wrong)).await.expect(401);
    }
    visitor.post_json("/login", &login(format!("{long}\u{0}{long}"))).await.expect(401);
}

#[tokio::test]
async fn a_hash_with_another_cost_is_renewed_at_the_next_login() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let hash = async || app.database.rows("select password_hash from users").await[0][0].clone().unwrap();
    let before = hash().await;
    assert!(before.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{before}");
    let dearer = app.beside(|settings| settings.bcrypt_cost = 11).await;
    let ada_there = ada.at(&dearer).with(Credential::Nothing);
    ada_there.try_sign_in(json!({})).await.expect(200);
    assert!(hash().await.starts_with("$bcrypt-sha256$v=2,t=2b,r=11$"));
    ada_there.try_sign_in(json!({})).await.expect(200);
    assert!(ada.is_signed_in().await, "a renewal ends no session");
}

#[tokio::test]
async fn a_confirmed_account_moves_to_the_current_cost_despite_other_registrations() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let fields = json!({ "email": ada.email, "password": "another-orbit-of-plums-7" });
    app.visitor().register_as(fields.clone()).await.expect(202);
    let dearer = app.beside(|settings| settings.bcrypt_cost = 11).await;
    // An unconfirmed account alone changes nothing: the owner's hash would no longer fit.
    let login = dearer.visitor().post_json("/login", &fields).await.expect(200).json();
    assert_eq!(login["user"]["confirmed"], Value::Bool(false));
    for _ in 0..2 {
        ada.at(&dearer).try_sign_in(json!({})).await.expect(200);
    }
    let renewed = "select count(*) from users where starts_with(password_hash, '$bcrypt-sha256$v=2,t=2b,r=11$')";
    assert_eq!(app.database.number(renewed).await, 1);
}

#[tokio::test]
async fn a_failed_login_keeps_the_session_of_the_request() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let wrong = json!({ "email": ada.email, "password": "wrong" });
    let answer = ada.post_json("/login", &wrong).await.expect_problem(401, "invalid_credentials");
    assert_eq!(answer.set_cookie(), None);
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn an_account_without_a_password_costs_one_hash_and_signs_in_after_a_reset() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    app.database.rows("update users set password_hash = null, password_set_at = null").await;
    let before = app.inside.hasher.computed();
    ada.try_sign_in(json!({})).await.expect_problem(401, "invalid_credentials");
    assert_eq!(app.inside.hasher.computed() - before, 1);
    ada.change_password("brick-violet-otter-19").await.expect_problem(403, "wrong_password");
    let export = ada.export().await;
    assert_eq!(export["password_set_at"], Value::Null);

    let token = app.reset_link(&ada).await.token();
    app.reset(&token, "brick-violet-otter-19").await.expect(204);
    ada.knowing("brick-violet-otter-19").try_sign_in(json!({})).await.expect(200);
}

#[tokio::test]
async fn new_credentials_invalidate_reset_links() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = app.reset_link(&ada).await.token();
    // As adding a second factor, or any other change of the credentials, would do.
    app.database.rows("update users set credential_version = gen_random_uuid()").await;
    app.reset(&token, "brick-violet-otter-19").await.expect_problem(410, "link_used");
    ada.try_sign_in(json!({})).await.expect(200);
}
