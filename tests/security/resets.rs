//! Clients that reset their connection in the middle of a request: no transaction stays open, and no lock.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{TestApp, eventually, password_of};

/// Sends a registration, and resets the connection while it waits for a lock.
async fn abandoned_registration(app: &TestApp, email: &str) -> TcpStream {
    let body = serde_json::json!({ "email": email, "password": password_of(email) }).to_string();
    let head = format!(
        "POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(app.http.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    // Dropping it then sends a RST instead of a FIN.
    stream.set_zero_linger().unwrap();
    stream
}

#[tokio::test]
async fn a_reset_connection_leaves_no_transaction_open_and_no_lock() {
    // As many places as one client has in the hashing queue of a single core.
    const CLIENTS: usize = 4;
    let app = super::limited().await;
    app.visitor()
        .register_as(serde_json::json!({ "email": "grace@example.com", "password": password_of("grace") }))
        .await
        .expect(202);
    // A row that nothing but a registration of this client needs: a lock on a table would hold up the cleanup as well.
    let held = app.database.hold("select from client_throttles for update").await;
    let mut streams = Vec::new();
    for number in 0..CLIENTS {
        streams.push(abandoned_registration(&app, &format!("ada{number}@example.com")).await);
    }
    app.database.until_waiting(CLIENTS).await;
    drop(streams);
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(held);

    let open = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'";
    eventually("no transaction is open", async || (app.database.number(open).await == 0).then_some(())).await;
    let again = serde_json::json!({ "email": "ada0@example.com", "password": password_of("again") });
    app.visitor().register_as(again).await.expect(202);
}
