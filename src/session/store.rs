//! The session store of actix-session, over PostgreSQL.
//!
//! The row of a session is inserted by the flow, in its own transaction; `save` only hands the token over. Nothing is
//! ever updated here, so a session that was deleted while a request ran cannot come back.

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;
use anyhow::anyhow;

use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::problem::Problem;

use super::{IDENTITY, NEW_TOKEN, PRESENTED, Presented, SessionToken, queries};

/// Sessions in PostgreSQL.
pub struct PgSessionStore {
    db: Db,
    clock: Clock,
}

type State = HashMap<String, String>;

impl PgSessionStore {
    pub(super) fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    async fn find(&self, token: &SessionToken) -> Result<Option<Presented>, DbError> {
        let now = self.clock.now();
        self.db.run(async |conn| queries::find_and_touch(conn, token, now).await).await
    }
}

impl SessionStore for PgSessionStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let Some(token) = SessionToken::parse(key.as_ref()) else {
            return Ok(None);
        };
        let presented = self.find(&token).await.map_err(|error| LoadError::Other(failure(error)))?;
        presented.map(|presented| state(&presented)).transpose().map_err(|e| LoadError::Deserialization(e.into()))
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
        let Some(token) = SessionToken::parse(key.as_ref()) else {
            return Ok(());
        };
        self.db.run(async |conn| queries::delete(conn, &token).await).await.map_err(failure)?;
        Ok(())
    }
}

fn state(presented: &Presented) -> Result<State, serde_json::Error> {
    Ok(HashMap::from([
        (IDENTITY.to_owned(), serde_json::to_string(&presented.user.id)?),
        (PRESENTED.to_owned(), serde_json::to_string(presented)?),
    ]))
}

/// An error whose text is the code of a [`Problem`] and its cause: the text is all that actix-session passes on.
fn failure(error: DbError) -> anyhow::Error {
    let problem = Problem::from(error);
    anyhow!("{}: {}", problem.code.name(), problem.cause.unwrap_or(problem.detail))
}
