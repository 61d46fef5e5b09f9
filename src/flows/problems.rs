//! What an error code means, for the person who meets it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::page;
use crate::problem::{Code, Problem};

use super::responses::{Faults, Missing};

/// An error code.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeExplanation {
    /// Its stable name.
    #[schema(example = "unconfirmed")]
    code: &'static str,
    /// The HTTP status that comes with it.
    #[schema(example = 403)]
    status: u16,
    /// The code in words.
    title: &'static str,
    /// What it means and what to do.
    meaning: &'static str,
}

/// Explain an error code
///
/// The `type` of every problem leads here. A browser gets a page.
#[utoipa::path(
    get, path = "/problems/{code}", tag = "operation",
    params(("code" = String, Path, description = "The code", example = "unconfirmed")),
    responses((status = 200, description = "What it means", content(
                   (CodeExplanation = "application/json"), (String = "text/html"))),
              Missing, Faults)
)]
pub async fn explain_problem(req: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let code = Code::from_name(&name).ok_or_else(|| Problem::new(Code::NotFound))?;
    if page::wants_html(&req) {
        return Ok(page::problem(code));
    }
    Ok(HttpResponse::Ok().json(CodeExplanation {
        code: code.name(),
        status: code.status().as_u16(),
        title: code.title(),
        meaning: code.meaning(),
    }))
}
