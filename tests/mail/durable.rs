//! Killing the service or PostgreSQL at any moment loses no mail that a 202 acknowledged. A mail may be sent twice,
//! with the same Message-ID.
//!
//! `KILL_ROUNDS` (10) and `POSTGRES_KILL_ROUNDS` (3) make the tests longer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::random_range;
use serde_json::json;

use super::count_from_environment;
use crate::support::binary::Process;
use crate::support::database::{TestDatabase, fresh_dir, start_postgres};
use crate::support::http::Http;
use crate::support::smtp::SmtpCatcher;
use crate::support::within;

/// The claim of a killed worker ends after 20 s; the rest is a margin for a busy machine.
const CLAIM_AND_MORE: Duration = Duration::from_secs(90);
/// How many clients register at the same time.
const CROWD: usize = 6;

/// Clients that register all the time, at the service that runs, and remember which addresses were acknowledged.
struct Crowd {
    service: Arc<Mutex<Option<Http>>>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    tried: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Crowd {
    fn gather() -> Self {
        let mut crowd =
            Self { service: Arc::default(), acknowledged: Arc::default(), tried: Arc::default(), tasks: Vec::new() };
        for _ in 0..CROWD {
            let (service, acknowledged, tried) =
                (Arc::clone(&crowd.service), Arc::clone(&crowd.acknowledged), Arc::clone(&crowd.tried));
            crowd.tasks.push(tokio::spawn(async move {
                loop {
                    let Some(http) = service.lock().unwrap().clone() else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    let email = format!("n{}@example.com", tried.fetch_add(1, Ordering::Relaxed));
                    let body = json!({ "email": email, "password": "plum-orbit-kettle-42" });
                    match http.request("POST", "/register").json(&body).try_send().await {
                        Ok(answer) if answer.status == 202 => drop(acknowledged.lock().unwrap().insert(email)),
                        // While the database restarts, the service says so.
                        Ok(answer) => drop(answer.expect_problem(503, "unavailable")),
                        Err(_) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }));
        }
        crowd
    }

    fn switch_to(&self, http: Option<Http>) {
        *self.service.lock().unwrap() = http;
    }

    fn acknowledged(&self) -> BTreeSet<String> {
        self.acknowledged.lock().unwrap().clone()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn start(data_dir: &Path, database_url: &str, smtp: &SmtpCatcher) -> Process {
    let variables = [("DATABASE_URL", database_url), ("SMTP_URL", smtp.url.as_str()), ("RATE_LIMITS", "off")];
    Process::start(data_dir, &variables)
}

/// Waits until every acknowledged address has a mail, and counts the duplicates.
async fn assert_all_mails(what: &str, crowd: &Crowd, smtp: &SmtpCatcher, kills: usize) {
    assert!(crowd.tasks.iter().all(|task| !task.is_finished()), "a client got an answer other than 202 or 503");
    let acknowledged = crowd.acknowledged();
    within(CLAIM_AND_MORE, "every acknowledged address has a mail", async || {
        let mails = smtp.mails();
        let came: BTreeSet<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
        acknowledged.iter().all(|email| came.contains(email.as_str())).then_some(())
    })
    .await;
    let mut copies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in smtp.mails() {
        copies.entry(mail.to[0].clone()).or_default().push(mail.header("Message-ID"));
    }
    let mut duplicates = 0;
    for (email, ids) in &copies {
        assert!(ids.iter().all(|id| *id == ids[0]), "{email}: copies have the same Message-ID: {ids:?}");
        assert!(ids.len() <= 1 + kills, "{email}: {} copies of one mail", ids.len());
        duplicates += ids.len() - 1;
    }
    // At most four mails are being sent at the moment of a kill.
    assert!(duplicates <= 4 * kills, "{duplicates} duplicates after {kills} kills");
    assert!(acknowledged.len() > kills, "too few acknowledged mails to show anything: {}", acknowledged.len());
    eprintln!(
        "{what}: {kills} kills, {} registrations tried, {} answered 202, {} addresses got a mail, {duplicates} \
         duplicates, 0 lost",
        crowd.tried.load(Ordering::Relaxed),
        acknowledged.len(),
        copies.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_service_loses_no_acknowledged_mail() {
    let rounds = count_from_environment("KILL_ROUNDS", 10);
    let (database, smtp) = (TestDatabase::migrated(), SmtpCatcher::start().await);
    let (data_dir, crowd) = (fresh_dir("kill"), Crowd::gather());
    for _ in 0..rounds {
        let mut service = start(&data_dir, &database.url, &smtp);
        let enough = crowd.acknowledged().len() + random_range(0..6);
        crowd.switch_to(Some(service.ready().await));
        within(CLAIM_AND_MORE, "clients register", async || (crowd.acknowledged().len() >= enough).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(random_range(0..400))).await;
        service.kill();
    }
    crowd.switch_to(None);
    let _service = start(&data_dir, &database.url, &smtp);
    assert_all_mails("kill -9 of the service", &crowd, &smtp, rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_postgresql_loses_no_acknowledged_mail() {
    let rounds = count_from_environment("POSTGRES_KILL_ROUNDS", 3);
    let smtp = SmtpCatcher::start().await;
    let dir = fresh_dir("shot");
    let (db_dir, data_dir) = (dir.join("db"), dir.join("data"));
    let embedded = start_postgres(&db_dir, true);
    let url = embedded.url("postgres");
    let service = start(&data_dir, &url, &smtp);
    let http = service.ready().await;
    let crowd = Crowd::gather();
    crowd.switch_to(Some(http.clone()));
    for _ in 0..rounds {
        let before = crowd.acknowledged().len();
        within(CLAIM_AND_MORE, "clients register", async || (crowd.acknowledged().len() > before + 3).then_some(()))
            .await;
        tokio::time::sleep(Duration::from_millis(random_range(20..300))).await;
        kill_postgresql(&url).await;
    }
    let before = crowd.acknowledged().len();
    within(CLAIM_AND_MORE, "the service recovers", async || (crowd.acknowledged().len() > before).then_some(())).await;
    crowd.switch_to(None);
    assert_all_mails("kill -9 of PostgreSQL", &crowd, &smtp, rounds).await;
}

async fn kill_postgresql(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)", &[]).await.unwrap();
    let pid: String = row.get(0);
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
}
