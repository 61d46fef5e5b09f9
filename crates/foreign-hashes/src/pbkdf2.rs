//! PBKDF2: werkzeug `pbkdf2:sha256:…`, Django `pbkdf2_sha256$…`, passlib `$pbkdf2-sha256$…`, and with SHA-1 and SHA-512
//! where the library has them.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::encoding::Encoding;
use crate::{BadHash, Effort, Read, Scheme, boxed, number};

/// Some seconds. The default of Django and werkzeug is a million.
const MAX_ROUNDS: u32 = 5_000_000;

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
}

pub(crate) fn read(setting: &str) -> Read {
    if let Some(rest) = setting.strip_prefix("pbkdf2:") {
        return boxed(werkzeug(rest));
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
    let hash = match hash {
        "sha1" => Hash::Sha1,
        "sha256" => Hash::Sha256,
        "sha512" => Hash::Sha512,
        _ => return Err(BadHash::UnknownScheme),
    };
    rounds_and_salt(rest, hash, Encoding::Hex)
}

/// `600000$<salt>$`; passlib encodes the salt, the others use it as it is written.
fn rounds_and_salt(rest: &str, hash: Hash, encoding: Encoding) -> Result<Pbkdf2, BadHash> {
    let [rounds, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not rounds, salt, digest"));
    };
    let rounds = number(rounds)?;
    match rounds {
        0 => return Err(BadHash::Malformed("no rounds")),
        1..=MAX_ROUNDS => {}
        _ => return Err(BadHash::TooCostly("more than 5,000,000 rounds")),
    }
    let salt = match encoding {
        Encoding::Adapted => encoding.decode(salt, "its salt")?,
        _ => salt.as_bytes().to_vec(),
    };
    Ok(Pbkdf2 { hash, rounds, salt, encoding })
}

impl Pbkdf2 {
    fn digest_bytes(&self) -> usize {
        match self.hash {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha512 => 64,
        }
    }
}

impl Scheme for Pbkdf2 {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let mut digest = vec![0; self.digest_bytes()];
        let derive = match self.hash {
            Hash::Sha1 => pbkdf2_hmac::<Sha1>,
            Hash::Sha256 => pbkdf2_hmac::<Sha256>,
            Hash::Sha512 => pbkdf2_hmac::<Sha512>,
        };
        derive(password.as_bytes(), &self.salt, self.rounds, &mut digest);
        Some(digest)
    }

    fn digest_form(&self) -> (Encoding, usize) {
        (self.encoding, self.digest_bytes())
    }

    fn effort(&self) -> Effort {
        let algorithm = match self.hash {
            Hash::Sha1 => "pbkdf2-sha1",
            Hash::Sha256 => "pbkdf2-sha256",
            Hash::Sha512 => "pbkdf2-sha512",
        };
        Effort { algorithm, amount: self.rounds.into() }
    }
}
