//! `GET /me/export`: everything that is stored about the user, and nothing that helps a thief.

use std::pin::pin;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::binary::{Process, run};
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::{Actor, TestApp, password_of};

/// A member with a row in every table that refers to accounts.
async fn member_with_history(app: &TestApp) -> Actor {
    let ada = app.member("ada").await;
    ada.elsewhere().await;
    let (link, _) = app.email_change(&ada, "ada@example.org").await;
    ada.open(&link).await.expect(200);
    let ada = ada.with_email("ada@example.org");
    app.email_change(&ada, "ada@example.net").await;
    app.reset_link(&ada).await;
    ada
}

#[tokio::test]
async fn it_contains_every_row_that_refers_to_the_account() {
    let app = TestApp::start().await;
    let ada = member_with_history(&app).await;
    let export = ada.export().await;
    let tables = "select table_name from information_schema.columns where table_schema = 'public' and column_name = 'user_id' \
         and table_name not in (select relname from pg_class where relispartition) \
         and table_name <> 'registrations'";
    // That one has a hash of a secret of the client, and the time when the account was created.
    let tables = app.database.rows(tables).await;
    assert!(tables.len() >= 4, "{tables:?}");
    let id = export["user"]["id"].as_str().unwrap();
    for table in tables {
        let table = table[0].clone().unwrap();
        let rows = app.database.number(&format!("select count(*) from {table} where user_id = '{id}'")).await;
        assert!(rows > 0, "nothing fills {table}");
        let member = match table.as_str() {
            "outbox" => "mails",
            table => table.trim_start_matches("account_"),
        };
        let exported = export[member].as_array().unwrap_or_else(|| panic!("{table} is not exported"));
        let asked_for = exported.iter().filter(|row| row["kind"] == "reset_password").count();
        assert_eq!(exported.len() - asked_for, usize::try_from(rows).unwrap(), "{table}");
    }
}

#[tokio::test]
async fn it_contains_the_stored_values() {
    let app = TestApp::start().await;
    let ada = member_with_history(&app).await;
    let export = ada.export().await;
    assert_eq!(export["user"], ada.get("/me").await.json());
    assert!(export["confirmed_at"].is_string() && export["password_set_at"].is_string());
    let of = |list: &str, member: &str| -> Vec<Value> {
        export[list].as_array().unwrap().iter().map(|row| row[member].clone()).collect()
    };
    let currents = of("sessions", "current");
    assert_eq!(currents.iter().filter(|current| **current == true).count(), 1);
    assert_eq!(of("email_changes", "new_email"), ["ada@example.net", "ada@example.org"]);
    assert_eq!(of("email_changes", "old_email"), ["ada@example.org", "ada@example.com"]);
    let mails = ["reset_password", "email_change_notice", "change_email"];
    for mail in mails {
        assert!(of("mails", "kind").contains(&json!(mail)), "{mail}");
    }
    let to = of("mails", "to");
    for address in ["ada@example.com", "ada@example.org", "ada@example.net"] {
        assert!(to.contains(&json!(address)), "{address}");
    }
}

#[tokio::test]
async fn it_contains_no_hash_no_token_and_no_link() {
    let app = TestApp::start().await;
    let ada = member_with_history(&app).await;
    let text = ada.get("/me/export").await.expect(200).text();
    let hash = app.database.rows("select password_hash from users").await[0][0].clone().unwrap();
    let mut secrets = vec![hash.clone(), hash.rsplit('$').next().unwrap().to_owned(), ada.password.clone()];
    for row in app.database.rows("select encode(token_sha256, 'hex') from sessions").await {
        let hex = row[0].clone().unwrap();
        let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
        secrets.extend([URL_SAFE_NO_PAD.encode(bytes), hex]);
    }
    for mail in app.mailbox.mails().await {
        secrets.extend(mail.links.iter().map(|link| link.rsplit('/').next().unwrap().to_owned()));
    }
    secrets.push(ada.token().to_owned());
    assert!(secrets.len() >= 12, "{}", secrets.len());
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
    assert!(!text.contains("http"), "{text}");
}

#[tokio::test]
async fn it_contains_nothing_about_other_users() {
    let app = TestApp::start().await;
    let ada = member_with_history(&app).await;
    let bob = app.member("bob").await;
    bob.change_email("bob@example.org").await.expect(202);
    let text = ada.get("/me/export").await.expect(200).text();
    assert!(text.contains("ada@example.net") && !text.contains("bob@"));
    // With the @, because a random id can contain "ada".
    assert!(!bob.get("/me/export").await.expect(200).text().contains("ada@"));
}

