//! The login manager: sign in, sign out, list. The only place that knows actix-session and actix-identity.
//!
//! A session is an opaque token of 256 random bits. The client has the token, as a cookie or to send as
//! `Authorization: Bearer`; the database has its SHA-256. So the database gives no sessions away, and a session that is
//! deleted there is dead at the next request, on every instance.

mod credentials;
mod origin;
pub mod queries;
mod store;
mod token;

pub use credentials::{LoginManager, Transport, credentials};
pub use origin::Origins;
pub use token::SessionToken;

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::{SessionExt as _, SessionMiddleware};
use actix_web::{FromRequest as _, HttpMessage as _, HttpRequest, web};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::App;
use crate::client::Client;
use crate::config::SessionConfig;
use crate::problem::Problem;
use crate::user::User;

use store::PgSessionStore;

/// Where the loaded session stands in actix-session's state.
const PRESENTED: &str = "vestibule.presented";
/// Where the token of a new session waits until actix-session asks for its key.
const NEW_TOKEN: &str = "vestibule.token";
/// Where actix-identity looks for its user.
const IDENTITY: &str = "actix_identity.user_id";

/// The session that a request presented, and whose it is, as of this request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Presented {
    /// The session.
    pub session_id: Uuid,
    /// Its account.
    pub user: User,
}

/// A session to insert, and to hand over.
#[derive(Debug)]
pub struct NewSession {
    /// Its identity.
    pub id: Uuid,
    /// What the client will present.
    pub token: SessionToken,
    /// When it begins.
    pub created_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// After how many seconds without use it ends.
    pub idle_seconds: i32,
    /// Whether it outlives the browser.
    pub is_remembered: bool,
    /// Where it was begun.
    pub client: Client,
}

impl NewSession {
    /// A new session that begins `now`.
    #[must_use]
    pub fn new(config: &SessionConfig, client: Client, is_remembered: bool, now: DateTime<Utc>) -> Self {
        let (ttl, idle_ttl) = if is_remembered { config.remember_ttl } else { config.ttl };
        Self {
            id: Uuid::now_v7(),
            token: SessionToken::random(),
            created_at: now,
            expires_at: now + ttl,
            idle_seconds: i32::try_from(idle_ttl.as_secs()).unwrap_or(i32::MAX),
            is_remembered,
            client,
        }
    }
}

/// The middleware that finds out who somebody is, for the resources that ask.
#[must_use]
pub fn middleware(app: &App, manager: &LoginManager) -> (IdentityMiddleware, SessionMiddleware<PgSessionStore>) {
    let store = PgSessionStore::new(app.db.clone(), app.clock.clone());
    let session = SessionMiddleware::builder(store, manager.internal_key())
        .cookie_name(credentials::INTERNAL_COOKIE.into())
        .cookie_content_security(actix_session::config::CookieContentSecurity::Signed)
        .build();
    // Deadlines are kept by the store: actix-identity's would write the session at every request.
    (IdentityMiddleware::builder().build(), session)
}

/// Hands a session that was inserted to the client. The one that the request presented dies (no session fixation).
///
/// # Errors
/// None that happens; the state of actix-session can refuse a value.
pub fn sign_in(req: &HttpRequest, user: &User, session: &NewSession, transport: Transport) -> Result<(), Problem> {
    req.get_session().insert(NEW_TOKEN, session.token.reveal()).map_err(Problem::internal)?;
    Identity::login(&req.extensions(), user.id.to_string()).map_err(Problem::internal)?;
    if transport == Transport::Cookie {
        manager(req)?.set_cookie(req, session);
    }
    Ok(())
}

/// Ends the session that the request presented, if any, and takes its cookie back. The database forgets it before the
/// answer leaves.
///
/// # Errors
/// None that happens; the login manager can be missing.
pub fn sign_out(req: &HttpRequest) -> Result<(), Problem> {
    if let Some(identity) = identity(req) {
        identity.logout();
    }
    manager(req)?.remove_cookie(req);
    Ok(())
}

/// The session that the request presented, if it is alive. Its route must be a `session` line of the route table:
/// elsewhere nobody looked, and actix-identity panics.
#[must_use]
pub fn presented(req: &HttpRequest) -> Option<Presented> {
    identity(req)?;
    req.get_session().get(PRESENTED).ok().flatten()
}

/// The handle to sign out with.
fn identity(req: &HttpRequest) -> Option<Identity> {
    Identity::extract(req).now_or_never()?.ok()
}

fn manager(req: &HttpRequest) -> Result<&LoginManager, Problem> {
    let manager = req.app_data::<web::Data<LoginManager>>().ok_or_else(|| Problem::internal("no login manager"))?;
    Ok(manager)
}
