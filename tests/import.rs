//! `vestibule user import` and `export`: the real binary beside a running service.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::account::OTHER_PASSWORD;
use crate::support::database::TestDatabase;
use crate::support::{Actor, TestApp, binary};

/// The hash that werkzeug 3 makes of "plum-orbit-kettle-42", with fewer rounds.
pub const WERKZEUG: &str =
    "pbkdf2:sha256:1000$2GqTnYvF0kLw8sRz$1596cd299b68b5b7c825e28555dedd354a71a510f52762a64f44d443676772d8";
pub const PASSWORD: &str = "plum-orbit-kettle-42";

/// A finished run of the binary.
pub struct Run(pub Output);

impl Run {
    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    pub fn expect_success(&self) -> String {
        assert!(self.0.status.success(), "{}", self.stderr());
        assert_eq!(self.stderr(), "");
        self.stdout()
    }
}

/// The rows as JSON Lines.
pub fn lines(rows: impl IntoIterator<Item = Value>) -> Vec<u8> {
    rows.into_iter().map(|row| format!("{row}\n")).collect::<String>().into()
}

/// Imports from standard input, while the service runs.
pub fn import(app: &TestApp, input: &[u8], flags: &[&str]) -> Run {
    import_into(&app.database, input, flags)
}

pub fn import_into(database: &TestDatabase, input: &[u8], flags: &[&str]) -> Run {
    let mut child = binary::command(&["user", "--database-url", &database.url, "import", "-"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        Run(child.wait_with_output().unwrap())
    })
}

pub fn export(database: &TestDatabase) -> String {
    Run(binary::run(&["user", "--database-url", &database.url, "export"], &[])).expect_success()
}

fn row(email: &str) -> Value {
    json!({ "email": email, "password_hash": WERKZEUG })
}

async fn login(app: &TestApp, email: &str, password: &str) -> u16 {
    app.visitor().post_json("/login", &json!({ "email": email, "password": password })).await.status
}

#[tokio::test]
async fn an_account_is_imported_with_all_its_fields() {
    let app = TestApp::start().await;
    let id = "0b5f1c5e-7f0e-4d5a-9a39-0d4f3f1f6a11";
    let rows = [
        json!({ "email": "Ada@Example.com", "password_hash": WERKZEUG, "username": "Ada", "id": id,
                "confirmed_at": "2021-02-03T04:05:06Z", "created_at": "2020-01-02T03:04:05+01:00" }),
        json!({ "email": "bob@example.com", "password_hash": WERKZEUG, "confirmed": false, "username": null }),
    ];
    assert_eq!(import(&app, &lines(rows), &[]).expect_success(), "2 imported, 0 already there, 0 refused\n");
    let fields = json!({ "username": "ada", "password": PASSWORD });
    let user = app.visitor().post_json("/login", &fields).await.expect(200).json()["user"].clone();
    assert_eq!(
        user,
        json!({ "id": id, "email": "Ada@Example.com", "username": "Ada", "confirmed": true,
                             "created_at": "2020-01-02T02:04:05Z" })
    );
    let fields = json!({ "email": "bob@example.com", "password": PASSWORD });
    let user = app.visitor().post_json("/login", &fields).await.expect(200).json()["user"].clone();
    assert_eq!(user["confirmed"], false);
    // An unconfirmed account can ask for the confirmation link, like any other.
    app.visitor().post_json("/resend", &json!({ "email": "bob@example.com" })).await.expect(202);
    let link = app.mailbox.mail_to("bob@example.com").await.path();
    app.visitor().post_json(&link, &json!({ "password": PASSWORD })).await.expect(200);
}

#[tokio::test]
async fn a_login_costs_one_hash_and_a_renewal_a_second_one() {
    let app = TestApp::start().await;
    import(&app, &lines([row("ada@example.com"), row("bob@example.com")]), &[]).expect_success();
    let cost = async |email: &str, password: &str, status: u16| {
        let before = app.inside.hasher.computed();
        assert_eq!(login(&app, email, password).await, status);
        app.inside.hasher.computed() - before
    };
    assert_eq!(cost("ada@example.com", "a wrong guess", 401).await, 1);
    assert_eq!(cost("ada@example.com", PASSWORD, 200).await, 2);
    assert_eq!(cost("ada@example.com", PASSWORD, 200).await, 1);
    assert_eq!(cost("ada@example.com", "a wrong guess", 401).await, 1);
    assert_eq!(cost("bob@example.com", "a wrong guess", 401).await, 1);
}

