//! The pool, and the only two ways to work with it: [`Db::run`] and [`Db::transaction`].

use std::cell::Cell;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Timeouts};
use diesel::ConnectionError;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::FutureExt as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::cause::with_causes;

use super::error::is_lost_statement;
use super::{DbError, engine, migrate};

/// The connection that queries take. It can be copied: statements that are sent through several copies at once, by
/// `tokio::join!(biased; …)`, run in that order, and all their answers arrive in one round trip.
pub type Connection<'a> = &'a AsyncPgConnection;

type Manager = AsyncDieselConnectionManager<AsyncPgConnection>;

/// How long getting a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the work of one request may take, including getting connections: callers get an answer within 5 s.
const WORK_TIMEOUT: Duration = Duration::from_millis(4500);
/// After how much silence a connection is probed, how often, and how many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(5), Duration::from_secs(2), 2);
/// The settings of each connection: the server ends a statement, and a transaction that waits for its client, itself; it
/// has the isolation that the code is written for, whatever the role's default; and it gives times in UTC.
const CONNECTION_SETTINGS: &str = "set statement_timeout = 5000; set idle_in_transaction_session_timeout = 5000; \
                                   set default_transaction_isolation = 'read committed'; set timezone = 'UTC'";

tokio::task_local! {
    /// How much time the request may still spend on the database.
    static REQUEST_DB_BUDGET: Cell<Duration>;
}

/// Gives all database work of `request` together the time that one piece of work has otherwise: over a slow link, several
/// pieces that are each in time would keep the caller waiting.
pub async fn in_limited_time<F: Future>(request: F) -> F::Output {
    REQUEST_DB_BUDGET.scope(Cell::new(WORK_TIMEOUT), request).await
}

/// The database.
#[derive(Clone)]
pub struct Db {
    pool: Pool<AsyncPgConnection>,
    url: String,
    migrated: watch::Sender<bool>,
    /// Held by the one check that uses two connections.
    pub(super) checking: Arc<Mutex<()>>,
}

/// A connection at work. If the work is dropped unfinished, because the client went away or time ran out, the connection
/// is closed: an answer may still arrive on it, and an open transaction would keep its locks.
struct Lease(Option<Object<Manager>>);

impl Lease {
    fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Db {
    /// A pool of up to `size` connections to the PostgreSQL at `url`, which connects when it is first used. The runtime that
    /// this is called on drives the connections, whichever thread uses them.
    ///
    /// # Errors
    /// A URL that cannot be read, or a platform without a certificate store.
    pub fn new(url: &str, size: usize) -> Result<Self, DbError> {
        Ok(Self {
            pool: pool(url, size)?,
            url: url.to_owned(),
            migrated: watch::Sender::new(false),
            checking: Arc::default(),
        })
    }

    /// The same database on other connections, so that its work and that of requests never wait for each other's.
    ///
    /// # Errors
    /// As [`Db::new`].
    pub fn with_own_connections(&self, size: usize) -> Result<Self, DbError> {
        Ok(Self { pool: pool(&self.url, size)?, checking: Arc::default(), ..self.clone() })
    }

    /// Runs pending migrations; of several instances that start together, one does.
    ///
    /// # Errors
    /// The database is away or [`DbError::Unsupported`], or a migration fails (it is rolled back).
    pub async fn migrate(&self) -> Result<Vec<String>, DbError> {
        engine::check(self.connect_alone().await?, self.connect_alone().await?).await?;
        let applied = migrate::run(self.connect_alone().await?).await?;
        self.migrated.send_replace(true);
        Ok(applied)
    }

    /// A connection outside of the pool and without time limits, for work that waits on purpose.
    ///
    /// # Errors
    /// The database is away.
    pub async fn connect_alone(&self) -> Result<AsyncPgConnection, DbError> {
        connect_plainly(&self.url, tls_config()?).await.map_err(unavailable)
    }

    /// Waits until the migrations have run.
    pub async fn wait_until_migrated(&self) {
        let mut migrated = self.migrated.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = migrated.wait_for(|done| *done).await;
    }

    /// Runs `work` on a connection, each statement in a transaction of its own.
    ///
    /// # Errors
    /// Those of `work`, and [`DbError::Unavailable`] when the database is away or the work takes more than 4.5 s.
    pub async fn run<T, E>(&self, work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, E>) -> Result<T, DbError>
    where
        E: Into<DbError> + Display,
    {
        self.run_and_keep_if(work, keeps_statements).await
    }

    /// Runs `work`, and closes the connection if it `is_usable` no more.
    async fn run_and_keep_if<T, E>(
        &self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, E>,
        is_usable: impl FnOnce(&Result<T, E>) -> bool,
    ) -> Result<T, DbError>
    where
        E: Into<DbError>,
    {
        if !*self.migrated.borrow() {
            return Err(DbError::Unavailable("the migrations have not run yet".into()));
        }
        let began = Instant::now();
        let result = self
            .run_until(began + REQUEST_DB_BUDGET.try_with(Cell::get).unwrap_or(WORK_TIMEOUT), work, is_usable)
            .await;
        let _ = REQUEST_DB_BUDGET.try_with(|patience| patience.set(patience.get().saturating_sub(began.elapsed())));
        result
    }

    async fn run_until<T, E>(
        &self,
        deadline: Instant,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, E>,
        is_usable: impl FnOnce(&Result<T, E>) -> bool,
    ) -> Result<T, DbError>
    where
        E: Into<DbError>,
    {
        let connection = match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(unavailable(error)),
            Err(_) => return Err(DbError::Unavailable("no connection in time".into())),
        };
        let lease = Lease(Some(connection));
        let Some(connection) = lease.0.as_deref() else {
            return Err(DbError::Unavailable("no connection".into()));
        };
        match timeout_at(deadline, work(&mut &*connection)).await {
            Ok(result) => {
                if is_usable(&result) {
                    lease.give_back();
                }
                result.map_err(Into::into)
            }
            Err(_) => {
                // If this connection died silently, so did the others.
                self.pool.retain(|_, _| false);
                Err(DbError::Unavailable("no answer in time".into()))
            }
        }
    }

