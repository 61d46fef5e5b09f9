//! Access tokens: short-lived JWTs that other services verify by themselves, with keys that they fetch from here.
//!
//! A token is signed with ES256, which every common verifier knows. A new key signs only after it was published for a
//! while: a verifier that still has an older key set would refuse its tokens.

mod key;
mod published;

pub use key::{AccessKey, KeyError};
pub use published::{Publication, publications, signing_key};

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::config::{AccessClaim, AccessConfig, KeyRing};
use crate::db::{Db, DbError};
use crate::user::User;

/// How the users of sessions signed in (RFC 8176): with a password.
const METHODS: [&str; 1] = ["pwd"];

/// Issues access tokens. Clones share the keys.
#[derive(Clone)]
pub struct AccessTokens {
    config: AccessConfig,
    keys: Arc<[AccessKey]>,
    /// Since when the keys are published, in their order; read once, because that does not change.
    published: Arc<OnceCell<Vec<DateTime<Utc>>>>,
}

/// Whom a token is about: the user of a session.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub user: &'a User,
    pub session_id: Uuid,
    pub signed_in_at: DateTime<Utc>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error("an access token cannot be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Names: RFC 9068, section 2.2; `sid` as in OpenID Connect.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: Audience<'a>,
    sub: Uuid,
    client_id: &'a str,
    iat: i64,
    exp: i64,
    jti: Uuid,
    auth_time: i64,
    amr: [&'static str; 1],
    sid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

/// Verifiers expect a text, and a list only where there are several (RFC 7519, section 4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
enum Audience<'a> {
    One(&'a str),
    Several(&'a [String]),
}

impl AccessTokens {
    /// Tokens under keys derived from `ring`.
    pub fn new(ring: &KeyRing, config: &AccessConfig) -> Result<Self, KeyError> {
        Ok(Self { config: config.clone(), keys: AccessKey::all(ring)?.into(), published: Arc::default() })
    }

    pub fn config(&self) -> &AccessConfig {
        &self.config
    }

    /// In the order of the ring.
    pub fn keys(&self) -> &[AccessKey] {
        &self.keys
    }

    /// What verifiers fetch: the public keys of the whole ring.
    pub fn key_set(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.public.clone()).collect() }
    }

    /// Records that the keys are published from now on, if nobody did. From then on their age counts.
    pub async fn publish(&self, db: &Db, now: DateTime<Utc>) -> Result<&[DateTime<Utc>], DbError> {
        let kids = || self.keys.iter().map(|key| key.kid.as_str()).collect();
        self.published.get_or_try_init(async || published::publish(db, kids(), now).await).await.map(Vec::as_slice)
    }

    /// A token that is valid for `ttl` from `now` on.
    pub async fn issue(
        &self,
        db: &Db,
        subject: Subject<'_>,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<String, Error> {
        let published = self.publish(db, now).await?;
        let signing = published::signing_key(published, now);
        // The ring is never empty.
        let Some(key) = self.keys.get(signing) else { unreachable!("a ring without keys") };
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(self.config.token_type.name().to_owned());
        header.kid = Some(key.kid.clone());
        Ok(jsonwebtoken::encode(&header, &self.claims(subject, ttl, now), &key.private)?)
    }

    fn claims<'a>(&'a self, subject: Subject<'a>, ttl: Duration, now: DateTime<Utc>) -> Claims<'a> {
        let AccessConfig { issuer, audience, client_id, claims, .. } = &self.config;
        let Subject { user, session_id, signed_in_at } = subject;
        Claims {
            iss: issuer,
            aud: if let [one] = audience.as_slice() { Audience::One(one) } else { Audience::Several(audience) },
            sub: user.id,
            client_id,
            iat: now.timestamp(),
            exp: now.timestamp() + i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX / 2),
            jti: Uuid::now_v7(),
            auth_time: signed_in_at.timestamp(),
            amr: METHODS,
            sid: session_id,
            email: claims.contains(&AccessClaim::Email).then_some(user.email.as_str()),
            username: user.username.as_deref().filter(|_| claims.contains(&AccessClaim::Username)),
        }
    }
}
