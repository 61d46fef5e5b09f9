//! One PostgreSQL per test process, with one database per test, cloned from a template that was migrated once.
//!
//! The server is the embedded one, so that `cargo test` needs nothing installed; it ends with this process.
//! `TEST_DATABASE_URL` names another server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, SystemTime};

use super::{canary, eventually};
use dev_postgres::{DevPostgres, Settings};
use tokio_postgres::NoTls;
use vestibule::db::Db;

const PREFIX: &str = "vestibule-tests-";

/// The server of this test process.
struct Server {
    address: Address,
    run_dir: PathBuf,
    admin: mpsc::Sender<(String, mpsc::Sender<Result<(), String>>)>,
    _lock: File,
}

enum Address {
    Embedded(DevPostgres),
    Given(url::Url),
}

impl Address {
    fn url(&self, database: &str) -> String {
        match self {
            Self::Embedded(embedded) => embedded.url(database),
            Self::Given(url) => {
                let mut url = url.clone();
                url.set_path(database);
                url.into()
            }
        }
    }
}

/// An open transaction that holds locks; dropping it rolls it back.
pub struct Held {
    client: tokio_postgres::Client,
}

impl Held {
    pub async fn commit(self) {
        self.client.batch_execute("commit").await.unwrap();
    }
}

/// The database of one test; dropping it drops the database.
pub struct TestDatabase {
    name: String,
    pub url: String,
}

impl TestDatabase {
    /// A clone of the migrated template.
    pub fn migrated() -> Self {
        Self::create(&format!("template {}", template()))
    }

    /// A database without any table.
    pub fn empty() -> Self {
        Self::create("template template0")
    }

    fn create(how: &str) -> Self {
        let name = unique_name();
        let mut result = execute(&format!("create database {name} {how}"));
        // A connection to the template that was just closed still counts for a moment, and makes the clone fail.
        for _ in 0..50 {
            if result.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
            result = execute(&format!("create database {name} {how}"));
        }
        result.unwrap();
        let url = server().address.url(&name);
        Self { name, url }
    }

    /// The rows of a statement, each value as text.
    pub async fn rows(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        use tokio_postgres::SimpleQueryMessage::Row;
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statement).await.unwrap();
        drop(client);
        let _ = connection.await;
        let texts = messages.iter().filter_map(|message| match message {
            Row(row) => Some((0..row.len()).map(|at| row.get(at).map(ToOwned::to_owned)).collect()),
            _ => None,
        });
        texts.collect()
    }

    /// Takes locks until the returned transaction ends. Everything that needs them queues up behind it.
    pub async fn hold(&self, statement: &str) -> Held {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("begin; {statement}")).await.unwrap();
        Held { client }
    }

    /// Waits until this many connections wait for locks.
    pub async fn until_waiting(&self, count: usize) {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = \
                       'Lock'";
        let count = i64::try_from(count).unwrap();
        eventually("connections wait for locks", async || (self.number(waiting).await == count).then_some(())).await;
    }

    /// Ends every connection and refuses new ones.
    pub fn close(&self) {
        execute(&format!("alter database {} with allow_connections false", self.name)).unwrap();
        let others = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.name);
        execute(&others).unwrap();
    }

    /// Accepts connections again.
    pub fn open(&self) {
        execute(&format!("alter database {} with allow_connections true", self.name)).unwrap();
    }

    /// The single number that a statement returns.
    pub async fn number(&self, statement: &str) -> i64 {
        self.rows(statement).await[0][0].as_deref().unwrap().parse().unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        canary::tables(&self.url);
        let (done, _) = mpsc::channel();
        let _ = server().admin.send((format!("drop database if exists {} with (force)", self.name), done));
    }
}

/// A new folder for one service, below the folder of this run.
pub fn fresh_dir(purpose: &str) -> PathBuf {
    let dir = server().run_dir.join(format!("{purpose}-{}", next_number()));
    fs::create_dir(&dir).unwrap();
    dir
}

/// A PostgreSQL server in `data_dir`: the bundled one, or that of `POSTGRES_BIN_DIR`.
pub fn start_postgres(data_dir: &Path, durable: bool) -> DevPostgres {
    let bin_dir = std::env::var_os("POSTGRES_BIN_DIR").map(PathBuf::from);
    let settings = Settings { name: "vestibule", data_dir, bin_dir: bin_dir.as_deref(), min_major: 15, durable };
    DevPostgres::start(&settings).unwrap()
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let temp_dir = std::env::temp_dir();
        remove_leftovers(&temp_dir);
        let run_dir = temp_dir.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&run_dir).unwrap();
        let lock = File::create(run_dir.join("lock")).unwrap();
        lock.try_lock().unwrap();
        let address = match std::env::var("TEST_DATABASE_URL") {
            Ok(url) => Address::Given(url.parse().unwrap()),
            Err(_) => Address::Embedded(start_postgres(&run_dir.join("db"), false)),
        };
        let admin = start_admin(match &address {
            Address::Embedded(embedded) => embedded.url("postgres"),
            Address::Given(url) => url.to_string(),
        });
        Server { address, run_dir, admin, _lock: lock }
    })
}

/// A thread with one connection that creates and drops databases, one after the other.
fn start_admin(url: String) -> mpsc::Sender<(String, mpsc::Sender<Result<(), String>>)> {
    let (sender, orders) = mpsc::channel::<(String, mpsc::Sender<Result<(), String>>)>();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            for (statement, done) in orders {
                let result = client.batch_execute(&statement).await.map_err(|error| format!("{error:?}"));
                let _ = done.send(result);
            }
        });
    });
    sender
}

fn execute(statement: &str) -> Result<(), String> {
    let (done, result) = mpsc::channel();
    server().admin.send((statement.to_owned(), done)).unwrap();
    result.recv().unwrap()
}

fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = unique_name();
        execute(&format!("create database {name} template template0")).unwrap();
        let url = server().address.url(&name);
        // On its own thread and runtime: the test is already in one.
        let migrating = std::thread::spawn(move || {
            runtime().block_on(async {
                let db = Db::new(&url, 1).unwrap();
                db.migrate().await.unwrap();
                // Once, and not for each test.
                vestibule::audit::months::create_missing(&db, chrono::Utc::now()).await.unwrap();
            });
        });
        migrating.join().unwrap();
        name
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn unique_name() -> String {
    format!("vestibule_test_{}_{}", std::process::id(), next_number())
}

fn next_number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Removes the folders of test processes that have ended: their locks are free.
fn remove_leftovers(temp_dir: &Path) {
    for entry in fs::read_dir(temp_dir).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).map(|at| SystemTime::now().duration_since(at));
        // A folder that was just created may not be locked yet.
        let is_old = matches!(age, Ok(Ok(age)) if age > Duration::from_secs(60));
        let is_dead = || File::open(entry.path().join("lock")).map_or(true, |lock| lock.try_lock().is_ok());
        if is_old && is_dead() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
