//! actix-session and actix-identity over PostgreSQL.
//!
//! The operation that signs in inserts the row of a session in its own transaction; `save` only hands the token over.
//! Nothing here updates a row, so a session that was deleted while a request ran cannot come back.

use std::collections::HashMap;

use actix_identity::IdentityMiddleware;
use actix_session::SessionMiddleware;
use actix_session::config::CookieContentSecurity;
use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;
use anyhow::anyhow;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::token::Token;

use super::transport::INTERNAL_COOKIE;
use super::{CURRENT, CurrentSession, NEW_TOKEN, SessionCookies, store};

/// Where actix-identity looks for its user.
const IDENTITY: &str = "actix_identity.user_id";
/// How the text of an error begins when the database is away: actix-session passes on nothing but the text.
pub(super) const UNAVAILABLE: &str = "unavailable: ";

/// The middleware that looks a session up, for the resources that ask for one.
pub fn middleware(
    db: &Db,
    clock: &Clock,
    cookies: &SessionCookies,
) -> (IdentityMiddleware, SessionMiddleware<PgSessionStore>) {
    let store = PgSessionStore { db: db.clone(), clock: clock.clone() };
    let session = SessionMiddleware::builder(store, cookies.internal_key())
        .cookie_name(INTERNAL_COOKIE.into())
        .cookie_content_security(CookieContentSecurity::Signed)
        .build();
    // The store keeps the deadlines; actix-identity's would write the session at every request.
    (IdentityMiddleware::builder().build(), session)
}

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
