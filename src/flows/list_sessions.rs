//! One's own sessions: where somebody is signed in as me.
//!
//! The first thing behind the guard: an unconfirmed account does not see it.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::guard::Confirmed;
use crate::problem::Problem;
use crate::session::queries::{self, Session};

use super::responses::{DatabaseFaults, NeedsConfirmed};

/// The sessions of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// The newest first.
    sessions: Vec<SessionView>,
}

/// A session, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its identity: a UUIDv7.
    id: Uuid,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    last_seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// Where it was begun.
    #[schema(value_type = String, example = "192.0.2.7")]
    ip: IpAddr,
    /// With what.
    #[schema(required, example = "curl/8.5.0")]
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionView {
    fn new(session: Session, current_id: Uuid) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            ip: session.ip.addr(),
            user_agent: session.user_agent,
            current: session.id == current_id,
        }
    }
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
