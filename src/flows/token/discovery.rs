//! What other services need to verify access tokens: the public keys, and where they are. It answers without the database:
//! when that is away, other services must still be able to verify the tokens that their users have.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CROSS_ORIGIN_RESOURCE_POLICY, ETAG, EntityTag, Header as _, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::ServerErrors;
use crate::problem::Problem;

/// How long verifiers keep an answer, and how long they may use an older one while the service is away.
const CACHE: &str = "public, max-age=300, stale-if-error=86400";

/// The public keys (RFC 7517).
#[derive(ToSchema)]
#[allow(dead_code, reason = "the schema of what jsonwebtoken serialises")]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// A public key (RFC 7518, section 6.2).
#[derive(ToSchema)]
#[allow(dead_code, reason = "the schema of what jsonwebtoken serialises")]
pub struct PublicKey {
    #[schema(pattern = "^EC$", example = "EC")]
    kty: String,
    #[schema(pattern = "^P-256$", example = "P-256")]
    crv: String,
    x: String,
    y: String,
    /// The name of the key: its RFC 7638 thumbprint.
    kid: String,
    #[schema(pattern = "^ES256$", example = "ES256")]
    alg: String,
    #[serde(rename = "use")]
    #[schema(pattern = "^sig$", example = "sig")]
    use_: String,
}

/// Where the keys are, and what is signed with them (RFC 8414). Without OAuth: no authorization endpoint, no grants.
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    #[schema(format = "uri", example = "https://auth.example.com")]
    issuer: String,
    #[schema(format = "uri", example = "https://auth.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    #[schema(format = "uri", example = "https://auth.example.com/token")]
    token_endpoint: String,
    response_types_supported: [&'static str; 0],
    grant_types_supported: [&'static str; 0],
    subject_types_supported: [&'static str; 1],
    /// Verifiers take their list of algorithms from here.
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// Get the public keys
///
/// The keys that verify access tokens. Verifiers keep them for a few minutes; a new key signs only 15 minutes after it
/// appears here.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "token",
    responses((status = 200, description = "The keys", body = KeySet), (status = 304, description = "As you know it"),
              ServerErrors)
)]
pub async fn get_key_set(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    public_document(&req, &app.access_tokens.key_set())
}

/// Describe the issuer, as OpenID Connect names it
///
/// Verifiers that are given an issuer look here for its keys. There are no ID tokens and no authorization endpoint.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "token",
    responses((status = 200, description = "The issuer", body = Metadata), (status = 304, description = "As you know it"),
              ServerErrors)
)]
pub async fn get_openid_configuration(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    public_document(&req, &metadata(&app))
}

/// Describe the issuer, as OAuth names it
///
/// The same document as `/.well-known/openid-configuration` (RFC 8414).
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "token",
    responses((status = 200, description = "The issuer", body = Metadata), (status = 304, description = "As you know it"),
              ServerErrors)
)]
pub async fn get_oauth_metadata(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    public_document(&req, &metadata(&app))
}

fn metadata(app: &App) -> Metadata {
    let issuer = app.access_tokens.config().issuer.clone();
    Metadata {
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        token_endpoint: format!("{issuer}/token"),
        issuer,
        response_types_supported: [],
        grant_types_supported: [],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256"],
    }
}

/// A document that everyone may read and keep.
fn public_document(req: &HttpRequest, document: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(document).map_err(Problem::internal)?;
    let tag = EntityTag::new_strong(hex::encode(&Sha256::digest(&body)[..16]));
    let is_known = match IfNoneMatch::parse(req) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((CACHE_CONTROL, CACHE))
        .insert_header((ETAG, tag.to_string()))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"));
    Ok(if is_known { answer.finish() } else { answer.content_type("application/json").body(body) })
}
