//! A running service in this process, with its own thread, port, database and data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use clap::builder::Resettable;
use clap::{Args as _, FromArgMatches as _};
use tokio::sync::oneshot;
use vestibule::clock::Clock;
use vestibule::config::{Secret, Settings, Switch};
use vestibule::server::{Service, StartError};

use super::actor::Actor;
use super::database::{TestDatabase, fresh_dir};
use super::http::Http;
use super::mailbox::Mailbox;
use super::proxy::Proxy;
use super::{BOUND, canary, eventually};

/// A running service; dropping it stops the service.
pub struct TestApp {
    pub http: Http,
    pub mailbox: Mailbox,
    /// The clock of the service, which tests move.
    pub clock: Clock,
    pub database: Arc<TestDatabase>,
    pub data_dir: PathBuf,
    pub cookie_name: &'static str,
    /// The state that the flows share: for what no answer shows, such as how many hashes it cost.
    pub inside: vestibule::app::App,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The default settings except for port, cost, limits and data directory. The environment of the test run is ignored.
fn settings(data_dir: &Path, flags: &[&str]) -> Settings {
    let command = Settings::augment_args(clap::Command::new("tests")).mut_args(|arg| arg.env(Resettable::Reset));
    let data_dir = data_dir.to_str().unwrap();
    // Tests of the rate limits switch them on; all others would have to wait for them.
    let given = ["tests", "--listen", "127.0.0.1:0", "--rate-limits", "off"];
    let given = given.into_iter().chain(["--data-dir", data_dir]).chain(flags.iter().copied());
    let command = command.args_override_self(true);
    let settings = Settings::from_arg_matches(&command.try_get_matches_from(given).unwrap()).unwrap();
    // The lowest cost that there is, below what can be set: hashing would take a third of the time of all tests.
    Settings { bcrypt_cost: 4, ..settings }
}

impl TestApp {
    /// A service with the default settings.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A service with changed settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(TestDatabase::migrated().into(), Clock::default(), &[], change).await
    }

    /// A service with settings given as command line flags.
    pub async fn with_flags(flags: &[&str]) -> Self {
        Self::on(TestDatabase::migrated().into(), Clock::default(), flags, |_| ()).await
    }

    /// A service on a database that was prepared.
    pub async fn on_database(database: TestDatabase) -> Self {
        Self::on(database.into(), Clock::default(), &[], |_| ()).await
    }

    /// A service that reaches its database through a proxy.
    pub async fn behind_a_proxy(limits: Switch) -> (Self, Proxy) {
        let mut proxy = None;
        let app = Self::with(|settings| {
            settings.rate_limits = limits;
            let started = Proxy::start(settings.database_url.as_ref().unwrap().reveal());
            settings.database_url = Some(Secret::from(started.url.clone()));
            proxy = Some(started);
        })
        .await;
        (app, proxy.unwrap())
    }

    /// A second instance with the same database and clock, and the same settings except for `change`.
    pub async fn beside(&self, change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(self.database.clone(), self.clock.clone(), &[], change).await
    }

    async fn on(database: Arc<TestDatabase>, clock: Clock, flags: &[&str], change: impl FnOnce(&mut Settings)) -> Self {
        let data_dir = fresh_dir("data");
        let mut settings = settings(&data_dir, flags);
        settings.database_url = Some(Secret::from(database.url.clone()));
        change(&mut settings);
        let is_secure = settings.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
        let (address, inside, stop, thread) = spawn(settings, clock.clone()).unwrap();
        let http = Http::new(format!("http://{address}"));
        let mailbox = Mailbox::new(http.clone(), database.clone(), clock.clone());
        let cookie_name = if is_secure { "__Host-session" } else { "vestibule_session" };
        let (stop, thread) = (Some(stop), Some(thread));
        let app = Self { http, mailbox, clock, database, data_dir, cookie_name, inside, stop, thread };
        eventually("the service gets ready", async || {
            let answer = app.http.request("GET", "/health/ready").send().await;
            (answer.status == 200).then_some(())
        })
        .await;
        app
    }

    /// A second instance, which has cleaned up although the first one just did.
    pub async fn clean_up(&self) -> Self {
        self.until_cleaned_up().await;
        self.database.rows("delete from cleanup_runs").await;
        let instance = self.beside(|_| ()).await;
        self.until_cleaned_up().await;
        instance
    }

    /// Waits until the instances that run have cleaned up: addresses come last.
    pub async fn until_cleaned_up(&self) {
        let taken = "select count(*) from cleanup_runs where task = 'unused_addresses'";
        eventually("the clean-up is done", async || (self.database.number(taken).await == 1).then_some(())).await;
    }

    /// A visitor without an account.
    pub fn visitor(&self) -> Actor {
        Actor::new(self, "visitor")
    }

    /// A user who registered and signed in, but did not confirm the address.
    pub async fn unconfirmed(&self, name: &str) -> Actor {
        let mut actor = Actor::new(self, name);
        actor.register().await.expect(202);
        actor.sign_in().await;
        actor
    }

    /// A user who registered, confirmed the address and signed in.
    pub async fn member(&self, name: &str) -> Actor {
        let mut actor = Actor::new(self, name);
        actor.register().await.expect(202);
        let link = self.mailbox.mail_to(&actor.email).await.path();
        actor.open(&link).await.expect(200);
        actor.sign_in().await;
        actor
    }

    /// Moves the clock and wakes the mail worker: every resend wakes it, even one to an unknown address.
    pub async fn advance_and_deliver(&self, duration: chrono::Duration) {
        self.clock.advance(duration);
        let unknown = serde_json::json!({ "email": "unknown@nowhere.example" });
        self.visitor().post_json("/resend", &unknown).await.expect(202);
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        canary::key(&self.data_dir);
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

type Running = (std::net::SocketAddr, vestibule::app::App, oneshot::Sender<()>, JoinHandle<()>);

/// Runs a service on its own thread and runtime, until something is sent on the sender or it is dropped.
pub fn spawn(settings: Settings, clock: Clock) -> Result<Running, StartError> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    canary::init_log();
    let (stop, stopped) = oneshot::channel();
    let (report, reported) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let service = match Service::prepare(&settings, clock) {
                Ok(service) => service,
                Err(error) => return report.send(Err(error)).unwrap(),
            };
            report.send(Ok((service.address(), service.app().clone()))).unwrap();
            tokio::select! {
                result = service.run(false) => result.unwrap(),
                _ = stopped => {}
            }
        });
        runtime.shutdown_timeout(BOUND);
    });
    reported.recv().unwrap().map(|(address, inside)| (address, inside, stop, thread))
}
