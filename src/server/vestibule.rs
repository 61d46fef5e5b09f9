//! The service without a listener: what it is made of, its routes as part of an actix-web application, and its work in the
//! background.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::sync::{Arc, Mutex};

use actix_cors::Cors;
use actix_service::{apply, fn_service};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpResponse};
use dev_postgres::DevPostgres;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::access_token::AccessTokens;
use crate::account::Accounts;
use crate::app::{App, WarnOnce};
use crate::clock::Clock;
use crate::config::{Config, PublicUrl, Settings, is_loopback_url};
use crate::db::Db;
use crate::http::host::HostSessions;
use crate::http::{edge, pages};
use crate::link::Links;
use crate::mail::{Delivery, MAIL_CONNECTIONS, Mailer, MailerParts};
use crate::password::{Hasher, PasswordPolicy};
use crate::session::{SessionCookies, Sessions};
use crate::throttle::Refusals;
use crate::{flows, openapi};

use super::postgres::prepare_database;
use super::{StartError, cleanup, database, mail_templates};

/// How long a browser may cache a preflight.
const PREFLIGHT_SECONDS: usize = 3600;
/// The database connection that hears of mails that other instances queue.
const LISTENING: usize = 1;

/// The service as a part of your own actix-web application. Clones are the same service.
///
/// ```no_run
/// use actix_web::{App, HttpServer, web};
/// use vestibule::{Confirmed, Settings, Vestibule};
///
/// async fn notes(user: Confirmed) -> String {
///     format!("The notes of {}", user.email())
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let auth = Vestibule::new(&Settings::from_environment()?)?;
///     let mounted = auth.clone();
///     let server = HttpServer::new(move || {
///         App::new()
///             .configure(|config| mounted.mount(config))
///             .service(web::resource("/notes").wrap(mounted.sessions()).get(notes))
///     })
///     .bind("127.0.0.1:8080")?;
///     tokio::select! {
///         result = server.run() => Ok(result?),
///         result = auth.run() => Ok(result?),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Vestibule {
    app: web::Data<App>,
    cookies: web::Data<SessionCookies>,
    document: web::Data<OpenApi>,
    /// `run` takes it, and stops it at its end.
    embedded: Arc<Mutex<Option<DevPostgres>>>,
}

impl Vestibule {
    /// Checks the settings, and starts what the service needs: threads that hash passwords, and without `DATABASE_URL` the
    /// embedded PostgreSQL. It needs a tokio runtime around it. `PUBLIC_URL` needs a path, under which [`Vestibule::mount`] puts the service. `LISTEN` and
    /// `RUST_LOG` do not count: listener and log are yours. `SMTP_URL` is required unless `PUBLIC_URL` is a loopback address
    /// under http.
    ///
    /// # Errors
    /// Names the setting that cannot work.
    pub fn new(settings: &Settings) -> Result<Self, StartError> {
        // With two TLS providers in the binary, rustls could not choose. An error means that you chose one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let has_path = |url: &&PublicUrl| !url.base_path().is_empty();
        let public_url = settings.public_url.as_ref().filter(has_path).ok_or(StartError::NoBasePath)?;
        // The listener is not ours to know. The development mailbox is for this machine alone.
        let ip = if is_loopback_url(public_url) { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        Self::prepare(settings, SocketAddr::from((ip, 0)), Clock::default())
    }

    pub(super) fn prepare(settings: &Settings, address: SocketAddr, clock: Clock) -> Result<Self, StartError> {
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
        let cookies = SessionCookies::new(&config);
        let document = openapi::document(config.public_url.base_path(), cookies.name());
        Ok(Self {
            app: web::Data::new(app(config, db, clock, links, mailer)?),
            cookies: web::Data::new(cookies),
            document: web::Data::new(document),
            embedded: Arc::new(Mutex::new(embedded)),
        })
    }

    pub(super) fn app(&self) -> &web::Data<App> {
        &self.app
    }

    fn base_path(&self) -> &str {
        self.app.config.public_url.base_path()
    }

    /// Registers all routes of the service under the path of `PUBLIC_URL`, for `App::configure`. They answer exactly as in
    /// the ready-to-run service: with problem documents, request ids, security headers and CORS. Your other routes stay as
    /// they are.
    ///
    /// Give it to the `App` itself: in a scope, the routes would be under both paths, and links would lead nowhere. A proxy
    /// in front may strip nothing.
    pub fn mount(&self, config: &mut ServiceConfig) {
        self.mount_issuer_metadata(config);
        self.mount_at(self.base_path(), config);
    }

    /// Registers everything twice, because a proxy may strip the base path or not.
    pub(super) fn mount_everywhere(&self, config: &mut ServiceConfig) {
        if !self.base_path().is_empty() {
            self.mount(config);
        }
        self.mount_at("", config);
        // `OPTIONS *` is the only request without a path.
        config.app_data(self.app.clone()).default_service(apply(from_fn(edge::edge), fn_service(not_found)));
    }

    /// `path` is empty or begins with a slash.
    fn mount_at(&self, path: &str, config: &mut ServiceConfig) {
        let sessions = self.lookup();
        config.service(self.scope(path, |config| flows::routes(config, &sessions)));
    }

    /// RFC 8414, section 3.1, puts the path of the issuer behind the well-known one, at the root of the host.
    fn mount_issuer_metadata(&self, config: &mut ServiceConfig) {
        let path = format!("/.well-known/oauth-authorization-server{}", self.base_path());
        config.service(self.scope(&path, flows::issuer_metadata));
    }

    /// Routes of ours, with what every answer of theirs has.
    fn scope(&self, path: &str, routes: impl FnOnce(&mut ServiceConfig)) -> impl HttpServiceFactory + 'static {
        web::scope(path)
            .app_data(self.app.clone())
            .app_data(self.cookies.clone())
            .app_data(self.document.clone())
            .configure(routes)
            .default_service(fn_service(not_found))
            .wrap(cors(&self.app.config))
            .wrap(from_fn(edge::edge))
    }

