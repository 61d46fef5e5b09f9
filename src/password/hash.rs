//! Stored hashes, and everything in them except the digest: of our scheme, or of the system that an account was imported
//! from.
//!
//! Our scheme is passlib's `$bcrypt-sha256$v=2`: `users.password_hash` alone is enough for passlib to verify a password.
//!
//! A stored hash is its parameters and its digest, one text after the other. So a password is right if two texts are
//! equal, whatever the scheme. The comparison takes constant time: if it took longer the more of them agrees, an attacker
//! could guess hashes.

use std::fmt;

use foreign_hashes::{BadHash, Effort, Setting};
use rand::Rng as _;
use subtle::ConstantTimeEq as _;

use super::Password;
use super::engine::Engine;
use super::ours::{OURS, Ours};

/// Scheme, cost and salt: everything in a stored hash except its digest. All accounts of an address share them.
#[derive(Clone, PartialEq, Eq)]
pub struct HashParameters(Scheme);

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    Ours(Ours),
    Foreign(Setting),
}

impl HashParameters {
    /// Our scheme with a new random salt. `cost` is the base-2 logarithm of bcrypt's rounds; it is brought into 4 to 16.
    pub fn random(cost: u32) -> Self {
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        Self(Scheme::Ours(Ours::new(cost.clamp(4, 16), salt)))
    }

    /// Reads parameters as they were stored.
    ///
    /// # Errors
    /// A [`BadHash`] if the text is of no known scheme, malformed, or too costly.
    pub fn parse(text: &str) -> Result<Self, BadHash> {
        Setting::parse(text).map(Self::from)
    }

    /// The text to store: what passlib calls the setting.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Scheme::Ours(ours) => &ours.text,
            Scheme::Foreign(setting) => setting.as_str(),
        }
    }

    /// Whether a new hash of this cost would have parameters like these. If not, it is time to renew the hash.
    pub fn is_current(&self, cost: u32) -> bool {
        self.as_str().starts_with(&format!("{OURS}t=2b,r={cost}$"))
    }

    fn effort(&self) -> Effort {
        match &self.0 {
            Scheme::Ours(ours) => Effort { algorithm: "bcrypt", amount: ours.cost.into() },
            Scheme::Foreign(setting) => setting.effort(),
        }
    }
}

impl From<Setting> for HashParameters {
    fn from(setting: Setting) -> Self {
        Self(Ours::read(setting.as_str()).map_or(Scheme::Foreign(setting), Scheme::Ours))
    }
}

impl fmt::Debug for HashParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text of a foreign setting can have a pepper in it.
        f.debug_tuple("HashParameters").field(&self.effort()).finish()
    }
}

/// A stored password hash.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash from our database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// Reads a hash that an import brings, and the parameters in it.
    ///
    /// # Errors
    /// A [`BadHash`] if the text is of no known scheme, malformed, or too costly.
    pub fn parse(text: &str) -> Result<(Self, HashParameters), BadHash> {
        let (text, setting) = foreign_hashes::parse_hash(text)?;
        Ok((Self(text), setting.into()))
    }

    /// The parameters in it.
    ///
    /// # Errors
    /// A [`BadHash`], for no hash that is in our database.
    pub fn parameters(&self) -> Result<HashParameters, BadHash> {
        Self::parse(&self.0).map(|(_, parameters)| parameters)
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the hash of the same password under the same parameters. Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The work of one hash, for any thread to do.
pub(super) struct HashInput {
    password: Password,
    parameters: HashParameters,
}

impl HashInput {
    pub(super) fn new(password: &Password, parameters: &HashParameters) -> Self {
        Self { password: password.or_unknown(), parameters: parameters.clone() }
    }

    /// Whether both can be computed at once: in our scheme, with the same cost.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.cost().is_some() && self.cost() == other.cost()
    }

    /// The cost, in our scheme.
    pub(super) fn cost(&self) -> Option<u32> {
        match &self.parameters.0 {
            Scheme::Ours(ours) => Some(ours.cost),
            Scheme::Foreign(_) => None,
        }
    }

    /// The hash of each input, in their order. If there are several, they all fit each other.
    pub(super) fn compute(batch: &[Self], engine: Engine) -> Vec<PasswordHash> {
        let key = |input: &Self| match &input.parameters.0 {
            Scheme::Ours(ours) => Some(ours.key(&input.password)),
            Scheme::Foreign(_) => None,
        };
        let keys: Vec<_> = batch.iter().filter_map(key).collect();
        let cost = batch.first().and_then(Self::cost);
        let mut digests = cost.map(|cost| engine(cost, &keys)).unwrap_or_default().into_iter();
        let hash = |input: &Self| match &input.parameters.0 {
            Scheme::Ours(ours) => digests.next().map(|digest| ours.with_digest(digest)),
            Scheme::Foreign(setting) => Some(setting.hash(&input.password.typed)),
        };
        batch.iter().filter_map(hash).map(PasswordHash).collect()
    }
}

