//! Plain bcrypt, `$2a$`, `$2b$` or `$2y$`: Devise, GoTrue, passlib, fastapi-users, bcryptjs; in Django behind `bcrypt$`.
//!
//! It cuts a password at 72 bytes, at home and so also here until the hash is renewed. `P\0P` would have the hash of `P`:
//! a password with NUL matches nothing, as in most of those libraries.

use bcrypt::Version;

use super::encoding::Encoding;
use super::{BadHash, Effort, Password, Read, Scheme, boxed, number};

/// 2^16 rounds: five seconds.
const MAX_COST: u32 = 16;
/// Bytes of a digest.
const DIGEST: usize = 23;

/// Salt and cost of a bcrypt.
pub(super) struct Bcrypt {
    pub(super) salt: [u8; 16],
    pub(super) cost: u32,
}

pub(super) fn read(setting: &str) -> Read {
    let crypt = setting.strip_prefix("bcrypt$").unwrap_or(setting);
    ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| crypt.strip_prefix(version)).map(Bcrypt::read).and_then(boxed)
}

impl Bcrypt {
    /// Reads `<cost>$<salt>`.
    pub(super) fn read(rest: &str) -> Result<Self, BadHash> {
        let (cost, salt) = rest.split_once('$').ok_or(BadHash::Malformed("no salt"))?;
        Self::new(cost, salt)
    }

    pub(super) fn new(cost: &str, salt: &str) -> Result<Self, BadHash> {
        let cost = number(cost)?;
        if cost > MAX_COST {
            return Err(BadHash::TooCostly("a cost above 16"));
        }
        if cost < 4 {
            return Err(BadHash::Malformed("a cost under 4"));
        }
        let salt = Encoding::Bcrypt.decode(salt, "its salt")?;
        let salt = salt.try_into().map_err(|_| BadHash::Malformed("the length of its salt"))?;
        Ok(Self { salt, cost })
    }

    /// The digest, as text, of some bytes without NUL.
    pub(super) fn digest(&self, key: &str) -> Option<String> {
        let parts = bcrypt::hash_with_salt(key, self.cost, self.salt).ok()?;
        // $2b$<cost>$<22 characters of salt><31 of digest>
        let text = parts.format_for_version(Version::TwoB);
        let (_, digest) = text.rsplit_once('$')?.1.split_at_checked(22)?;
        Some(digest.to_owned())
    }

    pub(super) fn canonical(digest: &str) -> Result<String, BadHash> {
        Encoding::Bcrypt.canonical(digest, DIGEST)
    }

    pub(super) fn effort(&self) -> Effort {
        ("bcrypt", self.cost.into())
    }
}

impl Scheme for Bcrypt {
    fn compute(&self, password: &Password) -> Option<String> {
        let digest = self.digest(&password.typed);
        // Only now, so that it takes as long.
        digest.filter(|_| !password.typed.contains('\0'))
    }

    fn canonical(&self, digest: &str) -> Result<String, BadHash> {
        Self::canonical(digest)
    }

    fn effort(&self) -> Effort {
        self.effort()
    }
}
