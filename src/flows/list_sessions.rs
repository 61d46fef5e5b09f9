//! One's own sessions: where somebody is signed in as me.
//!
//! The first thing behind the guard: an unconfirmed account does not see it.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::guard::Confirmed;
use crate::problem::Problem;
use crate::session::queries;

use super::answers::SessionView;
use super::responses::{DatabaseFaults, NeedsConfirmed};

/// The sessions of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The newest first.
    sessions: Vec<SessionView>,
}

/// List one's sessions
///
/// The sessions of the account that have not ended.
#[utoipa::path(
    get, path = "/sessions", tag = "session",
    responses((status = 200, description = "The sessions", body = SessionList), NeedsConfirmed, DatabaseFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn list_sessions(confirmed: Confirmed, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let (user_id, now) = (confirmed.user.id(), app.clock.now());
    let sessions = app.db.run(async |conn| queries::list(conn, user_id, now).await).await?;
    let sessions = sessions.into_iter().map(|session| SessionView::new(session, confirmed.session_id)).collect();
    Ok(HttpResponse::Ok().json(SessionList { sessions }))
}
