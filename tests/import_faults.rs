//! `vestibule user import` when something goes wrong: bad lines, a bad file, a killed run.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::import::{PASSWORD, Run, WERKZEUG, export, import, import_into, lines};
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::{TestApp, binary};

#[tokio::test]
async fn a_bad_line_is_reported_and_the_others_are_imported() {
    let app = TestApp::start().await;
    let secret = "my-secret-hash-that-no-one-may-see";
    let mut input = Vec::new();
    let mut add = |line: &[u8]| {
        input.extend_from_slice(line);
        input.push(b'\n');
    };
    let good = |name: &str| json!({ "email": format!("{name}@example.com"), "password_hash": WERKZEUG }).to_string();
    add(format!("\u{feff}{}\r", good("first")).as_bytes());
    add(format!("{{\"email\": \"ada@example.com\", \"password_hash\": \"{secret}\"}}").as_bytes());
    add(b"{\"email\": \"\xff\xfe@example.com\"}");
    add(b"");
    add(format!("{{\"email\": \"{}\"}}", "x".repeat(3_000_000)).as_bytes());
    add(good("middle").as_bytes());
    add(format!("{{\"email\": \"nul\\u0000@example.com\", \"password_hash\": \"{WERKZEUG}\"}}").as_bytes());
    add(format!("[\"eve@example.com\", \"{secret}\"]").as_bytes());
    add(format!("{{\"email\": \"eve@example.com\", \"password_hash\": \"{secret}").as_bytes());
    add(json!({ "email": "eve@example.com", "password_hash": WERKZEUG, "is_admin": true }).to_string().as_bytes());
    add(json!({ "email": "eve@example.com", "password_hash": WERKZEUG, "disabled_at": true }).to_string().as_bytes());
    input.extend_from_slice(good("last-without-a-newline").as_bytes());

    let run = import(&app, &input, &[]);
    assert_eq!(run.0.status.code(), Some(1));
    assert_eq!(run.stdout(), "3 imported, 0 already there, 8 refused\n");
    let said = run.stderr();
    let expected = [
        "line 2: password_hash: is of no known scheme",
        "line 3: is not UTF-8",
        "line 5: is longer than 16 KiB",
        "line 7: email: must be an email address such as ada@example.com",
        "line 8: is not a JSON object",
        "line 9: is not JSON (column 81)",
        "line 10: unknown member `is_admin`",
        "line 11: disabled_at: must be text",
        "vestibule: 8 lines were refused",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    assert!(!said.contains(secret));
    assert_eq!(app.database.number("select count(*) from users").await, 3);
}

#[tokio::test]
async fn a_dry_run_reports_everything_and_changes_nothing() {
    let app = TestApp::start().await;
    app.unconfirmed("ada").await;
    let before = export(&app.database);
    let rows = ["ada@example.com", "bob@example.com", "nobody"]
        .map(|email| json!({ "email": email, "password_hash": WERKZEUG }));
    let run = import(&app, &lines(rows), &["--dry-run"]);
    assert_eq!(run.0.status.code(), Some(1));
    assert_eq!(run.stdout(), "2 would be imported, 0 already there, 1 refused\n");
    assert_eq!(export(&app.database), before);
    assert_eq!(app.database.number("select count(*) from addresses").await, 1);
}

#[tokio::test]
async fn a_dry_run_predicts_every_line_of_the_import() {
    let app = TestApp::start().await;
    app.member("ada").await;
    let visitor = app.visitor();
    let registration = json!({ "email": "bob@example.com", "password": visitor.password, "username": "bobs" });
    visitor.register_as(registration).await.expect(202);
    let row = |email: &str, more: serde_json::Value| {
        let mut row = json!({ "email": email, "password_hash": WERKZEUG });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let id = "0b5f1c5e-7f0e-4d5a-9a39-0d4f3f1f6a11";
    let rows = [
        row("Eve@Bücher.example", json!({ "username": "eve", "id": id })),
        // A second spelling of an address begins a new batch.
        row("eve@xn--bcher-kva.example", json!({})),
        row("other@example.com", json!({ "username": "EVE" })),
        row("third@example.com", json!({ "id": id })),
        row("ada@example.com", json!({})),
        row("carol@example.com", json!({ "confirmed": false, "username": "carol" })),
        row("nobody", json!({})),
        row("dan@example.com", json!({ "username": "bobs" })),
        // Takes its address from the registration, which frees the username.
        row("bob@example.com", json!({})),
        row("BOB@example.com", json!({})),
        row("fay@example.com", json!({ "username": "bobs" })),
        // Takes its address from an earlier line.
        row("carol@example.com", json!({})),
        row("Carol@example.com", json!({ "username": "carol" })),
        row("gus@example.com", json!({ "username": "carol" })),
        row("hal@example.com", json!({ "username": "Carol" })),
    ];
    let before = export(&app.database);
    let dry = import(&app, &lines(rows.clone()), &["--dry-run"]);
    assert_eq!(export(&app.database), before);
    let run = import(&app, &lines(rows), &[]);
    assert_eq!(run.stdout(), "6 imported, 5 already there, 4 refused\n", "{}", run.stderr());
    assert_eq!(dry.stdout(), run.stdout().replace("imported", "would be imported"), "{}", dry.stderr());
    assert_eq!(dry.stderr(), run.stderr());
    for line in [3, 7, 8, 15] {
        assert!(run.stderr().contains(&format!("line {line}: ")), "{}", run.stderr());
    }
}

#[tokio::test]
async fn a_killed_run_is_completed_by_the_next() {
    let database = TestDatabase::migrated();
    let count = 30_000;
    let mut input = String::new();
    for at in 0..count {
        let row = json!({ "email": format!("u{at}@example.com"), "username": format!("user{at}"), "password_hash": WERKZEUG });
        writeln!(input, "{row}").unwrap();
    }
    let path = fresh_dir("import").join("users.jsonl");
    std::fs::write(&path, &input).unwrap();
    let arguments = ["user", "--database-url", &database.url, "import", path.to_str().unwrap()];
    let mut was_in_the_middle = false;
    for _ in 0..2 {
        let before = database.number("select count(*) from users").await;
        let mut child = binary::command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while database.number("select count(*) from users").await == before && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        was_in_the_middle |= (1..count).contains(&database.number("select count(*) from users").await);
    }
    assert!(was_in_the_middle);
    let run = Run(binary::run(&arguments, &[]));
    assert!(run.expect_success().ends_with(" already there, 0 refused\n"));
    for counted in ["count(*)", "count(distinct email_canonical)", "count(distinct username_canonical)"] {
        assert_eq!(database.number(&format!("select {counted} from users")).await, count, "{counted}");
    }
}

#[tokio::test]
async fn two_concurrent_imports_leave_each_address_one_owner() {
    let app = TestApp::start().await;
    let row = |at: i32| json!({ "email": format!("u{at}@example.com"), "password_hash": WERKZEUG });
    let (up, down) = (lines((0..4000).map(row)), lines((0..4000).rev().map(row)));
    let (first, second) = std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(|| import(&app, &up, &[])), scope.spawn(|| import(&app, &down, &[])));
        (first.join().unwrap(), second.join().unwrap())
    });
    let counts = [&first, &second].map(|run| {
        let said = run.expect_success();
        said.split(' ').next().unwrap().parse::<i64>().unwrap()
    });
    assert_eq!(counts.iter().sum::<i64>(), 4000);
    assert_eq!(app.database.number("select count(*) from users where confirmed_at is not null").await, 4000);
    let fields = json!({ "email": "u17@example.com", "password": PASSWORD });
    app.visitor().post_json("/login", &fields).await.expect(200);
}

#[tokio::test]
async fn a_run_that_cannot_start_says_why_in_one_line() {
    let database = TestDatabase::migrated();
    let run = Run(binary::run(&["user", "--database-url", &database.url, "import", "/nowhere.jsonl"], &[]));
    assert_eq!(run.0.status.code(), Some(1));
    assert_eq!(run.stderr(), "vestibule: /nowhere.jsonl: No such file or directory (os error 2)\n");
    let folder = fresh_dir("import");
    let run = Run(binary::run(&["user", "--database-url", &database.url, "import", folder.to_str().unwrap()], &[]));
    assert_eq!(run.0.status.code(), Some(1));
    let said = run.stderr();
    assert!(said.starts_with("vestibule: the file cannot be read to its end: run the import again: "), "{said}");
    let secrets = ["--devise-pepper", "the-pepper", "--flask-security-salt", "the-salt"];
    let run = import_into(&database, b"", &secrets);
    assert_eq!(run.0.status.code(), Some(2));
    assert!(!run.stderr().contains("the-pepper") && !run.stderr().contains("the-salt"), "{}", run.stderr());
    assert_eq!(import_into(&database, b"", &[]).expect_success(), "0 imported, 0 already there, 0 refused\n");
}
