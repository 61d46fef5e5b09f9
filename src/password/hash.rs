//! The stored form: passlib's `$bcrypt-sha256$v=2`, so that hashes can move in and out.
//!
//! The password goes through HMAC-SHA-256, keyed with the salt, before bcrypt: bcrypt alone cuts at 72 bytes and repeats
//! a short key, so that `P` and `P\0P` have one hash.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use bcrypt::Version;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::Rng as _;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Password;

const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// What a hash depends on besides the password. Shared by all accounts of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashParameters {
    /// The salt of bcrypt, 128 bits.
    pub salt: [u8; 16],
    /// The cost of bcrypt: 2^cost rounds.
    pub cost: u32,
}

impl HashParameters {
    /// A new random salt.
    #[must_use]
    pub fn random(cost: u32) -> Self {
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        Self { salt, cost }
    }
}

/// A stored password hash, `$bcrypt-sha256$v=2,t=2b,r=<cost>$<salt>$<digest>`.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as it was stored.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the hash of one password under the same parameters. Takes the same time wherever they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The work of one hash, ready to be done by any thread.
pub(super) struct HashInput {
    key: String,
    parameters: HashParameters,
}

impl HashInput {
    pub(super) fn new(password: &Password, parameters: HashParameters) -> Self {
        let salt = BCRYPT_BASE64.encode(parameters.salt);
        let key = match Hmac::<Sha256>::new_from_slice(salt.as_bytes()) {
            Ok(mac) => STANDARD.encode(mac.chain_update(password.0.as_bytes()).finalize().into_bytes()),
            // HMAC takes keys of every length.
            Err(never) => unreachable!("{never}"),
        };
        Self { key, parameters }
    }

    pub(super) fn cost(&self) -> u32 {
        self.parameters.cost
    }

    /// Computes the hash: some 2^cost rounds of work. `None` where the cost is none that bcrypt knows.
    pub(super) fn compute(&self) -> Option<PasswordHash> {
        let HashParameters { salt, cost } = self.parameters;
        let parts = bcrypt::hash_with_salt(&self.key, cost, salt).ok()?;
        let bcrypt = parts.format_for_version(Version::TwoB);
        // $2b$<cost>$<22 characters of salt><31 of digest>
        let (salt, digest) = bcrypt.rsplit_once('$')?.1.split_at_checked(22)?;
        Some(PasswordHash(format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str) -> PasswordHash {
        let parameters = HashParameters { salt: *b"0123456789abcdef", cost: 4 };
        HashInput::new(&Password::new(password), parameters).compute().unwrap()
    }

    #[test]
    fn the_form_is_passlibs() {
        let text = hash("correct horse").as_str().to_owned();
        let (head, rest) = text.split_at("$bcrypt-sha256$v=2,t=2b,r=4$".len());
        assert_eq!(head, "$bcrypt-sha256$v=2,t=2b,r=4$");
        let (salt, digest) = rest.split_once('$').unwrap();
        assert_eq!((salt.len(), digest.len()), (22, 31));
    }

    #[test]
    fn every_byte_of_a_password_counts() {
        let long = "a".repeat(72);
        assert!(!hash(&long).matches(&hash(&format!("{long}b"))));
        assert!(!hash("P").matches(&hash("P\0P")));
        assert!(hash("P").matches(&hash("P")));
    }

    #[test]
    fn unicode_spellings_of_a_password_are_one() {
        assert!(hash("cafe\u{301}").matches(&hash("caf\u{e9}")));
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        assert_eq!(format!("{:?} {:?}", hash("x"), Password::new("x")), "[redacted] [redacted]");
    }
}
