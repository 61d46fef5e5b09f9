//! `vestibule user …` for one account: the real binary, with the database of a running service.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::import::Run;
use crate::support::account::OTHER_PASSWORD;
use crate::support::{Actor, TestApp, binary, password_of};

pub fn user_with(app: &TestApp, arguments: &[&str], input: &str) -> Run {
    let mut child = binary::command(&["user", "--database-url", &app.database.url, "--bcrypt-cost", "10"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Run(child.wait_with_output().unwrap())
}

pub fn user(app: &TestApp, arguments: &[&str]) -> Run {
    user_with(app, arguments, "")
}

/// Asserts exit status 1, nothing on standard output, and one line on standard error that contains these parts.
#[track_caller]
pub fn expect_refusal(run: &Run, parts: &[&str]) {
    let line = run.stderr();
    assert_eq!((run.0.status.code(), run.stdout().as_str()), (Some(1), ""), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
}

fn json_of(run: &Run) -> Value {
    serde_json::from_str(&run.expect_success()).unwrap()
}

#[tokio::test]
async fn list_shows_accounts_newest_first_and_searches() {
    let app = TestApp::start().await;
    assert_eq!(user(&app, &["list"]).expect_success(), "no accounts\n");
    app.member("ada").await;
    app.unconfirmed("bob").await;
    let table = user(&app, &["list"]).expect_success();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("ID ") && lines[0].contains("STATE"), "{table}");
    assert!(lines[1].contains("bob@example.com") && lines[1].contains(" unconfirmed "), "{table}");
    assert!(lines[2].contains("ada@example.com") && lines[2].contains(" confirmed "), "{table}");
    let found = json_of(&user(&app, &["list", "--search", "ADA", "--json"]));
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((&found[0]["username"], &found[0]["disabled_at"]), (&json!("ada"), &Value::Null));
    assert!(found[0]["confirmed_at"].is_string());
    // `%` is no wildcard in a search.
    assert_eq!(json_of(&user(&app, &["list", "--search", "%", "--json"])), json!([]));
    assert_eq!(json_of(&user(&app, &["list", "--limit", "1", "--json"])).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn show_has_sessions_mails_and_events_and_no_secret() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let link = app.mailbox.mail_to(&ada.email).await.token();
    let hash = app.database.rows("select password_hash from users").await[0][0].clone().unwrap();
    let id = ada.get("/me").await.json()["id"].as_str().unwrap().to_owned();
    for name in ["ada@example.com", "ADA", id.as_str()] {
        let details = json_of(&user(&app, &["show", name, "--json"]));
        assert_eq!((&details["id"], &details["email"]), (&json!(id), &json!("ada@example.com")), "{name}");
        assert_eq!(details["sessions"][0]["ip"], "127.0.0.1");
        assert_eq!(details["mails"][0]["kind"], "confirm_email");
        assert_eq!(details["events"][0]["kind"], "signed_in");
        let text = user(&app, &["show", name]).expect_success();
        assert!(["signed_in", "confirm_email", "127.0.0.1"].iter().all(|word| text.contains(word)), "{text}");
        for secret in [ada.token(), &hash, &link] {
            assert!(!text.contains(secret) && !details.to_string().contains(secret));
        }
    }
}

#[tokio::test]
async fn a_created_account_signs_in_and_passes_the_guard_once_confirmed() {
    let app = TestApp::start().await;
    let (mut ada, mut bob) = (Actor::new(&app, "ada"), Actor::new(&app, "bob"));
    let input = format!("{}\n", ada.password);
    user_with(&app, &["create", "ada@example.com", "--username", "ada", "--confirmed"], &input).expect_success();
    user_with(&app, &["create", "bob@example.com"], &bob.password).expect_success();
    ada.sign_in().await;
    assert!(ada.passes_the_guard().await);
    assert_eq!(ada.events().await, ["created", "confirmed", "signed_in"]);
    bob.sign_in().await;
    bob.get("/sessions").await.expect_problem(403, "unconfirmed");
    user(&app, &["confirm", "bob@example.com"]).expect_success();
    assert!(bob.passes_the_guard().await, "the open session notices at its next request");
    user(&app, &["confirm", "bob@example.com"]).expect_success();
    assert_eq!(bob.events().await, ["created", "signed_in", "confirmed"]);
}

#[tokio::test]
async fn create_refuses_what_a_registration_refuses() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let create = |arguments: &[&str], input: &str| user_with(&app, &[&["create"], arguments].concat(), input);
    expect_refusal(&create(&["eve@example.com"], "short\n"), &["password"]);
    expect_refusal(&create(&["eve@example.com"], ""), &["password"]);
    expect_refusal(&create(&["nonsense"], OTHER_PASSWORD), &["nonsense", "email"]);
    expect_refusal(&create(&["eve@example.com", "--username", "ADA"], OTHER_PASSWORD), &["username", "already"]);
    expect_refusal(&create(&["ADA@example.com", "--confirmed"], OTHER_PASSWORD), &["address", "already"]);
    assert_eq!(app.database.number("select count(*) from users").await, 1);
    assert!(ada.can_sign_in().await);
}

#[tokio::test]
async fn confirm_asks_for_an_id_if_several_accounts_have_the_address() {
    let app = TestApp::start().await;
    let ada = app.unconfirmed("ada").await;
    let eve = json!({ "email": ada.email, "password": OTHER_PASSWORD, "username": "eve" });
    app.visitor().register_as(eve).await.expect(202);
    let ids = app.database.rows("select id::text from users").await;
    let ids: Vec<&str> = ids.iter().map(|row| row[0].as_deref().unwrap()).collect();
    expect_refusal(&user(&app, &["confirm", &ada.email]), &ids);
    assert!(!ada.passes_the_guard().await);
    user(&app, &["confirm", "ada"]).expect_success();
    assert!(ada.passes_the_guard().await);
    user(&app, &["confirm", &ada.email]).expect_success();
}

#[tokio::test]
async fn confirm_deletes_rivals_and_refuses_an_address_that_is_taken() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let late = json!({ "email": ada.email, "password": password_of("late"), "username": "late" });
    app.visitor().register_as(late).await.expect(202);
    expect_refusal(&user(&app, &["confirm", "late"]), &["late", "another account"]);
    let rivals =
        ["first", "second"].map(|name| app.visitor().reached_at("bob@example.com").knowing(&password_of(name)));
    for (rival, name) in rivals.iter().zip(["first", "second"]) {
        let fields = json!({ "email": rival.email, "password": rival.password, "username": name });
        rival.register_as(fields).await.expect(202);
    }
    user(&app, &["confirm", "first"]).expect_success();
    assert!(rivals[0].can_sign_in().await && !rivals[1].can_sign_in().await);
}

#[tokio::test]
async fn a_disabled_account_is_refused_at_its_next_request_until_it_is_enabled() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let signed_out = ada.knowing(&ada.password);
    let wrong = ada.knowing("wrong").try_sign_in(json!({})).await.expect_problem(401, "invalid_credentials");
    let said = user(&app, &["disable", "ada"]).expect_success();
    assert!(said.contains("ada@example.com") && said.contains("disabled"), "{said}");
    ada.get("/me").await.expect_problem(401, "unauthenticated");
    let right = signed_out.try_sign_in(json!({})).await;
    assert_eq!(right.appearance(), wrong.appearance(), "the answer equals that to a wrong password");
    assert!(bob.is_signed_in().await);
    assert!(user(&app, &["list"]).expect_success().contains(" disabled "));

    user(&app, &["enable", "ada@example.com"]).expect_success();
    assert!(!ada.is_signed_in().await, "the old session stays dead");
    let mut ada = signed_out;
    ada.sign_in().await;
    let events = ada.events().await;
    let expected = ["sign_in_refused", "disabled", "sign_in_refused", "enabled", "signed_in"];
    assert_eq!(events[events.len() - 5..], expected);
    let details = json_of(&user(&app, &["show", "ada", "--json"]));
    let enabled = &details["events"][1];
    assert_eq!(
        (&enabled["kind"], &enabled["actor"], &enabled["ip"]),
        (&json!("enabled"), &json!("admin"), &Value::Null)
    );
}

