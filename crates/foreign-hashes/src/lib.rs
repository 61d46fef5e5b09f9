//! Verifies password hashes that other systems made, so that their users can move to yours and keep their passwords.
//!
//! | system | stored hash | scheme |
//! | --- | --- | --- |
//! | werkzeug (Flask) | `pbkdf2:sha256:…$…`, `pbkdf2:sha1:…`, `pbkdf2:sha512:…` | PBKDF2 |
//! | | `scrypt:32768:8:1$…` | scrypt |
//! | Django | `pbkdf2_sha256$…`, `pbkdf2_sha1$…` | PBKDF2 |
//! | | `scrypt$…` | scrypt |
//! | | `argon2$argon2id$…` | Argon2 |
//! | | `bcrypt_sha256$$2b$…`, `bcrypt$$2b$…` | bcrypt, of a SHA-256 or of the password |
//! | passlib | `$pbkdf2$…`, `$pbkdf2-sha256$…`, `$pbkdf2-sha512$…` | PBKDF2 |
//! | | `$scrypt$…` | scrypt |
//! | | `$argon2id$…`, `$argon2i$…`, `$argon2d$…` | Argon2 |
//! | | `$bcrypt-sha256$v=2,…`, `$bcrypt-sha256$2b,…` | bcrypt of an HMAC-SHA-256 or SHA-256 |
//! | passlib, bcryptjs, GoTrue (Supabase), fastapi-users | `$2a$…`, `$2b$…`, `$2y$…` | bcrypt |
//! | argon2-cffi, fastapi-users | `$argon2id$…`, `$argon2i$…`, `$argon2d$…` | Argon2 |
//! | Flask-Security | passlib's forms, with a [`ForeignSecret`] | |
//! | | the same without a salt, with [`ForeignSecret::FlaskSecuritySingleHash`] | of the password in NFKD |
//! | Devise | `$2a$…`, with a [`ForeignSecret`] if a pepper is set | bcrypt |
//! | better-auth | `<salt>:<key>` in hexadecimal | scrypt |
//! | WordPress | `$P$…`; from 6.8 on `$wp$2y$…` | phpass; bcrypt of an HMAC-SHA-384 |
//! | phpBB, Drupal 7 | `$H$…`, `$S$…` | phpass with MD5, with SHA-512 |
//! | Laravel | `$2y$…` | bcrypt |
//! | Firebase | `$fbscrypt$v=1,n=…,r=…,p=1,ss=…,sk=…$…` | Firebase's scrypt |
//! | ASP.NET Identity 2 and 3 | base64 | PBKDF2 |
//! | Spring Security | `{bcrypt}$2a$…`, `{argon2}…`, `{pbkdf2}…` | bcrypt, Argon2, PBKDF2 |
//! | Keycloak | `keycloak$pbkdf2-sha256$<iterations>$<salt>$<value>` | PBKDF2 |
//!
//! # Example
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use foreign_hashes::{ForeignSecret, parse_hash, verify};
//!
//! let from_werkzeug = "pbkdf2:sha256:1000$2GqTnYvF0kLw8sRz$1596cd299b68b5b7c825e28555dedd354a71a510f52762a64f44d443676772d8";
//! assert!(verify(from_werkzeug, "plum-orbit-kettle-42")?);
//! assert!(!verify(from_werkzeug, "plum-orbit-kettle-43")?);
//!
//! // To hash without the stored digest at hand, keep the setting: scheme, cost and salt.
//! let (stored, setting) = parse_hash(from_werkzeug)?;
//! assert_eq!(setting.as_str(), "pbkdf2:sha256:1000$2GqTnYvF0kLw8sRz$");
//! assert_eq!(setting.hash("plum-orbit-kettle-42"), stored);
//!
//! // Some applications mix a secret into the password.
//! let secret = ForeignSecret::DevisePepper("pepper".to_owned());
//! let from_devise = secret.wrap("$2a$04$N9qo8uLOickgx2ZMRZoMye0000000000000000000000000000000").ok_or("not bcrypt")?;
//! assert!(!verify(&from_devise, "not the password")?);
//! # Ok(())
//! # }
//! ```
//!
//! # What to know
//!
//! - Pass passwords exactly as they were typed. Where a system normalises Unicode, this crate does too.
//! - What a scheme ignores is ignored here: plain bcrypt cuts a password after 72 bytes. A password with a NUL matches no
//!   plain bcrypt hash, as bcrypt would take `P\0P` for `P`.
//! - A hash can take seconds: call [`Setting::hash`] and [`verify`] off your async threads. Hashes that would take more
//!   are refused ([`BadHash::TooCostly`]), so that a line of imported text cannot stop your logins: bcrypt above cost 16,
//!   PBKDF2 above 5,000,000 rounds, phpass above cost 22, scrypt and Argon2 above 256 MiB of memory or 4 GiB of memory traffic.

mod argon2;
mod bcrypt;
mod encoding;
mod firebase;
mod pbkdf2;
mod phpass;
mod rewrite;
mod scrypt;
mod secret;

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;

pub use secret::ForeignSecret;

use encoding::Encoding;

/// The longest setting, with room for a secret.
const MAX_LENGTH: usize = 1024;
const MAX_MEMORY: u64 = 256 << 20;
/// Memory times passes over it: some seconds of work.
const MAX_MEMORY_TRAFFIC: u64 = 4 << 30;

