//! The ways in which digests and salts are written.
//!
//! A digest has exactly one spelling here: hashes are compared as texts, and one that was written in another spelling
//! elsewhere would never match.

use base64::Engine as _;
use base64::alphabet::{Alphabet, BCRYPT, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::BadHash;

/// passlib's "adapted base64": `.` where others have `+`.
const ADAPTED: Alphabet = match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
    Ok(alphabet) => alphabet,
    Err(_) => STANDARD,
};

/// What others wrote can have bits set behind its end, and padding or not.
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

/// How bytes are written as text.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    /// Lower case.
    Hex,
    /// RFC 4648, with padding: Django.
    Base64,
    /// RFC 4648, without: the PHC string format.
    Phc,
    /// passlib's own.
    Adapted,
    /// bcrypt's own.
    Bcrypt,
}

impl Encoding {
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Base64 => PADDED.encode(bytes),
            Self::Phc => UNPADDED.encode(bytes),
            Self::Adapted => ADAPTED_UNPADDED.encode(bytes),
            Self::Bcrypt => BCRYPT_UNPADDED.encode(bytes),
        }
    }

    /// Reads bytes; of a digest or a salt, as `what` says.
    ///
    /// # Errors
    /// [`BadHash::Malformed`], with `what`.
    pub(super) fn decode(self, text: &str, what: &'static str) -> Result<Vec<u8>, BadHash> {
        let decoded = match self {
            Self::Hex => hex(text),
            Self::Base64 => PADDED.decode(text).ok(),
            Self::Phc => UNPADDED.decode(text).ok(),
            Self::Adapted => ADAPTED_UNPADDED.decode(text).ok(),
            Self::Bcrypt => BCRYPT_UNPADDED.decode(text).ok(),
        };
        decoded.ok_or(BadHash::Malformed(what))
    }

    /// A digest of so many bytes, in its one spelling.
    ///
    /// # Errors
    /// [`BadHash::Malformed`].
    pub(super) fn canonical(self, digest: &str, length: usize) -> Result<String, BadHash> {
        let bytes = self.decode(digest, "its digest")?;
        if bytes.len() != length {
            return Err(BadHash::Malformed("the length of its digest"));
        }
        Ok(self.encode(&bytes))
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}
