//! The service as a scope of an actix-web application: its routes, and what every answer of theirs has.

use actix_cors::Cors;
use actix_service::{apply, fn_service};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpResponse};
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::config::Config;
use crate::http::edge;
use crate::session::SessionCookies;
use crate::{flows, openapi};

/// How long a browser may cache a preflight.
const PREFLIGHT_SECONDS: usize = 3600;

/// What the handlers of every worker share.
#[derive(Clone)]
pub struct Mount {
    pub app: web::Data<App>,
    cookies: web::Data<SessionCookies>,
    document: web::Data<OpenApi>,
}

impl Mount {
    pub fn new(app: &App) -> Self {
        let cookies = SessionCookies::new(&app.config);
        let document = openapi::document(app.config.public_url.base_path(), cookies.name());
        Self { app: web::Data::new(app.clone()), cookies: web::Data::new(cookies), document: web::Data::new(document) }
    }

    /// Registers everything twice, because a proxy may strip the base path or not.
    pub fn everywhere(&self, config: &mut ServiceConfig) {
        let base_path = self.app.config.public_url.base_path();
        if !base_path.is_empty() {
            self.at(base_path, config);
        }
        self.at("", config);
        // `OPTIONS *` is the only request without a path.
        config.app_data(self.app.clone()).default_service(apply(from_fn(edge::edge), fn_service(not_found)));
    }

    /// Registers everything under `path`, which is empty or begins with a slash.
    pub fn at(&self, path: &str, config: &mut ServiceConfig) {
        let scope = web::scope(path)
            .app_data(self.app.clone())
            .app_data(self.cookies.clone())
            .app_data(self.document.clone())
            .configure(|config| flows::routes(config, &self.app, &self.cookies))
            .default_service(fn_service(not_found))
            .wrap(cors(&self.app.config))
            .wrap(from_fn(edge::edge));
        config.service(scope);
    }
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
