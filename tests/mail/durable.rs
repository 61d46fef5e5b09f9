//! A kill at any instant, of the service or of PostgreSQL, loses no mail that was promised, and sends at most one
//! duplicate of each, as the same mail.
//!
//! `KILL_ROUNDS` (10) and `POSTGRES_KILL_ROUNDS` (3) make it longer.

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

/// A claim of somebody who was killed ends after 20 s; the rest is for a machine with much to do.
const CLAIM_AND_MORE: Duration = Duration::from_secs(90);
/// People who register at once.
const CROWD: usize = 6;

/// People who register all the time, at whatever service there is, and remember what they were promised.
struct Crowd {
    service: Arc<Mutex<Option<Http>>>,
    promised: Arc<Mutex<BTreeSet<String>>>,
    tried: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Crowd {
    fn gather() -> Self {
        let mut crowd =
            Self { service: Arc::default(), promised: Arc::default(), tried: Arc::default(), tasks: Vec::new() };
        for _ in 0..CROWD {
            let (service, promised, tried) =
                (Arc::clone(&crowd.service), Arc::clone(&crowd.promised), Arc::clone(&crowd.tried));
            crowd.tasks.push(tokio::spawn(async move {
                loop {
                    let Some(http) = service.lock().unwrap().clone() else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    let email = format!("n{}@example.com", tried.fetch_add(1, Ordering::Relaxed));
                    let body = json!({ "email": email, "password": "plum-orbit-kettle-42" });
                    match http.request("POST", "/register").json(&body).try_send().await {
                        Ok(answer) if answer.status == 202 => drop(promised.lock().unwrap().insert(email)),
                        // The service is being killed, or its database: then it says so.
                        Ok(answer) => drop(answer.expect_problem(503, "unavailable")),
                        Err(_) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }));
        }
        crowd
    }

    fn goes_to(&self, http: Option<Http>) {
        *self.service.lock().unwrap() = http;
    }

    fn promised(&self) -> BTreeSet<String> {
        self.promised.lock().unwrap().clone()
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

/// Waits until everybody who was promised a mail has one, and counts.
async fn demand_all_mails(what: &str, crowd: &Crowd, smtp: &SmtpCatcher, kills: usize) {
    assert!(crowd.tasks.iter().all(|task| !task.is_finished()), "somebody got an answer that nobody should get");
    let promised = crowd.promised();
    within(CLAIM_AND_MORE, "everybody has a mail", async || {
        let mails = smtp.mails();
        let came: BTreeSet<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
        promised.iter().all(|email| came.contains(email.as_str())).then_some(())
    })
    .await;
    let mut copies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in smtp.mails() {
        copies.entry(mail.to[0].clone()).or_default().push(mail.header("Message-ID"));
    }
    let mut duplicates = 0;
    for (email, ids) in &copies {
        assert!(ids.iter().all(|id| *id == ids[0]), "{email}: one letter is one identity: {ids:?}");
        assert!(ids.len() <= 1 + kills, "{email}: {} copies of one letter", ids.len());
        duplicates += ids.len() - 1;
    }
    // At most four mails are on their way when a kill comes.
    assert!(duplicates <= 4 * kills, "{duplicates} duplicates after {kills} kills");
    assert!(promised.len() > kills, "so few promises show nothing: {}", promised.len());
    eprintln!(
        "{what}: {kills} kills, {} registrations tried, {} answered 202, {} addresses got a mail, {duplicates} \
         duplicates, 0 lost",
        crowd.tried.load(Ordering::Relaxed),
        promised.len(),
        copies.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_service_lose_no_promised_mail() {
    let rounds = count_from_environment("KILL_ROUNDS", 10);
    let (database, smtp) = (TestDatabase::migrated(), SmtpCatcher::start().await);
    let (data_dir, crowd) = (fresh_dir("kill"), Crowd::gather());
    for _ in 0..rounds {
        let mut service = start(&data_dir, &database.url, &smtp);
        let enough = crowd.promised().len() + random_range(0..6);
        crowd.goes_to(Some(service.ready().await));
        within(CLAIM_AND_MORE, "people register", async || (crowd.promised().len() >= enough).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(random_range(0..400))).await;
        service.kill();
    }
    crowd.goes_to(None);
    let _service = start(&data_dir, &database.url, &smtp);
    demand_all_mails("kill -9 of the service", &crowd, &smtp, rounds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_postgresql_lose_no_promised_mail() {
    let rounds = count_from_environment("POSTGRES_KILL_ROUNDS", 3);
    let smtp = SmtpCatcher::start().await;
    let dir = fresh_dir("shot");
    let (db_dir, data_dir) = (dir.join("db"), dir.join("data"));
    let embedded = start_postgres(&db_dir, true);
    let url = embedded.url("postgres");
    let service = start(&data_dir, &url, &smtp);
    let http = service.ready().await;
    let crowd = Crowd::gather();
    crowd.goes_to(Some(http.clone()));
    for _ in 0..rounds {
        let before = crowd.promised().len();
        within(CLAIM_AND_MORE, "somebody registers", async || (crowd.promised().len() > before + 3).then_some(()))
            .await;
        tokio::time::sleep(Duration::from_millis(random_range(20..300))).await;
        kill_the_server_of(&url).await;
    }
    let before = crowd.promised().len();
    within(CLAIM_AND_MORE, "the service recovers", async || (crowd.promised().len() > before).then_some(())).await;
    crowd.goes_to(None);
    demand_all_mails("kill -9 of PostgreSQL", &crowd, &smtp, rounds).await;
}

async fn kill_the_server_of(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)", &[]).await.unwrap();
    let pid: String = row.get(0);
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
}
