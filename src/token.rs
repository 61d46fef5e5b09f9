//! Tokens: secrets that a client has, and the database only as a hash. A session has one, and so does a registration.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

/// Bytes of a token: four times the 64 bits that OWASP ASVS 5.0 asks of a session's.
const BYTES: usize = 32;

/// 256 random bits, written in base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn random() -> Self {
        let mut bytes = [0; BYTES];
        rand::rng().fill_bytes(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// `None` for a text that is no token of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == BYTES).then(|| Self(text.to_owned()))
    }

    /// The text for the client.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the database keeps. It needs no salt: there is nothing to guess.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_nothing_else_does() {
        let token = Token::random();
        assert_eq!(token.reveal().len(), 43);
        assert_eq!(Token::parse(token.reveal()), Some(token.clone()));
        let longer = format!("{}A", token.reveal());
        for text in ["", "x", &token.reveal()[1..], &longer, &"A".repeat(4096), &"=".repeat(43)] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
        assert_eq!(format!("{token:?}"), "[redacted]");
    }
}
