//! The house: listener, database, workers, and their start and stop.

mod edge;
mod janitor;
mod logger;
mod postgres;
mod stop;

pub use logger::start_log;
pub use postgres::{database, operator_database};

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App as ActixApp, HttpServer, web};
use dev_postgres::DevPostgres;

use crate::app::{App, Stopping, Told};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Settings};
use crate::db::{Db, DbError};
use crate::link::Links;
use crate::mail::{Delivery, Mailer, MailerParts, TemplateError, Templates};
use crate::password::{HashingPool, PasswordPolicy};
use crate::session::LoginManager;
use crate::{flows, openapi};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long requests that were accepted may take once the service stops.
const DRAIN_SECONDS: u64 = 30;
/// How long a browser may remember what a preflight said.
const PREFLIGHT_SECONDS: usize = 3600;
/// How often a database that is away at start is tried again.
const MIGRATE_AGAIN: Duration = Duration::from_secs(2);

/// The service cannot start. Its text is one line that names what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is taken, or not ours.
    #[error("LISTEN: {0} cannot be listened on: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The embedded PostgreSQL does not start.
    #[error("{0}; {advice}", advice = postgres::advice(.0))]
    Embedded(dev_postgres::Error),
    /// The database URL cannot be read.
    #[error("DATABASE_URL: {0}")]
    Database(DbError),
    /// The SMTP URL cannot be used.
    #[error("SMTP_URL: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// A template of the operator cannot work.
    #[error("MAIL_TEMPLATES: {0}")]
    Templates(#[from] TemplateError),
    /// The system refuses something.
    #[error("the system refuses: {0}")]
    Io(#[from] std::io::Error),
}

/// A service that listens, but does not answer yet.
pub struct Service {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    // Stops when the service has stopped.
    embedded: Option<DevPostgres>,
}

impl Service {
    /// Checks the settings, listens, and starts what the service needs. A database that is away stops nothing: the
    /// service answers 503 until it is there. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn prepare(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let failed = |error| StartError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let config = Config::new(settings, address)?;
        let (url, embedded) = database(settings)?;
        let db = Db::new(&url).map_err(StartError::Database)?;
        let links = Links::new(&config.secret_key);
        let mailer = Mailer::new(MailerParts {
            db: db.clone(),
            clock: clock.clone(),
            delivery: Delivery::new(&config)?,
            templates: templates(settings)?,
            links: links.clone(),
            link_config: config.links.clone(),
            service: config.service_name.clone(),
            has_limits: config.has_rate_limits,
        });
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let app = App {
            db,
            clock,
            hashing: HashingPool::start(cores)?,
            password_policy: PasswordPolicy { min_length: config.password_min_length },
            links,
            mailer,
            stopping: Stopping::default(),
            told: Told::default(),
            config,
        };
        Ok(Self { app, listener, address, embedded })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its flows can reach.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Says on the log where everything is.
    pub fn announce(&self) {
        let url = self.app.config.public_url.as_str().trim_end_matches('/');
        log::info!("API      {url}");
        log::info!("docs     {url}/docs/");
        if self.app.mailer.mailbox().is_some() {
            log::info!("mailbox  {url}/dev/mailbox (letters are kept there and not sent)");
        }
    }

    /// Answers until SIGTERM or SIGINT (with `has_signals`), then finishes what was accepted.
    ///
    /// # Errors
    /// The listener breaks.
    pub async fn run(self, has_signals: bool) -> std::io::Result<()> {
        let Self { app, listener, embedded, .. } = self;
        let server = http_server(app.clone(), listener)?;
        if has_signals {
            stop::on_signal(app.stopping.clone(), server.handle())?;
        }
        let background = async {
            tokio::join!(migrate(&app.db), app.mailer.run(), janitor::run(&app));
        };
        tokio::select! {
            result = server => result?,
            () = background => {}
        }
        drop(embedded);
        Ok(())
    }
}

fn http_server(app: App, listener: TcpListener) -> std::io::Result<actix_web::dev::Server> {
    let manager = LoginManager::new(&app.config);
    let document = web::Data::new(openapi::document(manager.cookie_name()));
    let server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(web::Data::new(app.clone()))
            .app_data(web::Data::new(manager.clone()))
            .app_data(document.clone())
            .wrap(cors(&app.config))
            .wrap(from_fn(edge::edge))
            .configure(|config| flows::routes(config, &app, &manager))
    })
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(DRAIN_SECONDS)
    .disable_signals();
    Ok(server.listen(listener)?.run())
}

/// What letters say: the operator's templates before those that ship.
///
/// # Errors
/// Names the file and the line that cannot work.
pub fn templates(settings: &Settings) -> Result<Templates, TemplateError> {
    settings.mail_templates.as_deref().map_or_else(|| Ok(Templates::shipped()), Templates::load)
}

/// What scripts of the allowed origins may do, and no others.
fn cors(config: &Config) -> Condition<Cors> {
    let allowed = &config.allowed_origins;
    let cors = allowed.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors
        .supports_credentials()
        .allowed_methods(["GET", "HEAD", "POST", "PATCH", "DELETE"])
        .allowed_headers([CONTENT_TYPE, AUTHORIZATION, HeaderName::from_static("x-request-id")])
        .expose_headers(edge::READABLE)
        .max_age(PREFLIGHT_SECONDS);
    Condition::new(!allowed.is_empty(), cors)
}

async fn migrate(db: &Db) {
    loop {
        match db.migrate().await {
            Ok(applied) if applied.is_empty() => return,
            Ok(applied) => return log::info!("migrated the database: {}", applied.join(", ")),
            Err(error) => {
                log::error!("the database cannot be migrated, trying again: {error}");
                tokio::time::sleep(MIGRATE_AGAIN).await;
            }
        }
    }
}
