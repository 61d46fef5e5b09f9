//! The running service: listener, database, workers, and how they start and stop.

mod cleanup;
mod logger;
mod postgres;
mod stop;
mod vestibule;

pub use logger::start_log;
pub use postgres::{admin_database, database};
pub use vestibule::Vestibule;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{fn_service, map_config};
use actix_web::App as ActixApp;
use actix_web::dev::AppConfig;

use crate::access_token::KeyError;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{ConfigError, Settings};
use crate::db::DbError;
use crate::http::edge;
use crate::mail::{MailTemplateError, MailTemplates, SmtpUrlError};

/// How long the head of a request may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to close a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long accepted requests may take once the service stops.
const DRAIN_SECONDS: u64 = 30;

/// Why the service cannot start: one line that names the cause.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Invalid settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The path of `PUBLIC_URL` begins as one of the service's own.
    #[error("PUBLIC_URL: its path must not begin with {0}, under which the service has paths of its own")]
    BasePath(String),
    /// A service that is mounted into an application has no path of its own.
    #[error("PUBLIC_URL: needs a path to mount the service under, such as https://app.example.com/auth")]
    NoBasePath,
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

/// The ready-to-run service: it listens, but does not answer yet.
pub struct Service {
    vestibule: Vestibule,
    listener: TcpListener,
    address: SocketAddr,
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
        Ok(Self { vestibule: Vestibule::prepare(settings, address, clock)?, listener, address })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its flows can reach.
    pub fn app(&self) -> &App {
        self.vestibule.app()
    }

    /// Logs the URLs of API, docs and development mailbox.
    pub fn announce(&self) {
        let url = &self.app().config.public_url;
        log::info!("API      {}", url.of(""));
        log::info!("docs     {}", url.of("/docs/"));
        if self.app().mailer.mailbox().is_some() {
            log::info!("mailbox  {} (mails are kept there, not sent)", url.of("/dev/mailbox"));
        }
    }

    /// Serves until SIGTERM or SIGINT (if `has_signals`), then finishes accepted requests.
    ///
    /// # Errors
    /// The listener fails, or the database cannot be used.
    pub async fn run(self, has_signals: bool) -> std::io::Result<()> {
        let server = http_server(self.vestibule.clone(), self.listener)?;
        if has_signals {
            stop::on_signal(self.vestibule.app().stopping.clone(), server.handle())?;
        }
        tokio::select! {
            result = server => result,
            result = self.vestibule.run() => result,
        }
    }
}

/// actix-web's own `HttpServer` would answer `100 Continue` before anything else is asked.
fn http_server(vestibule: Vestibule, listener: TcpListener) -> std::io::Result<Server> {
    let address = listener.local_addr()?;
    let builder = Server::build().shutdown_timeout(DRAIN_SECONDS).disable_signals();
    let draining = builder.graceful_shutdown_signal();
    let builder = builder.listen("vestibule", listener, move || {
        let (app, draining) = (vestibule.app().clone(), draining.clone());
        let service = ActixApp::new().configure(|config| vestibule.mount_everywhere(config));
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