#[tokio::test]
async fn a_second_run_adds_nothing_even_after_hashes_were_renewed() {
    let app = TestApp::start().await;
    let input = lines((0..2500).map(|at| {
        json!({ "email": format!("u{at}@example.com"), "username": format!("user{at}"),
                                                 "password_hash": WERKZEUG, "confirmed": at % 2 == 0 })
    }));
    assert_eq!(import(&app, &input, &[]).expect_success(), "2500 imported, 0 already there, 0 refused\n");
    for email in ["u0@example.com", "u1@example.com"] {
        assert_eq!(login(&app, email, PASSWORD).await, 200);
    }
    let before = export(&app.database);
    assert_eq!(import(&app, &input, &[]).expect_success(), "0 imported, 2500 already there, 0 refused\n");
    assert_eq!(export(&app.database), before);
}

#[tokio::test]
async fn spellings_of_an_address_are_one_account() {
    let app = TestApp::start().await;
    let rows =
        ["Ada@Bücher.example", "ada@xn--bcher-kva.example", " ADA＠bücher.example\t", "bob@example.com"].map(row);
    assert_eq!(import(&app, &lines(rows), &[]).expect_success(), "2 imported, 2 already there, 0 refused\n");
    assert_eq!(login(&app, "ada@xn--bcher-kva.example", PASSWORD).await, 200);
}

#[tokio::test]
async fn a_confirmed_import_takes_an_address_from_unconfirmed_accounts_only() {
    let app = TestApp::start().await;
    let squatter = app.unconfirmed("ada").await;
    let owner = app.member("bob").await;
    let rows = [row("ada@example.com"), row("bob@example.com")];
    assert_eq!(import(&app, &lines(rows), &[]).expect_success(), "1 imported, 1 already there, 0 refused\n");
    assert!(!squatter.is_signed_in().await);
    assert_eq!(login(&app, "ada@example.com", &squatter.password).await, 401);
    assert_eq!(login(&app, "ada@example.com", PASSWORD).await, 200);
    assert!(owner.passes_the_guard().await);
    assert_eq!(login(&app, "bob@example.com", &owner.password).await, 200);
    assert_eq!(login(&app, "bob@example.com", PASSWORD).await, 401);
    // An unconfirmed import does not replace an unconfirmed registration.
    let carol = app.unconfirmed("carol").await;
    let rows = [json!({ "email": "carol@example.com", "password_hash": WERKZEUG, "confirmed": false })];
    assert_eq!(import(&app, &lines(rows), &[]).expect_success(), "0 imported, 1 already there, 0 refused\n");
    assert!(carol.is_signed_in().await);
}

#[tokio::test]
async fn a_registration_of_an_imported_address_does_not_keep_its_owner_at_an_old_scheme() {
    let app = TestApp::start().await;
    import(&app, &lines([row("ada@example.com")]), &[]).expect_success();
    let fields = json!({ "email": "ada@example.com", "password": "another-orbit-of-plums-7" });
    app.visitor().register_as(fields.clone()).await.expect(202);
    // One hash answers for both: the registration has the parameters of the import.
    let registration = app.visitor().post_json("/login", &fields).await.expect(200).json();
    assert_eq!(registration["user"]["confirmed"], false);
    assert_eq!(login(&app, "ada@example.com", "wrong").await, 401);
    let schemes = "select split_part(password_hash, '$', 2) from users where confirmed_at is not null";
    assert_ne!(app.database.rows(schemes).await[0][0].as_deref(), Some("bcrypt-sha256"));

    assert_eq!(login(&app, "ada@example.com", PASSWORD).await, 200);
    assert_eq!(app.database.rows(schemes).await[0][0].as_deref(), Some("bcrypt-sha256"));
    assert_eq!(login(&app, "ada@example.com", PASSWORD).await, 200);
}

#[tokio::test]
async fn a_new_password_of_an_imported_account_has_the_scheme_of_today() {
    for is_reset in [false, true] {
        let app = TestApp::start().await;
        import(&app, &lines([row("ada@example.com")]), &[]).expect_success();
        let visitor = app.visitor();
        visitor
            .register_as(json!({ "email": "ada@example.com", "password": "another-orbit-of-plums-7" }))
            .await
            .expect(202);
        let mut ada = Actor::new(&app, "ada").knowing(PASSWORD);
        if is_reset {
            let token = app.reset_link(&ada).await.token();
            app.reset(&token, OTHER_PASSWORD).await.expect(204);
        } else {
            ada.sign_in().await;
            ada.change_password(OTHER_PASSWORD).await.expect(204);
        }
        let schemes = "select split_part(password_hash, '$', 2) from users where confirmed_at is not null";
        assert_eq!(app.database.rows(schemes).await[0][0].as_deref(), Some("bcrypt-sha256"), "{is_reset}");
        assert_eq!(login(&app, "ada@example.com", OTHER_PASSWORD).await, 200);
    }
}

