//! Passwords: what is accepted, how it is stored, and where hashes are computed.
//!
//! If this is wrong, a stolen database gives away passwords, a long password is silently a short one, or a few logins at
//! once stop everything else.

mod engine;
mod ours;
mod hash;
mod queue;
mod workers;
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
    /// Prepared as an `OpaqueString` (RFC 8265, section 4.2): what our scheme hashes.
    normal: String,
    /// What other systems hashed.
    typed: String,
}

impl Password {
    /// A password as it was typed.
    pub fn new(typed: &str) -> Self {
        let normal = typed.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect();
        Self { normal, typed: typed.to_owned() }
    }

    /// An empty password is none: the hash of an empty text, as some systems have for accounts without a password, signs
    /// nobody in.
    fn or_unknown(&self) -> Self {
        if self.typed.is_empty() { Self::new(&uuid::Uuid::new_v4().to_string()) } else { self.clone() }
    }
}

/// Unicode's space separators (`Zs`), which look like a space and are typed by some keyboards.
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
