//! Where a user is signed in.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{DatabaseErrors, NeedsConfirmed};
use crate::flows::views::SessionView;
use crate::http::extract::Confirmed;
use crate::problem::Problem;

/// The sessions of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The newest first.
    sessions: Vec<SessionView>,
}

/// List your sessions
///
/// The sessions of the account that have not ended.
#[utoipa::path(
    get, path = "/sessions", tag = "session",
    responses((status = 200, description = "The sessions", body = SessionList), NeedsConfirmed, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn list_sessions(confirmed: Confirmed, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let sessions = app.accounts.list_sessions(confirmed.user.id()).await?;
    let sessions = sessions.into_iter().map(|session| SessionView::new(session, confirmed.session_id)).collect();
    Ok(HttpResponse::Ok().json(SessionList { sessions }))
}