    /// Runs `work` in one transaction: all of it happens, or nothing. A caller who goes away, or an error, rolls it back.
    ///
    /// # Errors
    /// Those of `work`, and as [`Db::run`].
    pub async fn transaction<T, F, E>(
        &self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, F>,
    ) -> Result<T, E>
    where
        F: Into<E> + Display,
        E: From<DbError>,
    {
        let in_transaction = async |conn: &mut Connection<'_>| {
            // The work's first statement does not wait for this to be answered.
            let (mut beginning, mut working) = (*conn, *conn);
            let (begun, result) = tokio::join!(biased; beginning.batch_execute("begin"), work(&mut working));
            begun?;
            let ended = conn.batch_execute(if result.is_ok() { "commit" } else { "rollback" }).await;
            // Of two errors, the first one is the one that matters.
            if result.is_ok() { ended.map(|()| (result, true)) } else { Ok((result, ended.is_ok())) }
        };
        let is_usable = |done: &diesel::QueryResult<(Result<T, F>, bool)>| match done {
            Ok((result, is_ended)) => *is_ended && keeps_statements(result),
            // The transaction may be open.
            Err(_) => false,
        };
        self.run_and_keep_if(in_transaction, is_usable).await?.0.map_err(Into::into)
    }
}

fn pool(url: &str, size: usize) -> Result<Pool<AsyncPgConnection>, DbError> {
    parse(url)?;
    let tls = tls_config()?;
    let runtime = Handle::current();
    let mut config = ManagerConfig::default();
    // A test query at every checkout would double the round trips; a closed connection is noticed without it.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url| {
        let (url, tls) = (url.to_owned(), tls.clone());
        let connecting = runtime.spawn(async move { connect(&url, tls).await });
        async move { connecting.await.map_err(|error| ConnectionError::BadConnection(error.to_string()))? }.boxed()
    });
    let timeouts =
        Timeouts { wait: Some(CONNECT_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: Some(CONNECT_TIMEOUT) };
    let pool = Pool::builder(Manager::new_with_config(url, config));
    let pool = pool.max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1).build();
    pool.map_err(|error| DbError::Unavailable(error.to_string()))
}

/// Whether the prepared statements of a connection are still there. Without them it would fail for every request.
fn keeps_statements<T, E: Display>(result: &Result<T, E>) -> bool {
    !result.as_ref().is_err_and(|error| is_lost_statement(&error.to_string()))
}

fn parse(url: &str) -> Result<tokio_postgres::Config, DbError> {
    let mut config: tokio_postgres::Config = url.parse().map_err(unavailable)?;
    config.connect_timeout(CONNECT_TIMEOUT);
    config.tcp_user_timeout(WORK_TIMEOUT);
    let (idle, interval, retries) = KEEPALIVE;
    config.keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
    if config.get_application_name().is_none() {
        config.application_name("vestibule");
    }
    Ok(config)
}

fn tls_config() -> Result<rustls::ClientConfig, DbError> {
    Ok(rustls::ClientConfig::builder().with_platform_verifier().map_err(unavailable)?.with_no_client_auth())
}

async fn connect(url: &str, tls: rustls::ClientConfig) -> Result<AsyncPgConnection, ConnectionError> {
    let mut connection = connect_plainly(url, tls).await?;
    // Only a superuser may set lc_messages. Without it, errors are recognised only if their texts are English.
    if connection.batch_execute(&format!("{CONNECTION_SETTINGS}; set lc_messages = 'C'")).await.is_err() {
        connection.batch_execute(CONNECTION_SETTINGS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    }
    Ok(connection)
}

async fn connect_plainly(url: &str, tls: rustls::ClientConfig) -> Result<AsyncPgConnection, ConnectionError> {
    let bad = |error: String| ConnectionError::BadConnection(error);
    let config = parse(url).map_err(|error| bad(error.to_string()))?;
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
    // The limit in the configuration ends when TCP is connected; a server can stay silent after that.
    let connecting = timeout(CONNECT_TIMEOUT, config.connect(tls)).await.map_err(|_| bad("no greeting".into()))?;
    let (client, connection) = connecting.map_err(|error| bad(with_causes(&error)))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn unavailable(error: impl std::error::Error) -> DbError {
    DbError::unavailable(with_causes(&error))
}
