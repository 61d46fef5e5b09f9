//! actix-session and actix-identity over PostgreSQL.
//!
//! The operation that signs in inserts the row of a session in its own transaction; `save` only hands the token over.
//! Nothing here updates a row, so a session that was deleted while a request ran cannot come back.

use std::collections::HashMap;

use actix_identity::IdentityMiddleware;
use actix_service::boxed::{self, BoxService};
use actix_service::{Service, Transform};
use actix_session::SessionMiddleware;
use actix_session::config::CookieContentSecurity;
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::cookie::time::Duration;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use anyhow::anyhow;
use futures_util::future::LocalBoxFuture;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::token::Token;

use super::transport::{INTERNAL_COOKIE, refuse_forged, transport};
use super::{CURRENT, CurrentSession, NEW_TOKEN, SessionCookies, store};

/// Where actix-identity looks for its user.
const IDENTITY: &str = "actix_identity.user_id";
/// How the text of an error begins when the database is away: actix-session passes on nothing but the text.
pub(super) const UNAVAILABLE: &str = "unavailable: ";

/// The middleware that looks up the session of a request: ours around actix-session around actix-identity.
#[derive(Clone)]
pub struct Sessions {
    store: PgSessionStore,
    key: Key,
    /// Whether a page of another origin may cause a request with any method.
    serves_every_origin: bool,
}

impl Sessions {
    pub fn new(db: &Db, clock: &Clock, cookies: &SessionCookies) -> Self {
        let store = PgSessionStore { db: db.clone(), clock: clock.clone() };
        Self { store, key: cookies.internal_key(), serves_every_origin: false }
    }

    /// The same for routes that change nothing, whatever the method.
    pub fn of_every_origin(&self) -> Self {
        Self { serves_every_origin: true, ..self.clone() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Sessions
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = BoxService<ServiceRequest, ServiceResponse<B>, Error>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let session = SessionMiddleware::builder(self.store.clone(), self.key.clone())
            .cookie_name(INTERNAL_COOKIE.into())
            .cookie_content_security(CookieContentSecurity::Signed)
            .build();
        // The store keeps the deadlines; actix-identity's would write the session at every request.
        let identity = IdentityMiddleware::builder().build();
        let refuses_forged = !self.serves_every_origin;
        Box::pin(async move {
            let service = identity.new_transform(service).await?;
            let service = session.new_transform(service).await?;
            let service = boxed::service(from_fn(transport).new_transform(service).await?);
            if !refuses_forged {
                return Ok(service);
            }
            Ok(boxed::service(from_fn(refuse_forged).new_transform(service).await?))
        })
    }
}

#[derive(Clone)]
pub struct PgSessionStore {
    db: Db,
    clock: Clock,
}

type State = HashMap<String, String>;

impl SessionStore for PgSessionStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let Some(token) = Token::parse(key.as_ref()) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let found = self.db.run(async |conn| store::find_and_touch(conn, &token, now).await).await;
        let current = found.map_err(|error| LoadError::Other(as_text(error)))?;
        current.map(|current| state(&current)).transpose().map_err(|e| LoadError::Deserialization(e.into()))
    }

    async fn save(&self, mut state: State, _ttl: &Duration) -> Result<SessionKey, SaveError> {
        // Values are JSON; a token has no character that JSON escapes.
        let token = state.remove(NEW_TOKEN).map(|json| json.trim_matches('"').to_owned());
        let token = token.ok_or_else(|| SaveError::Other(anyhow!("sessions begin in session::sign_in only")))?;
        token.try_into().map_err(|error| SaveError::Other(anyhow!("{error}")))
    }

    async fn update(&self, key: SessionKey, _state: State, _ttl: &Duration) -> Result<SessionKey, UpdateError> {
        Ok(key)
    }

    async fn update_ttl(&self, _key: &SessionKey, _ttl: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        let Some(token) = Token::parse(key.as_ref()) else {
            return Ok(());
        };
        self.db.run(async |conn| store::delete(conn, &token).await).await.map(drop).map_err(as_text)
    }
}

fn state(current: &CurrentSession) -> Result<State, serde_json::Error> {
    Ok(HashMap::from([
        (IDENTITY.to_owned(), serde_json::to_string(&current.user.id)?),
        (CURRENT.to_owned(), serde_json::to_string(current)?),
    ]))
}

fn as_text(error: DbError) -> anyhow::Error {
    match error {
        DbError::Unavailable(reason) => anyhow!("{UNAVAILABLE}{reason}"),
        error => anyhow!("{error}"),
    }
}