#[tokio::test]
async fn set_password_reads_standard_input_and_ends_the_sessions() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let (link, _) = app.email_change(&ada, "eve@example.org").await;
    let reset = app.reset_link(&ada).await.token();
    expect_refusal(&user_with(&app, &["set-password", "ada"], "short\n"), &["password"]);
    assert!(ada.is_signed_in().await && ada.can_sign_in().await);
    let run = user_with(&app, &["set-password", "ada"], &format!("{OTHER_PASSWORD}\r\n"));
    assert!(!run.expect_success().contains(OTHER_PASSWORD));
    assert!(!ada.is_signed_in().await && !ada.can_sign_in().await);
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
    ada.open(&link).await.expect_problem(410, "link_used");
    app.reset(&reset, "marble-canyon-whistle-83").await.expect_problem(410, "link_used");
}

#[tokio::test]
async fn set_password_clears_the_login_limit() {
    let app = crate::security::limited().await;
    let ada = app.member("ada").await.knowing(OTHER_PASSWORD);
    for _ in 0..5 {
        ada.try_sign_in(json!({})).await.expect(401);
    }
    ada.try_sign_in(json!({})).await.expect_problem(429, "rate_limited");
    user_with(&app, &["set-password", "ada"], OTHER_PASSWORD).expect_success();
    // The service remembers for up to 5 s whom it told to wait; the command is another process.
    app.clock.advance(chrono::Duration::seconds(5));
    ada.try_sign_in(json!({})).await.expect(200);
}

