//! Far more logins at once than there are cores: each gets an answer, and other requests stay fast.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::http::Http;
use crate::support::password_of;

/// How much the memory of the process may grow, in KiB: 500 connections with their buffers.
const MEMORY: u64 = 96 * 1024;

/// Sends requests until it is over. Returns the number of 200s, the number of 503s, and the slowest time.
async fn keep_asking(http: Http, path: &str, bearer: String, is_over: Arc<AtomicBool>) -> (usize, usize, Duration) {
    let (mut good, mut late, mut slowest) = (0, 0, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        match http.request("GET", path).header("Authorization", &bearer).send().await.status {
            200 => good += 1,
            503 => late += 1,
            status => panic!("{path}: {status}"),
        }
        slowest = slowest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (good, late, slowest)
}

#[tokio::test]
async fn five_hundred_concurrent_logins_all_get_an_answer_and_other_requests_stay_fast() {
    let database = TestDatabase::migrated();
    let variables = [("DATABASE_URL", database.url.as_str()), ("RATE_LIMITS", "off"), ("BCRYPT_COST", "11")];
    let process = Process::start(&fresh_dir("data"), &variables);
    let http = process.ready().await;
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada") });
    http.request("POST", "/register").json(&fields).send().await.expect(202);
    let credentials = json!({ "email": "ada@example.com", "password": password_of("ada"), "transport": "bearer" });
    let login = http.request("POST", "/login").json(&credentials).send().await.expect(200).json();
    let bearer = format!("Bearer {}", login["session"]["token"].as_str().unwrap());
    let before = process.memory();

    let is_over = Arc::<AtomicBool>::default();
    let asking = |path: &'static str| {
        let (http, bearer, is_over) = (Http::new(http.base.clone()), bearer.clone(), is_over.clone());
        tokio::spawn(async move { keep_asking(http, path, bearer, is_over).await })
    };
    let (me, ready) = (asking("/me"), asking("/health/ready"));
    let tries: Vec<_> = (0..500)
        .map(|number| {
            let guess = json!({ "email": format!("{}@example.com", number % 7), "password": "wrong" });
            tokio::spawn(http.request("POST", "/login").json(&guess).send())
        })
        .collect();
    let mut statuses: HashMap<u16, usize> = HashMap::new();
    for attempt in tries {
        let answer = attempt.await.unwrap();
        match answer.status {
            401 => drop(answer.clone().expect_problem(401, "invalid_credentials")),
            _ => assert_eq!(answer.clone().expect(503).content_type(), Some("application/problem+json")),
        }
        *statuses.entry(answer.status).or_default() += 1;
    }
    let grown = process.memory().saturating_sub(before);
    is_over.store(true, Ordering::Relaxed);
    for asked in [me, ready] {
        let (good, late, slowest) = asked.await.unwrap();
        eprintln!("{good} other answers and {late} late ones, the slowest after {slowest:?}");
        // On a busy machine a few may get a 503, but none hangs.
        assert!(good > 10 * late && slowest < Duration::from_secs(6), "{good} good, {late} late, slowest {slowest:?}");
    }
    eprintln!("{statuses:?}, {grown} KiB more");
    assert!(statuses[&401] >= 16 && statuses[&503] >= 100, "{statuses:?}");
    assert!(grown < MEMORY, "{grown} KiB more");
}
