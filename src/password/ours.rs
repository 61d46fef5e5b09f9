//! Our scheme: passlib's `$bcrypt-sha256$v=2`, bcrypt of an HMAC-SHA-256.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use bcrypt_lanes::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Password;
use super::engine::Key;

/// The beginning of the hashes of our scheme.
pub(super) const OURS: &str = "$bcrypt-sha256$v=2,";

/// As lenient as `foreign_hashes` with salts that other systems wrote.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    NO_PAD.with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `$bcrypt-sha256$v=2,t=2b,r=<cost>$<salt>$`
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) text: Arc<str>,
    pub(super) cost: u32,
    salt: [u8; 16],
}

impl Ours {
    pub(super) fn new(cost: u32, salt: [u8; 16]) -> Self {
        let text = format!("{OURS}t=2b,r={cost}${}$", BCRYPT_BASE64.encode(salt));
        Self { text: text.into(), cost, salt }
    }

    /// `text` is a setting that `foreign_hashes` has checked. `None` if it is not of our scheme.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (options, salt) = text.strip_prefix(OURS)?.strip_suffix('$')?.split_once('$')?;
        let (_version, cost) = options.split_once(",r=")?;
        let salt = BCRYPT_BASE64.decode(salt).ok()?.try_into().ok()?;
        Some(Self { text: text.into(), cost: cost.parse().ok()?, salt })
    }

    /// The salt as it is written.
    fn salt_text(&self) -> &str {
        self.text.rsplit('$').nth(1).unwrap_or_default()
    }

    /// What bcrypt hashes: an HMAC-SHA-256 whose key is the salt as it is written.
    ///
    /// bcrypt alone ignores what follows 72 bytes, and repeats a short key: `P` and `P\0P` would have the same hash.
    pub(super) fn key(&self, password: &Password) -> Key {
        let mac: Zeroizing<[u8; 32]> = match Hmac::<Sha256>::new_from_slice(self.salt_text().as_bytes()) {
            Ok(mac) => Zeroizing::new(mac.chain_update(&password.normal).finalize().into_bytes().into()),
            // HMAC takes keys of every length.
            Err(never) => unreachable!("{never}"),
        };
        // With room for all of it: a text that grows leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(64));
        STANDARD.encode_string(*mac, &mut text);
        text.push('\0');
        Key { salt: self.salt, text }
    }

    /// The complete hash. Like every bcrypt, without the last of 24 bytes.
    pub(super) fn with_digest(&self, digest: Digest) -> String {
        format!("{}{}", self.text, BCRYPT_BASE64.encode(&digest[..23]))
    }
}
