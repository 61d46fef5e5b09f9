//! The ES256 keys of access tokens, one for each secret key, derived from it: no table and no file holds a private key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::KeyRing;

/// A P-256 private key in PKCS#8 without its public key (RFC 5208, RFC 5915), up to the 32 bytes of the key itself.
const PRIVATE_KEY_HEAD: &[u8] =
    b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
/// A P-256 public key as SubjectPublicKeyInfo (RFC 5480), up to the two coordinates.
const PUBLIC_KEY_HEAD: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
/// How many candidates are tried; a candidate is no private key once in 2^32 times.
const CANDIDATES: u8 = 8;
/// Characters in a line of a PEM file (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// A key that signs access tokens.
#[derive(Clone)]
pub struct AccessKey {
    pub private: EncodingKey,
    /// The public key, as other services get it.
    pub public: Jwk,
    /// The RFC 7638 thumbprint of the public key.
    pub kid: String,
}

/// A secret key from which no access key can be derived.
#[derive(Debug, thiserror::Error)]
#[error("no ES256 key can be derived from a key: {0}")]
pub struct KeyError(String);

impl AccessKey {
    /// The keys of a ring, in its order.
    pub fn all(ring: &KeyRing) -> Result<Vec<Self>, KeyError> {
        ring.all().map(Self::derive).collect()
    }

    fn derive(secret: &[u8]) -> Result<Self, KeyError> {
        let mut last = KeyError(String::new());
        for counter in 0..CANDIDATES {
            match Self::of_candidate(&candidate(secret, counter)) {
                Ok(key) => return Ok(key),
                Err(error) => last = KeyError(error.to_string()),
            }
        }
        Err(last)
    }

    /// An error if these 32 bytes are no private key.
    fn of_candidate(bytes: &[u8; 32]) -> Result<Self, jsonwebtoken::errors::Error> {
        let private = EncodingKey::from_ec_der(&Zeroizing::new([PRIVATE_KEY_HEAD, bytes].concat()));
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_id = Some(kid.clone());
        Ok(Self { private, public, kid })
    }

    /// The public key as a PEM file, for programs that cannot fetch a key set.
    pub fn pem(&self) -> String {
        let mut der = PUBLIC_KEY_HEAD.to_vec();
        if let AlgorithmParameters::EllipticCurve(point) = &self.public.algorithm {
            for coordinate in [&point.x, &point.y] {
                der.extend(URL_SAFE_NO_PAD.decode(coordinate).unwrap_or_default());
            }
        }
        let base64 = STANDARD.encode(der);
        let lines: Vec<_> = base64.as_bytes().chunks(PEM_LINE).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

/// A key for access tokens alone, so that no other use of the secret key can sign one.
fn candidate(secret: &[u8], counter: u8) -> Zeroizing<[u8; 32]> {
    match Hmac::<Sha256>::new_from_slice(secret) {
        Ok(mac) => Zeroizing::new(
            mac.chain_update(b"vestibule access v1").chain_update([counter]).finalize().into_bytes().into(),
        ),
        // HMAC takes keys of every length.
        Err(never) => unreachable!("{never}"),
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Header, Validation};
    use serde_json::{Value, json};

    use super::*;
    use crate::config::key_ring;

    fn keys() -> Vec<AccessKey> {
        AccessKey::all(&key_ring(&format!("{},{}", "ab".repeat(32), "cd".repeat(40))).unwrap()).unwrap()
    }

    #[test]
    fn a_key_is_always_the_same_and_shows_only_its_public_part() {
        let (first, again) = (keys(), keys());
        assert_eq!(first[0].kid, again[0].kid);
        assert_ne!(first[0].kid, first[1].kid);
        for key in &first {
            let jwk = serde_json::to_value(&key.public).unwrap();
            let mut members: Vec<_> = jwk.as_object().unwrap().keys().collect();
            members.sort();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
            assert_eq!((&jwk["alg"], &jwk["crv"], &jwk["use"]), (&json!("ES256"), &json!("P-256"), &json!("sig")));
        }
    }

    #[test]
    fn what_is_no_private_key_is_no_key_of_ours() {
        for bytes in [[0; 32], [0xff; 32]] {
            assert!(AccessKey::of_candidate(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_pem_file_verifies_what_the_key_signs() {
        let [key, other] = &keys()[..] else { panic!() };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &json!({ "exp": 1 }), &key.private).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        let verify = |pem: String| {
            let key = DecodingKey::from_ec_pem(pem.as_bytes()).unwrap();
            jsonwebtoken::decode::<Value>(&token, &key, &validation)
        };
        assert!(verify(key.pem()).is_ok());
        assert!(verify(other.pem()).is_err());
    }
}
