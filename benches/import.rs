//! Rows per second of `vestibule user import`, compared with a PostgreSQL `COPY` of the same rows into the same tables.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use tokio_postgres::NoTls;

use crate::figure;
use crate::support::binary;
use crate::support::database::{TestDatabase, fresh_dir};

/// `IMPORT_USERS` changes the number.
const USERS: usize = 100_000;

const HASH: &str = "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

pub(crate) async fn measure() {
    let users = std::env::var("IMPORT_USERS").map_or(USERS, |text| text.parse().unwrap());
    let copied = copy(users).await;
    let (imported, memory) = import(users);
    let (value, floor) = (users as f64 / imported.as_secs_f64(), users as f64 / copied.as_secs_f64());
    let what = format!("import of {users} users, {memory} MiB");
    figure(&what, &format!("{value:.0}/s"), &format!("COPY into the same tables, {floor:.0}/s"), value / floor);
}

/// Copies what an import leaves: the addresses with their parameters, and the accounts.
async fn copy(users: usize) -> Duration {
    let database = TestDatabase::migrated();
    let (mut addresses, mut accounts) = (String::new(), String::new());
    for n in 0..users {
        let (now, id, version) = ("2026-01-01T00:00:00Z", uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
        let _ = writeln!(addresses, "user{n}@example.com\t{}\t{now}", &HASH[..29]);
        let _ = writeln!(
            accounts,
            "{id}\tuser{n}@example.com\tuser{n}@example.com\tuser{n}\tuser{n}\t{HASH}\t{now}\t{version}\t{now}\t{now}"
        );
    }
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let began = Instant::now();
    let columns = "users (id, email, email_canonical, username, username_canonical, password_hash, password_set_at, \
                   credential_version, created_at, confirmed_at)";
    for (table, rows) in [("addresses (canonical, parameters, created_at)", addresses), (columns, accounts)] {
        let sink = client.copy_in(&format!("copy {table} from stdin")).await.unwrap();
        futures_util::pin_mut!(sink);
        sink.send(std::io::Cursor::new(rows.into_bytes())).await.unwrap();
        sink.finish().await.unwrap();
    }
    began.elapsed()
}

/// Returns how long the import took, and its peak memory in MiB.
fn import(users: usize) -> (Duration, u64) {
    let database = TestDatabase::migrated();
    let file = fresh_dir("import").join("users.jsonl");
    let mut rows = String::new();
    for n in 0..users {
        let _ = writeln!(
            rows,
            r#"{{"email":"user{n}@example.com","username":"user{n}","password_hash":"{HASH}","confirmed":true}}"#
        );
    }
    std::fs::write(&file, rows).unwrap();
    let began = Instant::now();
    let mut child = binary::command(&["user", "--database-url", &database.url, "import", file.to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut memory = 0;
    while child.try_wait().unwrap().is_none() {
        memory = memory.max(binary::memory_of(child.id()));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().unwrap().success());
    (began.elapsed(), memory / 1024)
}
