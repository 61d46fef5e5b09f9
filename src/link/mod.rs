//! The signed links of mails: minted when a mail leaves, held by no table.
//!
//! A link is a JWT (HS256) bound to one purpose, account and address. If it were read less strictly than here, a
//! token of another kind, an empty one, or one for an address that the account no longer has could confirm somebody.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::config::KeyRing;
use crate::user::UserId;

const ISSUER: &str = "vestibule";
/// The `typ` of our links (RFC 8725, section 3.11): no other token of ours has it.
const TYPE: &str = "vestibule-link+jwt";
/// No token of ours is longer: an address has 254 octets at most.
const MAX_LENGTH: usize = 2048;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To prove the address of a new account.
    ConfirmEmail,
    /// To prove the address that an account shall have instead; refers to the change.
    ChangeEmail,
    /// To take back a change of address, from the address before; refers to the change.
    UndoEmailChange,
    /// To set a password; refers to the one that it replaces.
    ResetPassword,
}

impl Purpose {
    /// Its stable name, also the `aud` of the token.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::ChangeEmail => "change_email",
            Self::UndoEmailChange => "undo_email_change",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// What a new link says.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// The account.
    pub user_id: UserId,
    /// The canonical address that it is sent to.
    pub email_canonical: &'a str,
    /// What it refers to, where its purpose asks for it.
    pub reference: Option<String>,
    /// How long it lives.
    pub ttl: Duration,
}

/// A genuine link.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it is for.
    pub purpose: Purpose,
    /// The account that it was made for.
    pub user_id: UserId,
    /// The canonical address that it was sent to.
    pub email_canonical: String,
    /// What it refers to, where its purpose asks for it.
    pub reference: Option<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A token that opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not made by us, or for another purpose.
    #[error("not a link of ours")]
    Invalid,
    /// Genuine, but past its time.
    #[error("the link is past its time")]
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

/// Mints and reads links.
#[derive(Clone)]
pub struct Links {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
}

impl Links {
    /// Links under the keys of `ring`: the first signs, all verify.
    pub fn new(ring: &KeyRing) -> Self {
        Self {
            signing: EncodingKey::from_secret(&derive(ring.signing())),
            verifying: ring.all().map(|key| DecodingKey::from_secret(&derive(key))).collect(),
        }
    }

    /// Mints the token of a link that begins `now`.
    pub fn mint(&self, link: NewLink<'_>, now: DateTime<Utc>) -> Result<String, jsonwebtoken::errors::Error> {
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

    /// Reads a token that is for one of `purposes`.
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

    fn verified(&self, token: &str, purposes: &[Purpose]) -> Result<Claims, LinkError> {
        if token.len() > MAX_LENGTH {
            return Err(LinkError::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&purposes.iter().map(|purpose| purpose.name()).collect::<Vec<_>>());
        // The library asks the system's time; ours is the clock of the service, without leeway: both ends are us.
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

/// A key for links alone, so that no other use of the secret key can make one.
fn derive(key: &[u8]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(b"vestibule link v1").finalize().into_bytes().into(),
        // HMAC takes keys of every length.
        Err(never) => unreachable!("{never}"),
    }
}

#[cfg(test)]
mod tests;
