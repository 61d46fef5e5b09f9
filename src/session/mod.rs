//! Sessions: their rows, how their token travels, and the only code that knows actix-session and actix-identity.
//!
//! A session is an opaque token of 256 random bits. The client holds the token, as a cookie or to send as
//! `Authorization: Bearer`; the database holds its SHA-256. So a copy of the database signs nobody in, and a session whose
//! row is deleted is dead at the next request, on every instance.

mod allowed_origins;
mod middleware;
pub mod store;
mod transport;

pub use allowed_origins::AllowedOrigins;
pub use middleware::Sessions;
pub use store::Session;
pub use transport::{SessionCookies, Transport};

use actix_identity::Identity;
use actix_session::SessionExt as _;
use actix_web::{FromRequest as _, HttpMessage as _, HttpRequest, ResponseError, web};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::SessionConfig;
use crate::request::Client;
use crate::token::Token;
use crate::user::User;

/// Where the loaded session is kept in actix-session's state.
const CURRENT: &str = "vestibule.current";
/// Where the token of a new session waits until actix-session asks for its key.
const NEW_TOKEN: &str = "vestibule.token";

/// The session that a request belongs to, and its account as of this request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CurrentSession {
    pub session_id: Uuid,
    pub signed_in_at: DateTime<Utc>,
    pub user: User,
}

/// Marks a request whose session was looked up.
struct LookedUp;

/// A session to insert, and to hand to the client.
#[derive(Debug)]
pub struct NewSession {
    pub id: Uuid,
    pub token: Token,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    /// The session ends when it is not used for so long.
    pub idle_seconds: i32,
    /// Whether it outlives the browser.
    pub is_remembered: bool,
    pub client: Client,
}

impl NewSession {
    pub fn new(config: &SessionConfig, client: Client, is_remembered: bool, now: DateTime<Utc>) -> Self {
        let (ttl, idle_ttl) = if is_remembered { config.remember_ttl } else { config.ttl };
        Self {
            id: Uuid::now_v7(),
            token: Token::random(),
            created_at: now,
            expires_at: now + ttl,
            idle_seconds: i32::try_from(idle_ttl.as_secs()).unwrap_or(i32::MAX),
            is_remembered,
            client,
        }
    }
}

/// Why a request gets no further, or a session cannot be handed over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("a change by a page of another origin")]
    CrossOrigin,
    /// The database is away.
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Internal(String),
}

/// `http/edge.rs` writes the answer.
impl ResponseError for Error {}

/// How a session may be handed to the client of a request. A session as a cookie is refused to pages of origins that are
/// not allowed: they could sign their visitors in to an account of their own.
#[derive(Clone, Copy, Debug)]
pub struct HandOver(Transport);

impl HandOver {
    /// Decided before the credentials are checked.
    pub fn new(req: &HttpRequest, transport: Transport) -> Result<Self, Error> {
        if transport == Transport::Cookie && !cookies(req)?.may_change(req.headers()) {
            return Err(Error::CrossOrigin);
        }
        Ok(Self(transport))
    }

    /// The way in which the request itself brought its token.
    pub fn like(req: &HttpRequest) -> Self {
        Self(if transport::has_bearer(req.headers()) { Transport::Bearer } else { Transport::Cookie })
    }

    /// The token for the answer, for a client that does not get a cookie.
    pub fn token(self, session: &NewSession) -> Option<String> {
        (self.0 == Transport::Bearer).then(|| session.token.reveal().to_owned())
    }
}

/// Hands a session whose row was inserted to the client. The session that the request belonged to ends, so that nobody can
/// plant one (session fixation).
pub fn sign_in(req: &HttpRequest, user: &User, session: &NewSession, hand_over: HandOver) -> Result<(), Error> {
    req.get_session().insert(NEW_TOKEN, session.token.reveal()).map_err(internal)?;
    Identity::login(&req.extensions(), user.id.to_string()).map_err(internal)?;
    if hand_over.0 == Transport::Cookie {
        cookies(req)?.set(req, session);
    }
    Ok(())
}

/// Hands the new token of the request's session to its client.
pub fn replace_token(req: &HttpRequest, session: &NewSession, hand_over: HandOver) -> Result<(), Error> {
    if hand_over.0 == Transport::Cookie {
        cookies(req)?.set(req, session);
    }
    Ok(())
}

/// Ends the session of the request, if it has one, and removes its cookie. The row is deleted before the answer leaves.
pub fn sign_out(req: &HttpRequest) -> Result<(), Error> {
    if let Some(identity) = identity(req) {
        identity.logout();
    }
    cookies(req)?.remove(req);
    Ok(())
}

/// The session of the request, if it is alive. Without the middleware, nobody looked it up: then nobody gets in.
pub fn current(req: &HttpRequest) -> Result<Option<CurrentSession>, Error> {
    if !req.extensions().contains::<LookedUp>() {
        // Logged here: in an application around this service, nobody else does.
        log::error!(
            "{}: this route is not wrapped with Vestibule::sessions(), so no session was looked up for its guard",
            req.match_pattern().unwrap_or_default()
        );
        return Err(internal("no session was looked up"));
    }
    if identity(req).is_none() {
        return Ok(None);
    }
    Ok(req.get_session().get(CURRENT).ok().flatten())
}

/// Whether the bearer token of a request is a JWT, which no token of a session is.
pub fn sends_jwt(req: &HttpRequest) -> bool {
    transport::bearer_token(req.headers())
        .is_some_and(|token| token.starts_with("eyJ") && token.split('.').count() == 3)
}

fn identity(req: &HttpRequest) -> Option<Identity> {
    Identity::extract(req).now_or_never()?.ok()
}

fn cookies(req: &HttpRequest) -> Result<&SessionCookies, Error> {
    let cookies = req.app_data::<web::Data<SessionCookies>>();
    cookies.map(web::Data::get_ref).ok_or_else(|| internal("a request without session cookies"))
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}
