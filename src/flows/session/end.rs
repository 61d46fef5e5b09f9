//! Signing out elsewhere: one session, or all others.

use actix_web::{HttpRequest, HttpResponse, web};
use uuid::Uuid;

use crate::app::App;
use crate::flows::documented_errors::{ConfirmedChange, DatabaseErrors, Missing};
use crate::http::extract::Confirmed;
use crate::problem::{Code, Problem};
use crate::request::RequestContext;
use crate::session;

/// End all other sessions
#[utoipa::path(
    delete, path = "/sessions", tag = "session",
    responses((status = 204, description = "Only this session is left"), ConfirmedChange, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_other_sessions(
    confirmed: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
) -> Result<HttpResponse, Problem> {
    app.accounts.end_other_sessions(confirmed.user.id(), confirmed.session_id, &request).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End one of your sessions
///
/// Also the one that the request belongs to.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "session",
    params(("id" = Uuid, Path, description = "The id of the session")),
    responses((status = 204, description = "The session has ended"), ConfirmedChange, Missing, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_one_session(
    req: HttpRequest,
    confirmed: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::new(Code::NotFound);
    let id: Uuid = id.parse().map_err(|_| missing())?;
    if !app.accounts.end_session(confirmed.user.id(), id, &request).await? {
        return Err(missing());
    }
    if id == confirmed.session_id {
        session::sign_out(&req)?;
    }
    Ok(HttpResponse::NoContent().finish())
}
