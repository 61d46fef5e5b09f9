//! Logout: the session is dead on the server before the answer leaves.
//!
//! If only the cookie went, whoever copied it would stay signed in.

use actix_web::{HttpRequest, HttpResponse};

use crate::problem::Problem;
use crate::session;

use super::responses::{DatabaseFaults, ForeignOrigin};

/// Sign out
///
/// Ends the session that the request presents. Without one nothing happens, and the answer is the same.
#[utoipa::path(
    post, path = "/logout", tag = "session",
    responses((status = 204, description = "Nobody is signed in with this session any more"), ForeignOrigin, DatabaseFaults),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_session(req: HttpRequest) -> Result<HttpResponse, Problem> {
    session::sign_out(&req)?;
    Ok(HttpResponse::NoContent().finish())
}