#[tokio::test]
async fn a_username_or_id_that_is_taken_is_not_imported_twice() {
    let app = TestApp::start().await;
    app.member("ada").await;
    let id = app.database.rows("select id from users").await[0][0].clone().unwrap();
    let other = "0b5f1c5e-7f0e-4d5a-9a39-0d4f3f1f6a11";
    let rows = [
        json!({ "email": "other@example.com", "password_hash": WERKZEUG, "username": "ADA" }),
        json!({ "email": "moved@example.com", "password_hash": WERKZEUG, "id": id }),
        json!({ "email": "one@example.com", "password_hash": WERKZEUG, "username": "twice" }),
        json!({ "email": "two@example.com", "password_hash": WERKZEUG, "username": "Twice" }),
        json!({ "email": "three@example.com", "password_hash": WERKZEUG, "id": other }),
        json!({ "email": "four@example.com", "password_hash": WERKZEUG, "id": other }),
    ];
    let run = import(&app, &lines(rows), &[]);
    assert_eq!(run.0.status.code(), Some(1));
    assert_eq!(run.stdout(), "2 imported, 2 already there, 2 refused\n");
    let said = "line 1: username: belongs to another account\nline 4: username: belongs to another account\n\
                vestibule: 2 lines were refused\n";
    assert_eq!(run.stderr(), said);
    let known = "select count(*) from addresses";
    assert_eq!(app.database.number(known).await, 3, "a refused line leaves no address behind");
}

#[tokio::test]
async fn an_export_imported_into_an_empty_database_exports_the_same() {
    let app = TestApp::start().await;
    app.member("ada").await;
    app.unconfirmed("bob").await;
    let mut rows: Vec<Value> = (0..40).map(|at| row(&format!("u{at}@example.com"))).collect();
    rows.push(json!({ "email": "carol@example.com", "password_hash": WERKZEUG, "confirmed": false }));
    import(&app, &lines(rows), &[]).expect_success();
    let devise = json!({ "email": "dan@example.com", "password_hash": format!("$2a$10${}", "a".repeat(53)) });
    import(&app, &lines([devise]), &["--devise-pepper", "pepper"]).expect_success();
    // Registrations of owned addresses, which cannot be confirmed: of one with our hash, and of one with a foreign
    // hash.
    for email in ["ada@example.com", "u7@example.com"] {
        for word in ["kettle", "orbit"] {
            let password = format!("another-plum-{word}-7");
            app.visitor().register_as(json!({ "email": email, "password": password })).await.expect(202);
        }
    }
    let exported = export(&app.database);
    assert_eq!(exported.lines().count(), 48);
    let there = TestDatabase::empty();
    let said = import_into(&there, exported.as_bytes(), &[]).expect_success();
    assert_eq!(said, "48 imported, 0 already there, 0 refused\n");
    assert_eq!(export(&there), exported);
    let addresses = "select canonical, parameters from addresses order by canonical";
    assert_eq!(there.rows(addresses).await, app.database.rows(addresses).await);
    let again = import_into(&there, exported.as_bytes(), &[]).expect_success();
    assert_eq!(again, "0 imported, 48 already there, 0 refused\n");
}

#[tokio::test]
async fn a_disabled_account_stays_disabled_through_an_export_and_an_import() {
    let (here, there) = (TestApp::start().await, TestApp::start().await);
    let rows = [row("ada@example.com"), row("bob@example.com")];
    import(&here, &lines(rows), &[]).expect_success();
    here.database.rows("update users set disabled_at = '2026-01-02 03:04:05Z' where email like 'ada@%'").await;
    let exported = export(&here.database);
    assert_eq!(exported.matches(r#""disabled_at":"2026-01-02T03:04:05Z""#).count(), 1, "{exported}");
    assert_eq!(exported.matches("disabled_at").count(), 1, "{exported}");
    import(&there, exported.as_bytes(), &[]).expect_success();
    assert_eq!(export(&there.database), exported);
    assert_eq!(login(&there, "ada@example.com", PASSWORD).await, 401);
    assert_eq!(login(&there, "bob@example.com", PASSWORD).await, 200);
    there.database.rows("update users set disabled_at = null").await;
    assert_eq!(login(&there, "ada@example.com", PASSWORD).await, 200);
}

#[tokio::test]
async fn an_export_to_a_file_is_private_and_never_partial() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = TestApp::start().await;
    app.member("ada").await;
    let path = app.data_dir.join("users.jsonl");
    let run = Run(binary::run(
        &["user", "--database-url", &app.database.url, "export", "--output", path.to_str().unwrap()],
        &[],
    ));
    assert_eq!(run.expect_success(), "1 exported\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), export(&app.database));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!path.with_extension("jsonl.partial").exists());
}