/// Why a text is no hash that can be verified. Its text never repeats the hash, and continues a sentence that begins
/// with the name of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHash {
    /// No known scheme begins like this.
    #[error("is of no known scheme")]
    UnknownScheme,
    /// The account has no usable password: an empty text, or Django's `!…`.
    #[error("is a mark for no password")]
    NoPassword,
    /// The scheme is known, but the text does not have its form.
    #[error("is malformed: {0}")]
    Malformed(&'static str),
    /// Computing it would take too long or too much memory.
    #[error("asks for too much: {0}")]
    TooCostly(&'static str),
}

/// How much work a hash is. Settings with an equal effort take equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// The function that does the work, such as `bcrypt`.
    pub algorithm: &'static str,
    /// Its amount in the unit of the algorithm: bcrypt's cost, PBKDF2's rounds, bytes of memory traffic.
    pub amount: u64,
}

/// Everything in a stored hash except its digest: scheme, cost, salt, and the secret if there is one.
///
/// Cheap to clone. `Debug` shows the effort only, as the text can have a secret in it.
#[derive(Clone)]
pub struct Setting {
    text: Arc<str>,
    scheme: Arc<dyn Scheme>,
}

impl Setting {
    /// Reads the text of a setting, as [`Setting::as_str`] gives it.
    ///
    /// # Errors
    /// A [`BadHash`] if the text is not a setting, or one that is too costly.
    pub fn parse(text: &str) -> Result<Self, BadHash> {
        Ok(Self { text: text.into(), scheme: read(text)? })
    }

    /// What passlib calls the setting, such as `$2b$12$<salt>`.
    ///
    /// Where it does not determine the length of the digest (Argon2), a suffix such as `~16` gives it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How much work [`Setting::hash`] is.
    pub fn effort(&self) -> Effort {
        self.scheme.effort()
    }

    /// The complete stored hash of a password. Compare it in constant time with the hash that [`parse_hash`] gave.
    ///
    /// For a password that this scheme can never match, it is a text that no stored hash is equal to.
    pub fn hash(&self, typed_password: &str) -> String {
        let (encoding, _) = self.scheme.digest_form();
        let digest = self.scheme.compute(typed_password).map(|digest| encoding.encode(&digest));
        argon2::without_length(&self.text).to_owned() + digest.as_deref().unwrap_or("!")
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Setting {}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setting").field(&self.effort()).finish()
    }
}

/// Reads a stored hash. Gives it in its canonical spelling, which is that of [`Setting::hash`], with its setting.
///
/// # Errors
/// A [`BadHash`] if the text is no hash that can be verified.
pub fn parse_hash(text: &str) -> Result<(String, Setting), BadHash> {
    if text.is_empty() || text.starts_with('!') {
        return Err(BadHash::NoPassword);
    }
    let text = &*rewrite::rewrite(text)?;
    let (prefix, digest) = split(text).ok_or(BadHash::UnknownScheme)?;
    let setting = Setting::parse(&argon2::with_length(prefix, digest))?;
    let (encoding, length) = setting.scheme.digest_form();
    let digest = encoding.decode(digest, "its digest")?;
    if digest.len() != length {
        return Err(BadHash::Malformed("the length of its digest"));
    }
    let canonical = argon2::without_length(&setting.text).to_owned() + &encoding.encode(&digest);
    Ok((canonical, setting))
}

/// Whether a stored hash is that of a password. Compares in constant time.
///
/// # Errors
/// A [`BadHash`] if the text is no hash that can be verified.
pub fn verify(stored_hash: &str, typed_password: &str) -> Result<bool, BadHash> {
    let (stored, setting) = parse_hash(stored_hash)?;
    Ok(setting.hash(typed_password).as_bytes().ct_eq(stored.as_bytes()).into())
}

/// One setting of a family of hashes.
trait Scheme: Send + Sync {
    /// The digest of a password, `None` if this scheme can never match it.
    fn compute(&self, password: &str) -> Option<Vec<u8>>;

    /// How the digest is written, and how many bytes it has.
    fn digest_form(&self) -> (Encoding, usize);

    fn effort(&self) -> Effort;
}

/// What a family makes of a setting. `None` if it belongs to another family.
type Read = Option<Result<Arc<dyn Scheme>, BadHash>>;

fn read(setting: &str) -> Result<Arc<dyn Scheme>, BadHash> {
    if setting.len() > MAX_LENGTH {
        return Err(BadHash::Malformed("too long"));
    }
    // No system writes them, and PostgreSQL cannot store a NUL.
    if setting.chars().any(char::is_control) {
        return Err(BadHash::Malformed("a control character"));
    }
    let families = [bcrypt::read, pbkdf2::read, scrypt::read, argon2::read, secret::read, phpass::read, firebase::read];
    families.iter().find_map(|read| read(setting)).unwrap_or(Err(BadHash::UnknownScheme))
}

fn boxed<S: Scheme + 'static>(scheme: Result<S, BadHash>) -> Read {
    Some(scheme.map(|scheme| Arc::new(scheme) as Arc<dyn Scheme>))
}

/// Splits a stored hash before its digest, which follows the last separator.
fn split(text: &str) -> Option<(&str, &str)> {
    if let Some(parts) = phpass::split(text) {
        return Some(parts);
    }
    let end = text.rfind(['$', ':'])? + 1;
    // Plain bcrypt has no separator between 22 characters of salt and 31 of digest. No base64 and no hex has 53 characters.
    let end = if text.len() - end == 53 { end + 22 } else { end };
    text.split_at_checked(end)
}

/// Digits only: `parse` alone would take `+2`.
fn number(text: &str) -> Result<u32, BadHash> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().ok_or(BadHash::Malformed("a number"))
}