#[tokio::test]
async fn sign_out_ends_the_sessions_and_nothing_else() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let there = ada.elsewhere().await;
    user(&app, &["sign-out", "ada@example.com"]).expect_success();
    assert!(!ada.is_signed_in().await && !there.is_signed_in().await);
    assert!(bob.is_signed_in().await && ada.can_sign_in().await);
}

#[tokio::test]
async fn delete_asks_for_confirmation_and_removes_everything() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    expect_refusal(&user_with(&app, &["delete", "ada"], "yes\n"), &["--yes"]);
    assert!(ada.is_signed_in().await);
    user(&app, &["delete", "ada", "--yes"]).expect_success();
    assert!(!ada.is_signed_in().await && !ada.can_sign_in().await && bob.can_sign_in().await);
    assert_eq!(app.database.number("select count(*) from users").await, 1);
    ada.register().await.expect(202);
}

/// Runs a command on a terminal, where `input` is typed. `None` if the program `script`, which makes the terminal, is
/// missing.
#[cfg(target_os = "linux")]
fn user_at_a_terminal(app: &TestApp, arguments: &[&str], input: &str) -> Option<Run> {
    let binary = env!("CARGO_BIN_EXE_vestibule");
    let command = format!("'{binary}' user --database-url '{}' {}", app.database.url, arguments.join(" "));
    let script = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut script = script.ok()?;
    let mut keyboard = script.stdin.take().unwrap();
    // Input before the question is discarded, as usual for passwords, so it is typed again until the command ends.
    for _ in 0..60 {
        if script.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        let _ = keyboard.write_all(input.as_bytes());
    }
    // Closes the input, so that a command that still reads ends.
    drop(keyboard);
    Some(Run(script.wait_with_output().unwrap()))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn delete_accepts_only_yes() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let Some(run) = user_at_a_terminal(&app, &["delete", "ada"], "y\n") else {
        return eprintln!("not tested: the program `script` is missing");
    };
    let said = run.stdout();
    assert!(said.contains("delete ada with everything that belongs to it? Type yes: "), "{said}");
    assert!(said.contains("nothing was deleted") && run.0.status.code() == Some(1), "{said}");
    assert!(ada.is_signed_in().await);
    let run = user_at_a_terminal(&app, &["delete", "ada"], "yes\n").unwrap();
    assert!(run.0.status.success() && run.stdout().contains("is deleted"), "{}", run.stdout());
    assert!(!ada.is_signed_in().await && !ada.can_sign_in().await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_typed_password_is_not_shown() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let Some(run) = user_at_a_terminal(&app, &["set-password", "ada"], &format!("{OTHER_PASSWORD}\n")) else {
        return eprintln!("not tested: the program `script` is missing");
    };
    let said = run.stdout();
    let (before, after) = said.split_once("new password (it is not shown): ").expect(&said);
    assert!(run.0.status.success() && after.contains("is set"), "{said}");
    // The terminal itself echoes what is typed before the question and once more after the answer, while the password is
    // hashed. So only the line of the answer counts.
    assert!(!after.lines().next().unwrap().contains(OTHER_PASSWORD), "{before} | {after}");
    assert!(ada.knowing(OTHER_PASSWORD).can_sign_in().await);
}
