//! Usernames, parsed once. They are public, and compared without case.

use std::fmt;

/// A name to sign in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Username(String);

/// Why a text is not a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    #[error("must have 3 to 32 characters")]
    Length,
    #[error("must begin with a letter or digit and have only letters A-Z, digits and . _ - in it")]
    Character,
}

impl Username {
    /// Parses a username: 3 to 32 characters of `A-Z a-z 0-9 . _ -`, the first a letter or digit.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !text.bytes().all(is_allowed) || text.starts_with(['.', '_', '-']) {
            Err(UsernameError::Character)
        } else if !(3..=32).contains(&text.len()) {
            Err(UsernameError::Length)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    pub fn as_typed(&self) -> &str {
        &self.0
    }

    /// In lower case, for comparison.
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_keeps_its_case_and_is_compared_without() {
        let name = Username::parse("Ada.Lovelace").unwrap();
        assert_eq!(name.as_typed(), "Ada.Lovelace");
        assert_eq!(name.canonical(), "ada.lovelace");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["ab", &"a".repeat(33), ""] {
            assert_eq!(Username::parse(text), Err(UsernameError::Length), "{text}");
        }
        for text in [".ada", "-ada", "_ada", "ada lovelace", "ada@x", "adа", "ada\0", "ada\n"] {
            assert_eq!(Username::parse(text), Err(UsernameError::Character), "{text}");
        }
    }
}
