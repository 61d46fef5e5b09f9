//! The signed links and typed codes in mails: made when a mail is sent, stored in no table.
//!
//! A link is a JWT (HS256) bound to one purpose, account and address. If it were read less strictly, a token of another kind,
//! or one for an address that the account no longer has, could confirm an account.

mod code;

pub use code::{CODE_TTL, Code, Codes};

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use strum::IntoStaticStr;
use uuid::Uuid;

use crate::config::KeyRing;
use crate::user::UserId;

const ISSUER: &str = "vestibule";
/// The `typ` of our links (RFC 8725, section 3.11): no other token of ours has it.
const TYPE: &str = "vestibule-link+jwt";
/// Longer than every token of ours: an address has 254 octets at most.
const MAX_LENGTH: usize = 2048;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Purpose {
    /// Confirms the address of a new account.
    ConfirmEmail,
    /// Confirms the new address of an account; refers to the change.
    ChangeEmail,
    /// Undoes a change of address, from the old address; refers to the change.
    UndoEmailChange,
    /// Sets a password; refers to the credential version that it replaces.
    ResetPassword,
}

impl Purpose {
    /// The stable name, also the `aud` of the token.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A link to sign.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    pub purpose: Purpose,
    pub user_id: UserId,
    pub email_canonical: &'a str,
    /// What its purpose refers to.
    pub reference: Option<String>,
    pub ttl: Duration,
}

/// A genuine link.
#[derive(Clone, Debug)]
pub struct Link {
    pub purpose: Purpose,
    pub user_id: UserId,
    pub email_canonical: String,
    /// What its purpose refers to.
    pub reference: Option<String>,
    pub expires_at: DateTime<Utc>,
}

/// Why a token is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not signed by us, or for another purpose.
    #[error("not a link of ours")]
    Invalid,
    #[error("the link has expired")]
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    email: String,
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    iat: i64,
    exp: i64,
}

/// Signs and reads links.
#[derive(Clone)]
pub struct Links {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    /// The codes that stand beside links.
    pub codes: Codes,
}

impl Links {
    /// Links under the keys of `ring`: the first signs, all verify.
    pub fn new(ring: &KeyRing) -> Self {
        let key = |key| derive(key, b"vestibule link v1");
        Self {
            signing: EncodingKey::from_secret(&key(ring.signing())),
            verifying: ring.all().map(|ours| DecodingKey::from_secret(&key(ours))).collect(),
            codes: Codes::new(ring),
        }
    }

    /// Signs a link that is valid from `now` on, and returns its token.
    pub fn sign(&self, link: NewLink<'_>, now: DateTime<Utc>) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.into());
        let claims = Claims {
            iss: ISSUER.into(),
            aud: link.purpose.name().into(),
            sub: link.user_id.0,
            email: link.email_canonical.into(),
            reference: link.reference,
            iat: now.timestamp(),
            exp: now.timestamp() + i64::try_from(link.ttl.as_secs()).unwrap_or(i64::MAX / 2),
        };
        jsonwebtoken::encode(&header, &claims, &self.signing)
    }

    /// Reads a token for one of `purposes`.
    pub fn read(&self, token: &str, purposes: &[Purpose], now: DateTime<Utc>) -> Result<Link, LinkError> {
        let claims = self.verified(token, purposes)?;
        let purpose = purposes.iter().copied().find(|purpose| purpose.name() == claims.aud);
        let purpose = purpose.ok_or(LinkError::Invalid)?;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(LinkError::Invalid)?;
        if expires_at <= now {
            return Err(LinkError::Expired);
        }
        Ok(Link {
            purpose,
            user_id: UserId(claims.sub),
            email_canonical: claims.email,
            reference: claims.reference,
            expires_at,
        })
    }

    fn verified(&self, text: &str, purposes: &[Purpose]) -> Result<Claims, LinkError> {
        let token = &token_in(text);
        if token.len() > MAX_LENGTH {
            return Err(LinkError::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&purposes.iter().map(|purpose| purpose.name()).collect::<Vec<_>>());
        // The library asks the system's clock, with leeway. Both ends are this service, so its own clock counts, exactly.
        validation.validate_exp = false;
        for key in &self.verifying {
            match jsonwebtoken::decode::<Claims>(token, key, &validation) {
                Ok(data) if data.header.typ.as_deref() == Some(TYPE) => return Ok(data.claims),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {}
                _ => return Err(LinkError::Invalid),
            }
        }
        Err(LinkError::Invalid)
    }
}

/// The token in a text, without what stands around it. Mail programs take the `.` or `)` after a link for a part of it, and
/// people copy blanks and line feeds; some clients percent-encode them.
fn token_in(text: &str) -> String {
    // Longer than every token of ours, with all its characters encoded.
    if text.len() > 4 * MAX_LENGTH {
        return String::new();
    }
    let is_of_tokens = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    percent_decode_str(text).decode_utf8_lossy().trim_matches(|c| !is_of_tokens(c)).to_owned()
}

/// A key for one use alone, so that no other use of the secret key can make the same.
fn derive(key: &[u8], label: &[u8]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(label).finalize().into_bytes().into(),
        // HMAC takes keys of every length.
        Err(never) => unreachable!("{never}"),
    }
}

#[cfg(test)]
mod tests;
