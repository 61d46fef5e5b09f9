//! Logout: the session is dead on the server before the answer leaves. If only the cookie went, a copy of it would still
//! work.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::flows::documented_errors::{CrossOrigin, DatabaseErrors};
use crate::http::extract::Anyone;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::session;

/// Sign out
///
/// Ends the session of the request. Without one nothing happens, and the answer is the same.
#[utoipa::path(
    post, path = "/logout", tag = "session",
    responses((status = 204, description = "The session has ended"), CrossOrigin, DatabaseErrors),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_session(
    req: HttpRequest,
    anyone: Anyone,
    app: web::Data<App>,
    request: RequestContext,
) -> Result<HttpResponse, Problem> {
    if let Some(current) = anyone.0 {
        app.accounts.sign_out(&current, &request).await?;
    }
    session::sign_out(&req)?;
    Ok(HttpResponse::NoContent().finish())
}
