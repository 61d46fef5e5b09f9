//! PBKDF2: werkzeug `pbkdf2:sha256:…`, Django `pbkdf2_sha256$…`, passlib `$pbkdf2-sha256$…`, and with SHA-1 and SHA-512
//! where the library has them.
//!
//! `pbkdf2-key$sha256$27500$64$<salt>$<key>` is this crate's own form: hash, rounds, bytes of the key, salt and key in base64.
//! [`crate::rewrite`] writes it for systems whose forms are no text with a digest at its end.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::encoding::Encoding;
use crate::{BadHash, Effort, Read, Scheme, boxed, number};

/// Some seconds. The default of Django and werkzeug is a million.
const MAX_ROUNDS: u64 = 5_000_000;

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

struct Pbkdf2 {
    hash: Hash,
    rounds: u32,
    salt: Vec<u8>,
    encoding: Encoding,
    digest_bytes: usize,
}

pub(crate) fn read(setting: &str) -> Read {
    if let Some(rest) = setting.strip_prefix("pbkdf2:") {
        return boxed(werkzeug(rest));
    }
    if let Some(rest) = setting.strip_prefix("pbkdf2-key$") {
        return boxed(key(rest));
    }
    let forms = [
        ("pbkdf2_sha256$", Hash::Sha256, Encoding::Base64),
        ("pbkdf2_sha1$", Hash::Sha1, Encoding::Base64),
        ("$pbkdf2$", Hash::Sha1, Encoding::Adapted),
        ("$pbkdf2-sha256$", Hash::Sha256, Encoding::Adapted),
        ("$pbkdf2-sha512$", Hash::Sha512, Encoding::Adapted),
    ];
    forms.into_iter().find_map(|(form, hash, encoding)| {
        let rest = setting.strip_prefix(form)?;
        boxed(rounds_and_salt(rest, hash, encoding))
    })
}

/// `sha256:600000$<salt>$`
fn werkzeug(rest: &str) -> Result<Pbkdf2, BadHash> {
    let (hash, rest) = rest.split_once(':').ok_or(BadHash::Malformed("no number of rounds"))?;
    rounds_and_salt(rest, named(hash)?, Encoding::Hex)
}

/// `sha256$27500$64$<salt>$`
fn key(rest: &str) -> Result<Pbkdf2, BadHash> {
    let malformed = BadHash::Malformed("not hash, rounds, length, salt, key");
    let (hash, rest) = rest.split_once('$').ok_or(malformed)?;
    let [rounds, bytes, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let digest_bytes = usize::try_from(number(bytes)?).map_err(|_| malformed)?;
    if !(16..=128).contains(&digest_bytes) {
        return Err(BadHash::Malformed("the length of its digest"));
    }
    let salt = Encoding::Phc.decode(salt, "its salt")?;
    let pbkdf2 = Pbkdf2 { hash: named(hash)?, rounds: number(rounds)?, salt, encoding: Encoding::Phc, digest_bytes };
    pbkdf2.checked()
}

fn named(hash: &str) -> Result<Hash, BadHash> {
    match hash {
        "sha1" => Ok(Hash::Sha1),
        "sha256" => Ok(Hash::Sha256),
        "sha512" => Ok(Hash::Sha512),
        _ => Err(BadHash::UnknownScheme),
    }
}

/// `600000$<salt>$`; passlib encodes the salt, the others use it as it is written.
fn rounds_and_salt(rest: &str, hash: Hash, encoding: Encoding) -> Result<Pbkdf2, BadHash> {
    let [rounds, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not rounds, salt, digest"));
    };
    let rounds = number(rounds)?;
    let salt = match encoding {
        Encoding::Adapted => encoding.decode(salt, "its salt")?,
        _ => salt.as_bytes().to_vec(),
    };
    Pbkdf2 { hash, rounds, salt, encoding, digest_bytes: hash.bytes() }.checked()
}

impl Hash {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Pbkdf2 {
    fn checked(self) -> Result<Self, BadHash> {
        match self.all_rounds() {
            0 => Err(BadHash::Malformed("no rounds")),
            1..=MAX_ROUNDS => Ok(self),
            _ => Err(BadHash::TooCostly("more than 5,000,000 rounds")),
        }
    }

    /// PBKDF2 makes a long digest of several blocks, each with all rounds.
    fn all_rounds(&self) -> u64 {
        u64::from(self.rounds) * self.digest_bytes.div_ceil(self.hash.bytes()) as u64
    }
}

impl Scheme for Pbkdf2 {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let mut digest = vec![0; self.digest_bytes];
        let derive = match self.hash {
            Hash::Sha1 => pbkdf2_hmac::<Sha1>,
            Hash::Sha256 => pbkdf2_hmac::<Sha256>,
            Hash::Sha512 => pbkdf2_hmac::<Sha512>,
        };
        derive(password.as_bytes(), &self.salt, self.rounds, &mut digest);
        Some(digest)
    }

    fn digest_form(&self) -> (Encoding, usize) {
        (self.encoding, self.digest_bytes)
    }

    fn effort(&self) -> Effort {
        let algorithm = match self.hash {
            Hash::Sha1 => "pbkdf2-sha1",
            Hash::Sha256 => "pbkdf2-sha256",
            Hash::Sha512 => "pbkdf2-sha512",
        };
        Effort { algorithm, amount: self.all_rounds() }
    }
}
