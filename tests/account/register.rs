//! `POST /register`: what is accepted, what is refused, and that a refusal leaves nothing behind.

use serde_json::{Value, json};

use crate::support::TestApp;

const PASSWORD: &str = "plum-orbit-kettle-42";

#[tokio::test]
async fn a_new_account_gets_a_mail_whose_link_confirms_it() {
    let app = TestApp::start().await;
    let mut ada = app.visitor();
    let fields = json!({ "email": "ada@example.com", "password": ada.password, "username": "ada" });
    let answer = ada.register_as(fields).await.expect(202);
    let registered = answer.json();
    assert_eq!(registered["status"], "confirmation_sent");
    assert_eq!(answer.set_cookie(), None);

    let mail = app.mailbox.mail_to("ada@example.com").await;
    assert!(mail.subject.contains("Confirm"), "{}", mail.subject);
    assert!(mail.text.contains("ada@example.com") && mail.text.contains("with an unnamed program"));
    assert!(mail.link().starts_with(&app.http.base));
    let proof = json!({ "registration": registered["registration"] });
    assert_eq!(ada.post_json(&mail.path(), &proof).await.expect(200).json(), json!({ "status": "confirmed" }));
    ada.email = "ada@example.com".into();
    ada.sign_in().await;
    assert!(ada.passes_the_guard().await);
    app.mailbox.exactly("ada@example.com", 1).await;
}

#[tokio::test]
async fn all_wrong_fields_are_reported_together() {
    let app = TestApp::start().await;
    let visitor = app.visitor();
    let expected = [("/email", "required"), ("/password", "required")];
    visitor.register_as(json!({})).await.expect_errors(&expected);
    let wrong = json!({ "email": "nobody", "password": "short", "username": "-", "role": "admin" });
    let expected = [
        ("/email", "malformed"),
        ("/password", "too_short"),
        ("/username", "wrong_character"),
        ("/role", "unknown_field"),
    ];
    visitor.register_as(wrong).await.expect_errors(&expected);
    let wrong = json!({ "email": 1, "password": ["x"], "username": {} });
    let expected = [("/email", "wrong_type"), ("/password", "wrong_type"), ("/username", "wrong_type")];
    visitor.register_as(wrong).await.expect_errors(&expected);
    let expected = [("/email", "wrong_type"), ("/password", "wrong_type")];
    visitor.register_as(json!({ "email": null, "password": null, "username": null })).await.expect_errors(&expected);
    assert_nothing_happened(&app).await;
}

#[tokio::test]
async fn fields_that_only_the_service_sets_are_refused() {
    let app = TestApp::start().await;
    for name in ["confirmed", "confirmed_at", "id", "role", "password_hash", "a/b~c"] {
        let mut fields = json!({ "email": "ada@example.com", "password": PASSWORD });
        fields[name] = json!(true);
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        app.visitor().register_as(fields).await.expect_errors(&[(&pointer, "unknown_field")]);
    }
    assert_nothing_happened(&app).await;
}

#[tokio::test]
async fn an_address_that_cannot_receive_mail_is_refused() {
    let app = TestApp::start().await;
    let wrong = [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "a@[127.0.0.1]",
        "\"a b\"@x.org",
        "ada@x.org\r\nBcc: eve@x.org",
        "ada@x.org,eve@x.org",
        "Ada <ada@x.org>",
        "ada\u{0}@x.org",
        "ada\u{200b}@x.org",
        "a@b@x.org",
        "ada@exa mple.com",
    ];
    for email in wrong {
        let fields = json!({ "email": email, "password": PASSWORD });
        app.visitor().register_as(fields).await.expect_errors(&[("/email", "malformed")]);
    }
    assert_nothing_happened(&app).await;
}

#[tokio::test]
async fn an_address_has_at_most_254_octets() {
    let app = TestApp::start().await;
    let label = "d".repeat(59);
    let longest = format!("{}@{label}.{label}.{label}.eeeee.org", "a".repeat(64));
    assert_eq!(longest.len(), 254);
    let longer = longest.replace("eeeee", "eeeeee");
    let fields = |email: &str| json!({ "email": email, "password": PASSWORD });
    app.visitor().register_as(fields(&longer)).await.expect_errors(&[("/email", "too_long")]);
    assert_nothing_happened(&app).await;
    app.visitor().register_as(fields(&longest)).await.expect(202);
    app.mailbox.mail_to(&longest).await;
}

