//! The ways in which digests and salts are written.
//!
//! A digest has exactly one spelling here. Hashes are compared as texts, so a digest that another system wrote in a
//! second spelling would never match.

use base64::Engine as _;
use base64::alphabet::{Alphabet, BCRYPT, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::BadHash;

/// passlib's "adapted base64": `.` instead of `+`.
const ADAPTED: Alphabet = match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
    Ok(alphabet) => alphabet,
    Err(_) => STANDARD,
};

/// Reads text with unused bits set at its end, and with or without padding: other systems have written both.
const fn lenient(is_padded: bool) -> GeneralPurposeConfig {
    GeneralPurposeConfig::new()
        .with_encode_padding(is_padded)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
}

const PADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, lenient(true));
const UNPADDED: GeneralPurpose = GeneralPurpose::new(&STANDARD, lenient(false));
const ADAPTED_UNPADDED: GeneralPurpose = GeneralPurpose::new(&ADAPTED, lenient(false));
const BCRYPT_UNPADDED: GeneralPurpose = GeneralPurpose::new(&BCRYPT, lenient(false));

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Lower case; upper case is read too.
    Hex,
    /// RFC 4648 with padding: Django.
    Base64,
    /// RFC 4648 without padding: the PHC string format.
    Phc,
    /// passlib's own.
    Adapted,
    /// bcrypt's own.
    Bcrypt,
}

impl Encoding {
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self.base64() {
            Some(base64) => base64.encode(bytes),
            None => hex::encode(bytes),
        }
    }

    /// `what` names the text in the error.
    pub(crate) fn decode(self, text: &str, what: &'static str) -> Result<Vec<u8>, BadHash> {
        let decoded = match self.base64() {
            Some(base64) => base64.decode(text).ok(),
            None => hex::decode(text).ok(),
        };
        decoded.ok_or(BadHash::Malformed(what))
    }

    fn base64(self) -> Option<GeneralPurpose> {
        match self {
            Self::Hex => None,
            Self::Base64 => Some(PADDED),
            Self::Phc => Some(UNPADDED),
            Self::Adapted => Some(ADAPTED_UNPADDED),
            Self::Bcrypt => Some(BCRYPT_UNPADDED),
        }
    }
}
