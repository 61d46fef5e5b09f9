//! The schemes that stored hashes can have: ours, and those that accounts move in with.
//!
//! Each text is "everything but the digest", which passlib calls the setting, and the digest. If a scheme computed
//! something else than the library it stands for, its people could not sign in; if it took a text for cheaper or
//! dearer than it is, an imported line could stop every login.

mod argon2;
mod bcrypt;
mod bcrypt_sha256;
mod encoding;
mod pbkdf2;
mod scrypt;
mod wrapper;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Password;

pub(super) use bcrypt_sha256::{is_ours, ours};
pub use wrapper::ForeignSecret;

/// The longest setting, and the longest digest: a pepper has its place in it.
const MAX_LENGTH: usize = 1024;
/// Memory of one hash at most.
const MAX_MEMORY: u64 = 256 << 20;
/// Memory times passes over it at most: some seconds of work.
const MAX_MEMORY_TRAFFIC: u64 = 4 << 30;

/// Why a text is no hash that could be compared here. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHash {
    /// No scheme begins like this.
    #[error("is of no known scheme")]
    UnknownScheme,
    /// Django's `!…`, or nothing at all.
    #[error("is a mark for no password")]
    NoPassword,
    /// A scheme that is known, not written as it should be.
    #[error("is malformed: {0}")]
    Malformed(&'static str),
    /// Computing it would take too long or too much memory.
    #[error("asks for too much: {0}")]
    TooCostly(&'static str),
}

/// What takes equally long to compute: the name of the work, and its amount.
pub(super) type Effort = (&'static str, u64);

/// One setting of a family of hashes.
pub(super) trait Scheme: Send + Sync {
    /// Computes the digest of a password, as text. `None` for a password that this scheme can never match.
    fn compute(&self, password: &Password) -> Option<String>;

    /// The one spelling of a digest that [`Scheme::compute`] would give.
    ///
    /// # Errors
    /// [`BadHash::Malformed`].
    fn canonical(&self, digest: &str) -> Result<String, BadHash>;

    /// How much work it is.
    fn effort(&self) -> Effort;
}

/// What a family makes of a setting. `None` where it is another's.
type Read = Option<Result<Arc<dyn Scheme>, BadHash>>;

/// The scheme of a setting.
///
/// # Errors
/// See [`BadHash`].
pub(super) fn read(setting: &str) -> Result<Arc<dyn Scheme>, BadHash> {
    if setting.len() > MAX_LENGTH {
        return Err(BadHash::Malformed("too long"));
    }
    // NUL is nothing that PostgreSQL could store.
    if setting.chars().any(char::is_control) {
        return Err(BadHash::Malformed("a control character"));
    }
    let families = [bcrypt_sha256::read, bcrypt::read, pbkdf2::read, scrypt::read, argon2::read, wrapper::read];
    families.iter().find_map(|read| read(setting)).unwrap_or(Err(BadHash::UnknownScheme))
}

/// A stored hash in its two parts, the digest in its canonical spelling.
///
/// # Errors
/// See [`BadHash`].
pub(super) fn split(text: &str) -> Result<(String, String), BadHash> {
    if text.is_empty() || text.starts_with('!') {
        return Err(BadHash::NoPassword);
    }
    let (setting, digest) = parts(text).ok_or(BadHash::UnknownScheme)?;
    let setting = argon2::with_length(setting, digest);
    let digest = read(&setting)?.canonical(digest)?;
    Ok((setting, digest))
}

/// What is before the digest, as the stored hash has it.
pub(super) fn prefix(setting: &str) -> &str {
    argon2::without_length(setting)
}

/// The digest is what follows the last separator.
fn parts(text: &str) -> Option<(&str, &str)> {
    let end = text.rfind(['$', ':'])? + 1;
    // But for crypt's own bcrypt, where 22 characters of salt stand before it; no base64 and no hex has 53.
    let end = if text.len() - end == 53 { end + 22 } else { end };
    text.split_at_checked(end)
}

/// A number as these texts have it: digits alone.
fn number(text: &str) -> Result<u32, BadHash> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().ok_or(BadHash::Malformed("a number"))
}

fn boxed<S: Scheme + 'static>(scheme: Result<S, BadHash>) -> Read {
    Some(scheme.map(|scheme| Arc::new(scheme) as Arc<dyn Scheme>))
}