#[tokio::test]
async fn a_weak_password_is_refused_with_one_reason() {
    let app = TestApp::start().await;
    let long = "plum orbit kettle ".repeat(15);
    let cases = [
        ("seven77", "too_short"),
        ("password1", "too_guessable"),
        ("lovelace1815", "too_guessable"),
        ("Ada.Lovelace@example.com", "too_guessable"),
        ("countess-ada", "too_guessable"),
        ("vestibule1", "too_guessable"),
        ("plum\u{0}orbit kettle", "control_character"),
        ("plum\norbit kettle", "control_character"),
        (&long[..257], "too_long"),
    ];
    for (password, code) in cases {
        let fields = json!({ "email": "ada.lovelace@example.com", "password": password, "username": "countess-ada" });
        app.visitor().register_as(fields).await.expect_errors(&[("/password", code)]);
    }
    assert_nothing_happened(&app).await;
}

#[tokio::test]
async fn the_minimum_password_length_is_a_setting() {
    let app = TestApp::with(|settings| settings.password_min_length = 30).await;
    let fields = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = app.visitor().register_as(fields).await.expect_errors(&[("/password", "too_short")]);
    assert!(answer.text().contains("30"));
}

#[tokio::test]
async fn a_username_has_3_to_32_plain_characters() {
    let app = TestApp::start().await;
    let cases = [("ab", "wrong_length"), ("", "wrong_length"), (&"a".repeat(33), "wrong_length")];
    let characters = ["-ada", ".ada", "_ada", "ada lovelace", "ada@x", "\u{430}da", "ada\u{0}"];
    let characters = characters.map(|name| (name, "wrong_character"));
    for (username, code) in cases.into_iter().chain(characters) {
        let fields = json!({ "email": "ada@example.com", "password": PASSWORD, "username": username });
        app.visitor().register_as(fields).await.expect_errors(&[("/username", code)]);
    }
    assert_nothing_happened(&app).await;
    for (number, username) in ["abc", "A.d_a-1", &"a".repeat(32)].iter().enumerate() {
        let fields = json!({ "email": format!("{number}@x.org"), "password": PASSWORD, "username": username });
        app.visitor().register_as(fields).await.expect(202);
    }
}

#[tokio::test]
async fn a_username_may_be_left_out_or_null() {
    let app = TestApp::start().await;
    let mut fields = json!({ "email": "ada@example.com", "password": PASSWORD });
    app.visitor().register_as(fields.clone()).await.expect(202);
    fields["username"] = Value::Null;
    app.visitor().register_as(fields).await.expect(202);
    assert_eq!(app.database.number("select count(*) from users where username is null").await, 2);
}

#[tokio::test]
async fn usernames_are_unique_regardless_of_case_and_a_conflict_changes_nothing() {
    let app = TestApp::start().await;
    app.member("Ada").await;
    app.unconfirmed("bob").await;
    for taken in ["ADA", "ada", "Bob"] {
        let eve = app.visitor();
        let fields = json!({ "email": "eve@example.com", "password": PASSWORD, "username": taken });
        eve.register_as(fields).await.expect_problem(409, "username_taken");
        let login = json!({ "email": "eve@example.com", "password": PASSWORD });
        eve.post_json("/login", &login).await.expect_problem(401, "invalid_credentials");
    }
    assert_eq!(app.database.number("select count(*) from users").await, 2);
    app.mailbox.exactly("eve@example.com", 0).await;
}

#[tokio::test]
async fn a_conflict_keeps_the_other_accounts_of_the_address() {
    let app = TestApp::start().await;
    app.unconfirmed("bob").await;
    let eve = app.unconfirmed("eve").await;
    for _ in 0..3 {
        let fields = json!({ "email": eve.email, "password": PASSWORD, "username": "bob" });
        app.visitor().register_as(fields).await.expect_problem(409, "username_taken");
    }
    assert!(eve.is_signed_in().await);
    app.mailbox.exactly(&eve.email, 1).await;
}

#[tokio::test]
async fn registering_while_signed_in_keeps_the_session() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let fields = json!({ "email": "other@example.com", "password": PASSWORD });
    assert_eq!(ada.register_as(fields).await.expect(202).set_cookie(), None);
    assert_eq!(ada.get("/me").await.json()["username"], "ada");
}

async fn assert_nothing_happened(app: &TestApp) {
    assert!(app.mailbox.is_empty().await);
    assert_eq!(app.database.number("select (select count(*) from users) + (select count(*) from outbox)").await, 0);
}
