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
    /// phpass' own: the first byte is the lowest, see [`PHPASS`].
    Phpass,
    /// The same without the last character, which is always `.`: Drupal cuts its hashes.
    Drupal,
}

impl Encoding {
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match (self, self.base64()) {
            (_, Some(base64)) => base64.encode(bytes),
            (Self::Phpass, _) => phpass_encode(bytes),
            (Self::Drupal, _) => {
                let mut text = phpass_encode(bytes);
                text.pop();
                text
            }
            _ => hex::encode(bytes),
        }
    }

    /// `what` names the text in the error.
    pub(crate) fn decode(self, text: &str, what: &'static str) -> Result<Vec<u8>, BadHash> {
        let decoded = match (self, self.base64()) {
            (_, Some(base64)) => base64.decode(text).ok(),
            (Self::Phpass, _) => phpass_decode(text),
            (Self::Drupal, _) => phpass_decode(&format!("{text}.")),
            _ => hex::decode(text).ok(),
        };
        decoded.ok_or(BadHash::Malformed(what))
    }

    fn base64(self) -> Option<GeneralPurpose> {
        match self {
            Self::Hex | Self::Phpass | Self::Drupal => None,
            Self::Base64 => Some(PADDED),
            Self::Phc => Some(UNPADDED),
            Self::Adapted => Some(ADAPTED_UNPADDED),
            Self::Bcrypt => Some(BCRYPT_UNPADDED),
        }
    }
}

/// The characters of phpass, by their value.
const PHPASS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a character of phpass.
pub(crate) fn phpass_value(character: u8) -> Option<u32> {
    PHPASS.iter().position(|known| *known == character).and_then(|value| u32::try_from(value).ok())
}

fn phpass_encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value = chunk.iter().rev().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
        text.extend((0..=chunk.len()).map(|at| char::from(PHPASS[(value >> (6 * at) & 63) as usize])));
    }
    text
}

fn phpass_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let values: Option<Vec<u32>> = chunk.iter().map(|character| phpass_value(*character)).collect();
        let value = values?.iter().rev().fold(0u32, |value, digit| value << 6 | digit);
        let [first, second, third, _] = value.to_le_bytes();
        bytes.extend_from_slice([first, second, third].get(..chunk.len() - 1).filter(|bytes| !bytes.is_empty())?);
    }
    Some(bytes)
}