    fn lookup(&self) -> Sessions {
        Sessions::new(&self.app.db, &self.app.clock, &self.cookies)
    }

    /// The middleware of your own routes that [`SignedIn`] and [`Confirmed`] are arguments of: it looks up the session of
    /// the request, as a cookie or as `Authorization: Bearer`. Wrap a resource or a scope with it.
    ///
    /// [`SignedIn`]: crate::SignedIn
    /// [`Confirmed`]: crate::Confirmed
    ///
    /// - What the guard refuses gets the answer that the service gives: `401 unauthenticated`, `403 unconfirmed`, and `503`
    ///   while the database is away, as `application/problem+json`.
    /// - A request that may change something (other than `GET`, `HEAD`, `OPTIONS` and `TRACE`) with a session cookie is
    ///   `403 cross_origin` for pages that are neither of the origin of `PUBLIC_URL` nor in `ALLOWED_ORIGINS`, also where
    ///   the handler does not look at the session.
    /// - Your own answers and errors stay as they are, but for `Cache-Control: no-store` where they have no `Cache-Control`.
    ///
    /// It uses actix-session, so the same route cannot have an actix-session of yours.
    pub fn sessions(&self) -> HostSessions {
        HostSessions::new(&self.app, &self.cookies, self.lookup())
    }

    /// Migrates the database, sends emails, and deletes what is past its time: run it as long as your server runs. Needs a
    /// multi-threaded tokio runtime, as `#[tokio::main]` starts one. Until the database is migrated, requests get `503`.
    ///
    /// # Errors
    /// The database cannot be used: it is too old, or no PostgreSQL. One that is away is tried again.
    pub async fn run(&self) -> std::io::Result<()> {
        let _embedded = self.embedded.lock().ok().and_then(|mut embedded| embedded.take());
        let background = async { tokio::join!(self.app.mailer.run(), cleanup::run(&self.app)) };
        tokio::select! {
            Err(error) = prepare_database(&self.app) => Err(std::io::Error::other(error)),
            _ = background => Ok(()),
        }
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
    let (stopping, proxy_warning) = (CancellationToken::new(), WarnOnce::default());
    let templates = pages::templates(config.public_url.base_path());
    let access_tokens = AccessTokens::new(&config.secret_key, &config.access)?;
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

/// Bare: the edge writes the answer.
async fn not_found(request: ServiceRequest) -> Result<ServiceResponse, Error> {
    Ok(request.into_response(HttpResponse::NotFound()))
}

/// What scripts of the allowed origins may do; other scripts may do nothing.
fn cors(config: &Config) -> Condition<Cors> {
    let allowed = &config.allowed_origins;
    let cors = allowed.iter().fold(Cors::default(), |cors, origin| cors.allowed_origin(origin));
    let cors = cors
        .supports_credentials()
        .allowed_methods(["GET", "HEAD", "POST", "PATCH", "DELETE"])
        // Tracing libraries add headers of their own (traceparent, baggage, sentry-trace); none of them grants anything.
        .allow_any_header()
        .expose_headers(edge::READABLE)
        .max_age(PREFLIGHT_SECONDS);
    Condition::new(!allowed.is_empty(), cors)
}
