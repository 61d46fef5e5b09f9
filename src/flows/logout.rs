//! Logout: the session is dead on the server before the answer leaves.
//!
//! If only the cookie went, whoever copied it would stay signed in.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::guard::Anyone;
use crate::problem::Problem;
use crate::session::{self, Presented};

use super::responses::{DatabaseFaults, ForeignOrigin};

/// Sign out
///
/// Ends the session that the request presents. Without one nothing happens, and the answer is the same.
#[utoipa::path(
    post, path = "/logout", tag = "session",
    responses((status = 204, description = "Nobody is signed in with this session any more"), ForeignOrigin, DatabaseFaults),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_session(
    req: HttpRequest,
    anyone: Anyone,
    app: web::Data<App>,
    occasion: Occasion,
) -> Result<HttpResponse, Problem> {
    if let Some(Presented { user, session_id }) = anyone.0 {
        let end = async |conn: &mut Connection| {
            if session::queries::delete_one(conn, user.id(), session_id).await? {
                event::record(conn, user.id(), EventKind::SignedOut, &occasion).await?;
            }
            Ok(())
        };
        app.db.transaction(end).await?;
    }
    session::sign_out(&req)?;
    Ok(HttpResponse::NoContent().finish())
}
