//! Passwords: what is accepted, how it is stored, and where hashes are computed.
//!
//! If this is wrong, a stolen database gives passwords, a long password is silently a short one, or a few logins at
//! once stop everything else.

mod guess;
mod hash;
mod policy;
mod pool;
mod scheme;

pub use hash::{HashParameters, PasswordHash};
pub use policy::{NewPassword, PasswordPolicy, WeakPassword};
pub use pool::{HashPermit, Hasher, QueueFull};
pub use scheme::{BadHash, ForeignSecret};

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// A password as somebody presents it. Not yet judged.
#[derive(Clone)]
pub struct Password {
    /// NFC-normalised (NIST SP 800-63B-4, section 3.1.1.2): what we hash.
    normal: String,
    /// As it was typed: what others hashed.
    typed: String,
}

impl Password {
    /// The password that was typed.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        Self { normal: typed.nfc().collect(), typed: typed.to_owned() }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
