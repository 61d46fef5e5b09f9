//! Passwords: what is accepted, how it is stored, and where hashes are computed.
//!
//! If this is wrong, a stolen database gives away passwords, a long password is silently a short one, or a few logins at
//! once stop everything else.

mod hash;
mod hasher;
mod policy;

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

pub use foreign_hashes::{BadHash, ForeignSecret};
pub use hash::{HashParameters, PasswordHash};
pub use hasher::{HashPermit, Hasher, QueueFull};
pub use policy::{NewPassword, PasswordPolicy, WeakPassword};

/// A password that a caller presents, not judged by the policy.
#[derive(Clone)]
pub struct Password {
    /// NFC (NIST SP 800-63B-4, section 3.1.1.2): what our scheme hashes.
    normal: String,
    /// What other systems hashed.
    typed: String,
}

impl Password {
    /// A password as it was typed.
    pub fn new(typed: &str) -> Self {
        Self { normal: typed.nfc().collect(), typed: typed.to_owned() }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
