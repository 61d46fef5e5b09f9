//! What an error code means.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::pages;
use crate::problem::{Code, Problem};

use crate::flows::documented_errors::{Missing, ServerErrors};

/// An error code.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeExplanation {
    #[schema(example = "unconfirmed")]
    code: &'static str,
    #[schema(example = 403)]
    status: u16,
    title: &'static str,
    /// What it means, and what to do.
    meaning: &'static str,
}

/// Explain an error code
///
/// The `type` of every problem is this path. A browser gets a page.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "operation",
    params(("code" = String, Path, description = "The code", example = "unconfirmed")),
    responses((status = 200, description = "What it means", content(
                   (CodeExplanation = "application/json"), (String = "text/html"))),
              Missing, ServerErrors)
)]
pub async fn explain_problem(
    req: HttpRequest,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let code = Code::from_name(&name).ok_or_else(|| Problem::new(Code::NotFound))?;
    if pages::wants_html(&req) {
        return Ok(pages::problem(&app.templates, code));
    }
    Ok(HttpResponse::Ok().json(CodeExplanation {
        code: code.name(),
        status: code.status().as_u16(),
        title: code.title(),
        meaning: code.meaning(),
    }))
}
