//! The signed links of letters: minted when a letter leaves, held by no table.
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
}

impl Purpose {
    /// Its stable name, also the `aud` of the token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
        }
    }
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
    #[must_use]
    pub fn new(ring: &KeyRing) -> Self {
        Self {
            signing: EncodingKey::from_secret(&derive(ring.signing())),
            verifying: ring.all().map(|key| DecodingKey::from_secret(&derive(key))).collect(),
        }
    }

    /// Mints the token of a link that ends `ttl` after `now`.
    ///
    /// # Errors
    /// None that happens with HS256; the library has one.
    pub fn mint(
        &self,
        purpose: Purpose,
        user_id: UserId,
        email_canonical: &str,
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.into());
        let claims = Claims {
            iss: ISSUER.into(),
            aud: purpose.name().into(),
            sub: user_id.0,
            email: email_canonical.into(),
            iat: now.timestamp(),
            exp: now.timestamp() + i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX / 2),
        };
        jsonwebtoken::encode(&header, &claims, &self.signing)
    }

    /// Reads a token that is for `purpose`.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn read(&self, token: &str, purpose: Purpose, now: DateTime<Utc>) -> Result<Link, LinkError> {
        let claims = self.verified(token, purpose)?;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(LinkError::Invalid)?;
        if expires_at <= now {
            return Err(LinkError::Expired);
        }
        Ok(Link { purpose, user_id: UserId(claims.sub), email_canonical: claims.email, expires_at })
    }

    fn verified(&self, token: &str, purpose: Purpose) -> Result<Claims, LinkError> {
        if token.len() > MAX_LENGTH {
            return Err(LinkError::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[purpose.name()]);
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
mod tests {
    use super::*;
    use crate::config::key_ring;

    const HOUR: Duration = Duration::from_secs(3600);

    fn links(keys: &str) -> Links {
        Links::new(&key_ring(keys).unwrap())
    }

    fn key(byte: &str) -> String {
        byte.repeat(32)
    }

    fn mint(links: &Links, now: DateTime<Utc>) -> String {
        links.mint(Purpose::ConfirmEmail, UserId::new(), "ada@example.com", now, HOUR).unwrap()
    }

    fn read(links: &Links, token: &str, now: DateTime<Utc>) -> Result<Link, LinkError> {
        links.read(token, Purpose::ConfirmEmail, now)
    }

    #[test]
    fn a_link_says_what_it_was_minted_for_until_it_expires() {
        let (links, now) = (links(&key("ab")), Utc::now());
        let token = mint(&links, now);
        assert_eq!(read(&links, &token, now).unwrap().email_canonical, "ada@example.com");
        assert!(read(&links, &token, now + chrono::Duration::seconds(3598)).is_ok());
        assert_eq!(read(&links, &token, now + chrono::Duration::seconds(3601)).unwrap_err(), LinkError::Expired);
    }

    #[test]
    fn every_changed_character_makes_it_invalid() {
        let (links, now) = (links(&key("ab")), Utc::now());
        let token = mint(&links, now);
        for at in 0..token.len() {
            let other = if &token[at..=at] == "A" { "B" } else { "A" };
            let tampered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            assert_eq!(read(&links, &tampered, now).unwrap_err(), LinkError::Invalid, "at {at}");
        }
        for tampered in ["", ".", "..", &token[1..], &format!("{token}A"), &format!("{token}{token}")] {
            assert_eq!(read(&links, tampered, now).unwrap_err(), LinkError::Invalid);
        }
    }

    #[test]
    fn an_earlier_key_still_verifies_and_a_foreign_one_does_not() {
        let now = Utc::now();
        let token = mint(&links(&key("ab")), now);
        assert!(read(&links(&format!("{},{}", key("cd"), key("ab"))), &token, now).is_ok());
        assert_eq!(read(&links(&key("cd")), &token, now).unwrap_err(), LinkError::Invalid);
    }

    #[test]
    fn a_token_of_another_kind_is_no_link() {
        let (links, now) = (links(&key("ab")), Utc::now());
        let claims = |aud: &str| Claims {
            iss: ISSUER.into(),
            aud: aud.into(),
            sub: Uuid::now_v7(),
            email: "ada@example.com".into(),
            iat: now.timestamp(),
            exp: now.timestamp() + 60,
        };
        let mint = |algorithm, typ: &str, aud: &str| {
            let mut header = Header::new(algorithm);
            header.typ = Some(typ.into());
            jsonwebtoken::encode(&header, &claims(aud), &links.signing).unwrap()
        };
        assert!(read(&links, &mint(Algorithm::HS256, TYPE, "confirm_email"), now).is_ok());
        for token in [
            mint(Algorithm::HS256, "JWT", "confirm_email"),
            mint(Algorithm::HS256, TYPE, "reset_password"),
            mint(Algorithm::HS512, TYPE, "confirm_email"),
        ] {
            assert_eq!(read(&links, &token, now).unwrap_err(), LinkError::Invalid);
        }
    }

    #[test]
    fn an_unsigned_token_is_no_link() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let (links, now) = (links(&key("ab")), Utc::now());
        let token = mint(&links, now);
        let claims = token.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"{TYPE}"}}"#));
        for signature in ["", "A"] {
            let forged = format!("{header}.{claims}.{signature}");
            assert_eq!(read(&links, &forged, now).unwrap_err(), LinkError::Invalid);
        }
    }
}
