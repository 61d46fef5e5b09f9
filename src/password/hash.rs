//! Stored hashes, ours and those that accounts moved in with, and what they depend on besides the password.
//!
//! A stored hash is its parameters and its digest, one text after the other: so whether a password is right is one
//! comparison of two texts, whatever the scheme. If that took longer the more of them agrees, hashes could be guessed.

use std::fmt;
use std::sync::Arc;

use rand::Rng as _;
use subtle::ConstantTimeEq as _;

use super::Password;
use super::scheme::{self, BadHash, Effort, Scheme};

/// Everything of a stored hash but its digest: scheme, cost, salt. Shared by all accounts of an address.
///
/// As text it is what passlib calls the setting, such as `$bcrypt-sha256$v=2,t=2b,r=12$<salt>$`.
#[derive(Clone)]
pub struct HashParameters {
    text: Arc<str>,
    scheme: Arc<dyn Scheme>,
}

impl HashParameters {
    /// Ours, with a new random salt of 128 bits. `cost` is bcrypt's: 2^cost rounds, from 4 to 16; it is brought there.
    #[must_use]
    pub fn random(cost: u32) -> Self {
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        Self::ours(salt, cost)
    }

    fn ours(salt: [u8; 16], cost: u32) -> Self {
        let text = scheme::ours(salt, cost.clamp(4, 16));
        match Self::parse(&text) {
            Ok(parameters) => parameters,
            // 16 bytes and a cost in its bounds are all that can be wrong with it.
            Err(never) => unreachable!("{never}"),
        }
    }

    /// Reads parameters as they were stored.
    ///
    /// # Errors
    /// See [`BadHash`].
    pub fn parse(text: &str) -> Result<Self, BadHash> {
        Ok(Self { text: text.into(), scheme: scheme::read(text)? })
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a new hash of this cost would have such parameters; else it is time to renew it.
    #[must_use]
    pub fn is_current(&self, cost: u32) -> bool {
        scheme::is_ours(&self.text, cost)
    }
}

impl PartialEq for HashParameters {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for HashParameters {}

impl fmt::Debug for HashParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A pepper can be in the text.
        f.debug_tuple("HashParameters").field(&self.scheme.effort()).finish()
    }
}

/// A stored password hash.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as it was stored.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Reads a hash that somebody brings, and the parameters in it.
    ///
    /// # Errors
    /// See [`BadHash`].
    pub fn parse(text: &str) -> Result<(Self, HashParameters), BadHash> {
        let (setting, digest) = scheme::split(text)?;
        let parameters = HashParameters::parse(&setting)?;
        Ok((Self(scheme::prefix(&setting).to_owned() + &digest), parameters))
    }

    /// The parameters in it.
    ///
    /// # Errors
    /// See [`BadHash`]; for no hash that was stored here.
    pub fn parameters(&self) -> Result<HashParameters, BadHash> {
        Self::parse(&self.0).map(|(_, parameters)| parameters)
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
    password: Password,
    parameters: HashParameters,
}

impl HashInput {
    pub(super) fn new(password: &Password, parameters: &HashParameters) -> Self {
        Self { password: password.clone(), parameters: parameters.clone() }
    }

    /// What takes as long.
    pub(super) fn effort(&self) -> Effort {
        self.parameters.scheme.effort()
    }

    /// Computes the hash. A password that the scheme cannot match has one that no stored hash is equal to.
    pub(super) fn compute(&self) -> PasswordHash {
        let digest = self.parameters.scheme.compute(&self.password);
        PasswordHash(scheme::prefix(&self.parameters.text).to_owned() + digest.as_deref().unwrap_or("!"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str) -> PasswordHash {
        let parameters = HashParameters::ours(*b"0123456789abcdef", 4);
        HashInput::new(&Password::new(password), &parameters).compute()
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
        assert_eq!(format!("{:?}", hash("x").parameters().unwrap()), "HashParameters((\"bcrypt\", 4))");
    }

    #[test]
    fn a_hash_of_ours_is_current_until_the_cost_changes() {
        let parameters = HashParameters::random(10);
        assert!(parameters.is_current(10) && !parameters.is_current(1) && !parameters.is_current(11));
        assert_eq!(HashInput::new(&Password::new("x"), &parameters).compute().parameters().unwrap(), parameters);
    }
}
