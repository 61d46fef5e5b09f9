//! SIGTERM under load: readiness fails first, accepted requests are answered, and the process exits with 0.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::password_of;

/// The status of a login on its own connection. `None` if the answer is incomplete.
async fn login(address: String, fields: String) -> Option<u16> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{fields}", fields.len());
    let mut answer = String::new();
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_string(&mut answer).await;
    whole(&answer)
}

/// The status of an answer whose body has the announced length.
fn whole(answer: &str) -> Option<u16> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (length == Some(body.len())).then_some(())?;
    head.split(' ').nth(1)?.parse().ok()
}

/// Sends requests on one connection, as a front proxy does, until the service announces that it closes the connection.
/// Returns the number of answers, and whether the connection ended without that announcement.
async fn keep_asking(address: String) -> (usize, bool) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut answers, mut buffer) = (0, vec![0; 4096]);
    loop {
        let mut answer = String::new();
        let sent = stream.write_all(b"POST /logout HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        while sent.is_ok() && !answer.contains("\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(read @ 1..) => answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
                _ => break,
            }
        }
        if !answer.starts_with("HTTP/1.1 204 ") {
            return (answers, true);
        }
        answers += 1;
        if answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
            return (answers, false);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts logins, each on its own connection, until readiness fails, as a load balancer would.
async fn load(address: String, fields: String, is_over: Arc<AtomicBool>) -> HashMap<Option<u16>, usize> {
    let mut tries = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        tries.push(tokio::spawn(login(address.clone(), fields.clone())));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let mut statuses: HashMap<Option<u16>, usize> = HashMap::new();
    for attempt in tries {
        *statuses.entry(attempt.await.unwrap()).or_default() += 1;
    }
    statuses
}

#[tokio::test]
async fn sigterm_under_load_drops_no_accepted_request() {
    let database = TestDatabase::migrated();
    // So expensive that the queue of logins lasts longer than the period in which readiness fails.
    let variables = [("DATABASE_URL", database.url.as_str()), ("RATE_LIMITS", "off"), ("BCRYPT_COST", "12")];
    let mut process = Process::start(&fresh_dir("data"), &variables);
    let http = process.ready().await;
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada") });
    http.request("POST", "/register").json(&fields).send().await.expect(202);

    let address = http.base.trim_start_matches("http://").to_owned();
    let is_over = Arc::<AtomicBool>::default();
    let loading = tokio::spawn(load(address.clone(), fields.to_string(), is_over.clone()));
    let asking = tokio::spawn(keep_asking(address));
    let falling = tokio::spawn(async move {
        let mut not_ready = 0;
        while let Ok(answer) = http.request("GET", "/health/ready").try_send().await {
            if answer.status == 503 {
                is_over.store(true, Ordering::Relaxed);
                not_ready += 1;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        is_over.store(true, Ordering::Relaxed);
        not_ready
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    assert_eq!(process.terminate().await, Some(0), "{}", process.log());
    assert!(began.elapsed() < Duration::from_secs(30));

    assert!(falling.await.unwrap() > 2, "readiness fails before the listener closes");
    let (answers, broke_off) = asking.await.unwrap();
    assert!(answers > 10 && !broke_off, "{answers} answers on the kept connection, broke off: {broke_off}");
    let statuses = loading.await.unwrap();
    assert!(statuses.keys().all(|status| matches!(status, Some(200 | 503))), "{statuses:?}");
    assert!(statuses[&Some(200)] > 5, "{statuses:?}");
}
