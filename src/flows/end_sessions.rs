//! Signing out elsewhere: one session, or all the others.

use actix_web::{HttpRequest, HttpResponse, web};
use uuid::Uuid;

use crate::app::App;
use crate::client::Occasion;
use crate::event::{self, EventKind};
use crate::guard::Confirmed;
use crate::problem::{Code, Problem};
use crate::session;

use super::responses::{ConfirmedChange, DatabaseFaults, Missing};

/// End all other sessions
#[utoipa::path(
    delete, path = "/sessions", tag = "session",
    responses((status = 204, description = "Only this session is left"), ConfirmedChange, DatabaseFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_other_sessions(
    confirmed: Confirmed,
    app: web::Data<App>,
    occasion: Occasion,
) -> Result<HttpResponse, Problem> {
    let (user_id, keep) = (confirmed.user.id(), confirmed.session_id);
    app.db
        .transaction(async |conn| {
            if session::queries::delete_all(conn, user_id, Some(keep)).await? > 0 {
                event::record(conn, user_id, EventKind::SessionsEnded, &occasion).await?;
            }
            Ok(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End one of one's sessions
///
/// Also the one that asks.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "session",
    params(("id" = Uuid, Path, description = "The identity of the session")),
    responses((status = 204, description = "The session has ended"), ConfirmedChange, Missing, DatabaseFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn end_one_session(
    req: HttpRequest,
    confirmed: Confirmed,
    app: web::Data<App>,
    occasion: Occasion,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::new(Code::NotFound);
    let id: Uuid = id.parse().map_err(|_| missing())?;
    let user_id = confirmed.user.id();
    let ended = app.db.transaction(async |conn| {
        let is_ended = session::queries::delete_one(conn, user_id, id).await?;
        if is_ended {
            event::record(conn, user_id, EventKind::SessionsEnded, &occasion).await?;
        }
        Ok(is_ended)
    });
    if !ended.await? {
        return Err(missing());
    }
    if id == confirmed.session_id {
        session::sign_out(&req)?;
    }
    Ok(HttpResponse::NoContent().finish())
}