/// Gives every account so many more events, each of some 700 bytes.
async fn add_events(database: &TestDatabase, count: usize) {
    let insert = format!(
        "insert into account_events (id, user_id, kind, actor, at, ip, user_agent, request_id) \
         select gen_random_uuid(), users.id, 'signed_in', 'owner', now(), '192.0.2.7', repeat('x', 500), 'r' || n \
         from users, generate_series(1, {count}) as n"
    );
    database.rows(&insert).await;
}

#[tokio::test]
async fn a_long_history_is_exported_whole_and_in_order() {
    let app = TestApp::start().await;
    let ada = member_with_history(&app).await;
    add_events(&app.database, 1203).await;
    let export = ada.export().await;
    let exported = export["events"].as_array().unwrap().iter().map(|event| event["request_id"].as_str().unwrap());
    let stored = app.database.rows("select request_id from account_events order by id desc").await;
    let stored: Vec<String> = stored.into_iter().map(|row| row[0].clone().unwrap()).collect();
    assert!(stored.len() > 1203);
    assert_eq!(exported.collect::<Vec<_>>(), stored);

    let variables = [("DATABASE_URL", app.database.url.as_str()), ("DATA_DIR", app.data_dir.to_str().unwrap())];
    let shown = run(&["user", "show", "ada"], &variables);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("events      the newest 50"), "{shown:?}");
}

#[tokio::test]
async fn an_export_of_a_long_history_takes_little_memory() {
    let database = TestDatabase::migrated();
    let process = Process::start(&fresh_dir("data"), &[("DATABASE_URL", &database.url)]);
    let http = process.ready().await;
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada") });
    http.request("POST", "/register").json(&fields).send().await.expect(202);
    database.rows("update users set confirmed_at = now()").await;
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada"), "transport": "bearer" });
    let login = http.request("POST", "/login").json(&fields).send().await.expect(200).json();
    let bearer = format!("Bearer {}", login["session"]["token"].as_str().unwrap());
    let export = async || http.request("GET", "/me/export").header("Authorization", &bearer).send().await.expect(200);
    export().await;
    add_events(&database, 100_000).await;
    let (before, mut most) = (process.memory(), 0);
    let mut exporting = pin!(export());
    let answer = loop {
        match tokio::time::timeout(Duration::from_millis(20), &mut exporting).await {
            Ok(answer) => break answer,
            Err(_) => most = process.memory().max(most),
        }
    };
    assert!(answer.body.len() > 60_000_000 && answer.body.ends_with(b"]}"), "{}", answer.body.len());
    assert!(before == 0 || most > 0, "the export took no time");
    assert!(most < before + 30_000, "{before} KiB before, {most} KiB during the export");
}

#[tokio::test]
async fn a_database_that_goes_away_breaks_the_connection() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let app = TestApp::start().await;
    let mut ada = app.member("ada").await;
    ada.sign_in_with_bearer().await;
    add_events(&app.database, 60_000).await;
    let mut stream = tokio::net::TcpStream::connect(app.http.base.trim_start_matches("http://")).await.unwrap();
    let request =
        format!("GET /me/export HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n", ada.token());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 100_000];
    stream.read_exact(&mut start).await.unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200 OK\r\n"));
    app.database.close();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(crate::support::BOUND, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection stays open");
    assert!(!rest.ends_with(b"0\r\n\r\n") && !rest.ends_with(b"]}"), "the answer looks complete");
    app.database.open();
}

#[tokio::test]
async fn it_needs_a_confirmed_account_and_is_never_cached() {
    let app = TestApp::start().await;
    let bob = app.unconfirmed("bob").await;
    bob.get("/me/export").await.expect_problem(403, "unconfirmed");
    app.visitor().get("/me/export").await.expect_problem(401, "unauthenticated");
    let ada = app.member("ada").await;
    let answer = ada.get("/me/export").await.expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn it_does_not_reveal_whether_a_requested_address_has_an_account() {
    let app = crate::security::limited().await;
    let (ada, bob) = (app.member("ada").await, app.member("bob").await);
    let mut seen = Vec::new();
    for (actor, to) in [(&ada, "eve@example.com"), (&bob, "nobody@example.com")] {
        if to.starts_with("eve") {
            app.member("eve").await;
        }
        for _ in 0..2 {
            actor.change_email(to).await.expect(202);
            app.clock.advance(chrono::Duration::seconds(70));
            app.mailbox.wait_until_idle().await;
        }
        let mails = actor.export().await["mails"].clone();
        let mails = mails.as_array().unwrap().iter().filter(|mail| mail["kind"] == "change_email");
        seen.push(mails.map(|mail| (mail["state"].clone(), mail["sent_at"].clone())).collect::<Vec<_>>());
    }
    assert!(!seen[0].is_empty());
    assert_eq!(seen[0], seen[1]);
}
