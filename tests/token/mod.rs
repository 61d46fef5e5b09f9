//! Access tokens and forward authentication.

mod discovery;
mod issue;
mod keys;
mod rotation;
mod verify;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::support::TestApp;

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub fn header(token: &str) -> Value {
    part(token, 0)
}

pub fn claims(token: &str) -> Value {
    part(token, 1)
}

pub async fn key_set(app: &TestApp) -> JwkSet {
    let keys = app.visitor().get("/.well-known/jwks.json").await.expect(200);
    serde_json::from_slice(&keys.body).unwrap()
}

/// The claims of a token that verifies with this key set, whatever its time and audience.
pub fn verified_with(keys: &JwkSet, token: &str) -> Option<Value> {
    let key = keys.find(header(token)["kid"].as_str()?)?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let verified = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation);
    verified.ok().map(|verified| verified.claims)
}

pub async fn verified(app: &TestApp, token: &str) -> Value {
    verified_with(&key_set(app).await, token).expect("a token of a published key")
}
