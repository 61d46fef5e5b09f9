//! Passwords: what is accepted, how it is stored, and where hashes are computed.
//!
//! If this is wrong, a stolen database gives passwords, a long password is silently a short one, or a few logins at
//! once stop everything else.

mod hash;
mod policy;
mod pool;

pub use hash::{HashParameters, PasswordHash};
pub use policy::{NewPassword, PasswordPolicy, WeakPassword};
pub use pool::{HashingPool, QueueFull};

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// A password as somebody presents it, NFC-normalised (NIST SP 800-63B-4, section 3.1.1.2). Not yet judged.
pub struct Password(String);

impl Password {
    /// The password that was typed.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        Self(typed.nfc().collect())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
