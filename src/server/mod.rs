//! The running service: listener, database, workers, and how they start and stop.

mod cleanup;
mod logger;
mod mount;
mod postgres;
mod stop;

pub use logger::start_log;
pub use postgres::{admin_database, database};

use mount::Mount;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{fn_service, map_config};
use actix_web::App as ActixApp;
use actix_web::dev::AppConfig;
use dev_postgres::DevPostgres;
use tokio_util::sync::CancellationToken;

use crate::access_token::{AccessTokens, KeyError};
use crate::account::Accounts;
use crate::app::{App, WarnOnce};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Settings};
use crate::db::{Db, DbError};
use crate::flows;
use crate::http::{edge, pages};
use crate::link::Links;
use crate::mail::{Delivery, MAIL_CONNECTIONS, MailTemplateError, MailTemplates, Mailer, MailerParts, SmtpUrlError};
use crate::password::{Hasher, PasswordPolicy};
use crate::throttle::Refusals;

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to close a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long accepted requests may take once the service stops.
const DRAIN_SECONDS: u64 = 30;
/// The database connection that hears of mails that other instances queue.
const LISTENING: usize = 1;
/// How often a database that is away at start is tried again.
const MIGRATE_AGAIN: Duration = Duration::from_secs(2);

/// Why the service cannot start: one line that names the cause.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Invalid settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The path of `PUBLIC_URL` begins as one of the service's own.
    #[error("PUBLIC_URL: its path must not begin with {0}, under which the service has paths of its own")]
    BasePath(String),
    /// The address is in use, or not of this machine.
    #[error("LISTEN: {0} cannot be listened on: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The embedded PostgreSQL does not start.
    #[error("{0}; {advice}", advice = postgres::advice(.0))]
    Embedded(dev_postgres::Error),
    /// An invalid database URL.
    #[error("DATABASE_URL: {0}")]
    Database(DbError),
    /// An invalid SMTP URL.
    #[error("SMTP_URL: {0}")]
    Smtp(#[from] SmtpUrlError),
    /// An invalid mail template.
    #[error("MAIL_TEMPLATES: {0}")]
    Templates(#[from] MailTemplateError),
    /// A secret key that cannot be used.
    #[error("SECRET_KEY: {0}")]
    Key(#[from] KeyError),
    /// The operating system refuses something.
    #[error("the operating system refuses: {0}")]
    Io(#[from] std::io::Error),
}

/// A service that listens but does not answer yet.
pub struct Service {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    // Stops when the service has stopped.
    embedded: Option<DevPostgres>,
}

impl Service {
    /// Checks the settings, listens, and starts what the service needs. If the database is away, the service answers 503
    /// until it is back. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn prepare(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let failed = |error| StartError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let config = Config::new(settings, address)?;
        check_base_path(config.public_url.base_path())?;
        let (url, embedded) = database(settings)?;
        let for_requests = usize::from(settings.database_connections) - MAIL_CONNECTIONS - LISTENING;
        let db = Db::new(&url, for_requests).map_err(StartError::Database)?;
        let links = Links::new(&config.secret_key);
        let mailer = Mailer::new(MailerParts {
            db: db.with_own_connections(MAIL_CONNECTIONS).map_err(StartError::Database)?,
            clock: clock.clone(),
            delivery: Delivery::new(&config)?,
            templates: mail_templates(settings)?,
            links: links.clone(),
            link_config: config.links.clone(),
            service: config.service_name.clone(),
            has_limits: config.limits.is_some(),
        });
        let app = app(config, db, clock, links, mailer)?;
        Ok(Self { app, listener, address, embedded })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its flows can reach.
    #[doc(hidden)]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Logs the URLs of API, docs and development mailbox.
    pub fn announce(&self) {
        let url = &self.app.config.public_url;
        log::info!("API      {}", url.of(""));
        log::info!("docs     {}", url.of("/docs/"));
        if self.app.mailer.mailbox().is_some() {
            log::info!("mailbox  {} (mails are kept there, not sent)", url.of("/dev/mailbox"));
        }
    }

    /// Serves until SIGTERM or SIGINT (if `has_signals`), then finishes accepted requests.
    ///
    /// # Errors
    /// The listener fails, or the database cannot be used.
    pub async fn run(self, has_signals: bool) -> std::io::Result<()> {
        let Self { app, listener, embedded, .. } = self;
        let server = http_server(app.clone(), listener)?;
        if has_signals {
            stop::on_signal(app.stopping.clone(), server.handle())?;
        }
        let background = async { tokio::join!(app.mailer.run(), cleanup::run(&app)) };
        tokio::select! {
            result = server => result?,
            Err(error) = prepare_database(&app) => return Err(std::io::Error::other(error)),
            _ = background => {}
        }
        drop(embedded);
        Ok(())
    }
}

/// With `/me` as base path, `/me` would be both an operation and the start page.
fn check_base_path(path: &str) -> Result<(), StartError> {
    match path.split('/').nth(1).filter(|segment| flows::have_paths_under(segment)) {
        Some(segment) => Err(StartError::BasePath(format!("/{segment}"))),
        None => Ok(()),
    }
}

fn app(config: Config, db: Db, clock: Clock, links: Links, mailer: Mailer) -> Result<App, StartError> {
    let hasher = Hasher::start(hash_threads())?;
    let password_policy = PasswordPolicy { min_length: config.password_min_length };
    let accounts = Accounts {
        db: db.clone(),
        clock: clock.clone(),
        hasher: hasher.clone(),
        password_policy: password_policy.clone(),
        bcrypt_cost: config.bcrypt_cost,
        session_config: config.session.clone(),
        limits: config.limits.clone(),
        refusals: Refusals::default(),
        mail_waker: mailer.waker(),
    };
    let access_tokens = AccessTokens::new(&config.secret_key, &config.access)?;
    let (stopping, proxy_warning) = (CancellationToken::new(), WarnOnce::default());
    let templates = pages::templates(config.public_url.base_path());
    Ok(App {
        config,
        db,
        clock,
        hasher,
        password_policy,
        accounts,
        links,
        access_tokens,
        mailer,
        templates,
        stopping,
        proxy_warning,
    })
}

/// One core stays free of hashing: everything else answers at once there, however many people sign in.
fn hash_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.saturating_sub(1).max(1)
}

/// actix-web's own `HttpServer` would answer `100 Continue` before anything else is asked.
fn http_server(app: App, listener: TcpListener) -> std::io::Result<Server> {
    let mount = Mount::new(&app);
    let address = listener.local_addr()?;
    let builder = Server::build().shutdown_timeout(DRAIN_SECONDS).disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let builder = builder.listen("vestibule", listener, move || {
        let (mount, app, draining) = (mount.clone(), mount.app.clone(), draining.clone());
        let service = ActixApp::new().configure(|config| mount.everywhere(config));
        HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .local_addr(address)
            .expect(fn_service(move |request| edge::expect(app.clone(), request)))
            .finish(map_config(service, |()| AppConfig::default()))
            .tcp()
    })?;
    Ok(builder.run())
}

/// The built-in templates, or those in `MAIL_TEMPLATES` before them.
pub fn mail_templates(settings: &Settings) -> Result<MailTemplates, MailTemplateError> {
    settings.mail_templates.as_deref().map_or_else(|| Ok(MailTemplates::built_in()), MailTemplates::load)
}

/// Migrates the database as soon as it is there, and notes that the keys of access tokens are published.
async fn prepare_database(app: &App) -> Result<(), DbError> {
    migrate(&app.db).await?;
    if let Err(error) = app.access_tokens.publish(&app.db, app.clock.now()).await {
        log::warn!("the age of the keys for access tokens is unknown until the first token is asked for: {error}");
    }
    Ok(())
}

/// Migrates the database as soon as it is there.
async fn migrate(db: &Db) -> Result<(), DbError> {
    loop {
        match db.migrate().await {
            Ok(applied) => {
                if !applied.is_empty() {
                    log::info!("migrated the database: {}", applied.join(", "));
                }
                return Ok(());
            }
            Err(error @ DbError::Unsupported(_)) => return Err(error),
            Err(error) => {
                log::error!("the database cannot be migrated, trying again: {error}");
                tokio::time::sleep(MIGRATE_AGAIN).await;
            }
        }
    }
}