#[cfg(test)]
impl HashParameters {
    /// Parameters that no text can bring: the computation panics.
    pub(super) fn panicking() -> Self {
        Self(Scheme::Ours(Ours::new(32, [0; 16])))
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine;
    use super::*;

    const COMPOSED: &str = "caf\u{e9}";
    const DECOMPOSED: &str = "cafe\u{301}";

    fn hash_under(parameters: &HashParameters, password: &str) -> PasswordHash {
        HashInput::compute(&[HashInput::new(&Password::new(password), parameters)], engine::choose()).swap_remove(0)
    }

    fn hash(password: &str) -> PasswordHash {
        hash_under(&HashParameters(Scheme::Ours(Ours::new(4, *b"0123456789abcdef"))), password)
    }

    #[test]
    fn the_form_is_passlibs() {
        let text = hash("correct horse").as_str().to_owned();
        let (head, rest) = text.split_at("$bcrypt-sha256$v=2,t=2b,r=4$".len());
        assert_eq!(head, "$bcrypt-sha256$v=2,t=2b,r=4$");
        let (salt, digest) = rest.split_once('$').unwrap();
        assert_eq!((salt.len(), digest.len()), (22, 31));
        assert_eq!(foreign_hashes::verify(&text, "correct horse"), Ok(true));
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
        assert!(hash(DECOMPOSED).matches(&hash(COMPOSED)));
    }

    #[test]
    fn all_spaces_are_one_and_case_and_number_count() {
        assert!(hash("a\u{a0}b\u{3000}c\u{2003}d").matches(&hash("a b c d")));
        assert!(
            !hash("a b").matches(&hash("A b"))
                && !hash("a  b").matches(&hash("a b"))
                && !hash("a ").matches(&hash("a"))
        );
    }

    #[test]
    fn an_empty_password_has_no_hash() {
        for setting in ["$bcrypt-sha256$v=2,t=2b,r=4$N9qo8uLOickgx2ZMRZoMye$", "pbkdf2:sha256:1000$2GqTnYvF0kLw8sRz$"] {
            let parameters = HashParameters::parse(setting).unwrap();
            let imported = Setting::parse(setting).unwrap().hash("");
            assert_ne!(hash_under(&parameters, "").as_str(), imported);
        }
    }

    #[test]
    fn an_imported_hash_of_our_form_is_ours_and_any_other_takes_the_password_as_typed() {
        let rest = "2a,r=4$N9qo8uLOickgx2ZMRZoMye$";
        let ours = HashParameters::parse(&format!("{OURS}t={rest}")).unwrap();
        assert!(hash_under(&ours, DECOMPOSED).matches(&hash_under(&ours, COMPOSED)));
        let by_passlib = Setting::parse(ours.as_str()).unwrap();
        assert_eq!(hash_under(&ours, COMPOSED).as_str(), by_passlib.hash(COMPOSED));
        assert_ne!(hash_under(&ours, DECOMPOSED).as_str(), by_passlib.hash(DECOMPOSED));
        for foreign in ["$bcrypt-sha256$2b,4$N9qo8uLOickgx2ZMRZoMye$", "pbkdf2:sha256:1000$2GqTnYvF0kLw8sRz$"] {
            let foreign = HashParameters::parse(foreign).unwrap();
            assert!(!hash_under(&foreign, DECOMPOSED).matches(&hash_under(&foreign, COMPOSED)), "{foreign:?}");
        }
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        assert_eq!(format!("{:?} {:?}", hash("x"), Password::new("x")), "[redacted] [redacted]");
        let shown = format!("{:?}", hash("x").parameters().unwrap());
        assert_eq!(shown, "HashParameters(Effort { algorithm: \"bcrypt\", amount: 4 })");
    }

    #[test]
    fn a_hash_of_ours_is_current_until_the_cost_changes() {
        let parameters = HashParameters::random(10);
        assert!(parameters.is_current(10) && !parameters.is_current(1) && !parameters.is_current(11));
        assert_eq!(hash_under(&parameters, "x").parameters().unwrap(), parameters);
    }
}
