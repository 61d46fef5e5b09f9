//! Ours, which is passlib's `$bcrypt-sha256$v=2`: HMAC-SHA-256 keyed with the salt, then bcrypt. And its relatives with
//! SHA-256 alone: passlib's version 1, and Django's `bcrypt_sha256`.
//!
//! bcrypt alone cuts at 72 bytes and repeats a short key, so that `P` and `P\0P` have one hash.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::bcrypt::Bcrypt;
use super::encoding::Encoding;
use super::{BadHash, Effort, Password, Read, Scheme, boxed};

/// How the password is made short.
enum First {
    /// HMAC-SHA-256, keyed with the salt as it is written, in base64: version 2.
    Hmac(String),
    /// SHA-256 in base64: version 1.
    Base64,
    /// SHA-256 in hexadecimal: Django.
    Hex,
}

struct BcryptSha256 {
    first: First,
    bcrypt: Bcrypt,
}

/// The setting of a new hash of ours.
pub fn ours(salt: [u8; 16], cost: u32) -> String {
    format!("$bcrypt-sha256$v=2,t=2b,r={cost}${}$", Encoding::Bcrypt.encode(&salt))
}

/// Whether a setting is ours, with this cost.
pub fn is_ours(setting: &str, cost: u32) -> bool {
    setting.strip_prefix(&format!("$bcrypt-sha256$v=2,t=2b,r={cost}$")).is_some()
}

pub(super) fn read(setting: &str) -> Read {
    if let Some(rest) = setting.strip_prefix("$bcrypt-sha256$") {
        return boxed(passlib(rest));
    }
    let django = setting.strip_prefix("bcrypt_sha256$$2b$")?;
    boxed(Bcrypt::read(django).map(|bcrypt| BcryptSha256 { first: First::Hex, bcrypt }))
}

/// `v=2,t=2b,r=12$<salt>$`, or in version 1 `2b,12$<salt>$`.
fn passlib(rest: &str) -> Result<BcryptSha256, BadHash> {
    let malformed = BadHash::Malformed("not as passlib writes it");
    let [options, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let (first, version, cost) = match *options.split(',').collect::<Vec<_>>() {
        ["v=2", version, cost] => {
            let version = version.strip_prefix("t=").ok_or(malformed)?;
            (First::Hmac(salt.to_owned()), version, cost.strip_prefix("r=").ok_or(malformed)?)
        }
        [version, cost] => (First::Base64, version, cost),
        _ => return Err(malformed),
    };
    if !matches!(version, "2a" | "2b" | "2y") {
        return Err(malformed);
    }
    Ok(BcryptSha256 { first, bcrypt: Bcrypt::new(cost, salt)? })
}

impl Scheme for BcryptSha256 {
    fn compute(&self, password: &Password) -> Option<String> {
        let key = match &self.first {
            First::Hmac(salt) => {
                let mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).ok()?;
                Encoding::Base64.encode(&mac.chain_update(password.normal.as_bytes()).finalize().into_bytes())
            }
            First::Base64 => Encoding::Base64.encode(&Sha256::digest(password.typed.as_bytes())),
            First::Hex => Encoding::Hex.encode(&Sha256::digest(password.typed.as_bytes())),
        };
        self.bcrypt.digest(&key)
    }

    fn canonical(&self, digest: &str) -> Result<String, BadHash> {
        Bcrypt::canonical(digest)
    }

    fn effort(&self) -> Effort {
        self.bcrypt.effort()
    }
}
