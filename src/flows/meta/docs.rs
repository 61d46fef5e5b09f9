//! The OpenAPI document, and Swagger UI from the binary to browse and try it.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, Route, web};
use utoipa::openapi::OpenApi;

use crate::app::App;
use crate::http::pages;
use crate::problem::{Code, Problem};

use crate::flows::documented_errors::ServerErrors;
use crate::flows::route;

/// Swagger UI loads its own scripts and styles, has data: images, sets inline styles and calls this service.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                           frame-ancestors 'none'";

/// These files change only with the binary.
const FILES_AGE: &str = "max-age=3600";

/// The OpenAPI document
///
/// This document, for the settings of this service.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", body = Object), ServerErrors)
)]
pub async fn get_document(document: web::Data<OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document.as_ref())
}

/// What stands beside the operations.
pub const PAGES: [&str; 2] = ["/docs", "/style.css"];

/// Registers what is no operation: Swagger UI, the style sheet of our pages, and the redirect from `/` to the docs.
pub fn pages(config: &mut ServiceConfig) {
    config
        .service(route::read_only("", || Route::new().to(to_docs)))
        .service(route::read_only("/", || Route::new().to(to_docs)))
        .service(route::read_only("/docs", || Route::new().to(to_docs)))
        .service(route::read_only("/docs/", || Route::new().to(docs)))
        .service(route::read_only("/docs/{file:.*}", || Route::new().to(swagger_file)))
        .service(route::read_only("/style.css", || Route::new().to(style)));
}

async fn to_docs(app: web::Data<App>) -> HttpResponse {
    let docs = format!("{}/docs/", app.config.public_url.base_path());
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, docs)).finish()
}

async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, FILES_AGE))
        .content_type("text/css; charset=utf-8")
        .body(pages::STYLE)
}

async fn docs(app: web::Data<App>) -> HttpResponse {
    pages::docs(&app.templates, DOCS_POLICY)
}

async fn swagger_file(app: web::Data<App>, file: web::Path<String>) -> Result<HttpResponse, Problem> {
    let document = format!("{}/openapi.json", app.config.public_url.base_path());
    let config = utoipa_swagger_ui::Config::from(document)
        .try_it_out_enabled(true)
        .persist_authorization(true)
        .display_request_duration(true)
        .with_credentials(true);
    let file = utoipa_swagger_ui::serve(&file, Arc::new(config)).map_err(Problem::internal)?;
    let file = file.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CONTENT_SECURITY_POLICY, DOCS_POLICY)).insert_header((CACHE_CONTROL, FILES_AGE));
    if file.gzpipped {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.content_type(file.content_type).body(file.bytes.into_owned()))
}
