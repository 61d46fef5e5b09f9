//! bcrypt of the password, and bcrypt of a shorter key that is made from the password.
//!
//! | text | key |
//! | --- | --- |
//! | `$2b$12$…`, also `2a` and `2y`, also behind Django's `bcrypt$` | the password |
//! | `$bcrypt-sha256$v=2,t=2b,r=12$…` (passlib 1.7.3 and later) | HMAC-SHA-256 with the salt as its key |
//! | `$bcrypt-sha256$2b,12$…` (passlib before that) | SHA-256 in base64 |
//! | `bcrypt_sha256$$2b$12$…` (Django) | SHA-256 in hexadecimal |
//! | `$wp$2y$10$…` (WordPress 6.8 and later) | HMAC-SHA-384 of the trimmed password, with the key `wp-sha384` |

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha384};

use crate::encoding::Encoding;
use crate::phpass::trimmed_as_by_php;
use crate::{BadHash, Effort, Read, Scheme, boxed, number};

/// 2^16 rounds: five seconds.
const MAX_COST: u32 = 16;
/// bcrypt ignores what follows in its key.
const KEY_BYTES: usize = 72;
const DIGEST_BYTES: usize = 23;

struct Bcrypt {
    key: Key,
    cost: u32,
    salt: [u8; 16],
}

enum Key {
    Password,
    /// The key of the HMAC is the salt as it is written.
    HmacSha256(String),
    Sha256(Encoding),
    WordPress,
}

pub(crate) fn read(setting: &str) -> Read {
    if let Some(rest) = setting.strip_prefix("$bcrypt-sha256$") {
        return boxed(passlib_sha256(rest));
    }
    if let Some(rest) = setting.strip_prefix("bcrypt_sha256$$2b$") {
        return boxed(crypt(Key::Sha256(Encoding::Hex), rest));
    }
    if let Some(rest) = setting.strip_prefix("$wp$2y$") {
        return boxed(crypt(Key::WordPress, rest));
    }
    let setting = setting.strip_prefix("bcrypt$").unwrap_or(setting);
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| setting.strip_prefix(version))?;
    boxed(crypt(Key::Password, rest))
}

/// `12$<salt>`
fn crypt(key: Key, rest: &str) -> Result<Bcrypt, BadHash> {
    let (cost, salt) = rest.split_once('$').ok_or(BadHash::Malformed("no salt"))?;
    Bcrypt::new(key, cost, salt)
}

/// `v=2,t=2b,r=12$<salt>$`, or in version 1 `2b,12$<salt>$`.
fn passlib_sha256(rest: &str) -> Result<Bcrypt, BadHash> {
    let malformed = BadHash::Malformed("not as passlib writes it");
    let [options, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let (key, version, cost) = match *options.split(',').collect::<Vec<_>>() {
        ["v=2", version, cost] => {
            let version = version.strip_prefix("t=").ok_or(malformed)?;
            (Key::HmacSha256(salt.to_owned()), version, cost.strip_prefix("r=").ok_or(malformed)?)
        }
        [version, cost] => (Key::Sha256(Encoding::Base64), version, cost),
        _ => return Err(malformed),
    };
    if !matches!(version, "2a" | "2b" | "2y") {
        return Err(malformed);
    }
    Bcrypt::new(key, cost, salt)
}

impl Bcrypt {
    fn new(key: Key, cost: &str, salt: &str) -> Result<Self, BadHash> {
        let cost = number(cost)?;
        if cost > MAX_COST {
            return Err(BadHash::TooCostly("a cost above 16"));
        }
        if cost < 4 {
            return Err(BadHash::Malformed("a cost under 4"));
        }
        let salt = Encoding::Bcrypt.decode(salt, "its salt")?;
        let salt = salt.try_into().map_err(|_| BadHash::Malformed("the length of its salt"))?;
        Ok(Self { key, cost, salt })
    }
}

impl Scheme for Bcrypt {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let mut key = match &self.key {
            Key::Password => password.to_owned(),
            Key::HmacSha256(salt) => {
                let mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).ok()?;
                Encoding::Base64.encode(&mac.chain_update(password).finalize().into_bytes())
            }
            Key::WordPress => {
                let mac = Hmac::<Sha384>::new_from_slice(b"wp-sha384").ok()?;
                let mac = mac.chain_update(trimmed_as_by_php(password));
                Encoding::Base64.encode(&mac.finalize().into_bytes())
            }
            Key::Sha256(encoding) => encoding.encode(&Sha256::digest(password)),
        }
        .into_bytes();
        // bcrypt repeats a short key, with a NUL at its end: `P\0P` would have the hash of `P`.
        let has_nul = key.contains(&0);
        key.push(0);
        key.truncate(KEY_BYTES);
        let digest = bcrypt::bcrypt(self.cost, self.salt, &key);
        // Refused only after the work, so that the time does not depend on the password.
        (!has_nul).then(|| digest[..DIGEST_BYTES].to_vec())
    }

    fn digest_form(&self) -> (Encoding, usize) {
        (Encoding::Bcrypt, DIGEST_BYTES)
    }

    fn effort(&self) -> Effort {
        Effort { algorithm: "bcrypt", amount: self.cost.into() }
    }
}
