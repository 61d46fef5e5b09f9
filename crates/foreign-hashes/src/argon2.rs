//! Argon2 in the PHC string format, `$argon2id$v=19$m=65536,t=3,p=4$…`: passlib, fastapi-users, Flask-Security; in Django
//! behind `argon2`.
//!
//! The length of the digest is an input of Argon2, and no hash writes it down. A setting has no digest to measure, so
//! where the digest does not have 32 bytes the setting ends with its length, such as `~16`.

use argon2::{Algorithm, Argon2, Params, Version};

use crate::encoding::Encoding;
use crate::{BadHash, Effort, MAX_MEMORY, MAX_MEMORY_TRAFFIC, Read, Scheme, boxed, number};

/// The length of a digest unless the setting gives another. (argon2-cffi made 16 bytes until 2018.)
const USUAL_BYTES: usize = 32;

struct Phc {
    argon2: Argon2<'static>,
    salt: Vec<u8>,
    digest_bytes: usize,
    effort: Effort,
}

/// What precedes the digest in a stored hash, made a setting.
pub(crate) fn with_length(prefix: &str, digest: &str) -> String {
    let length = Encoding::Phc.decode(digest, "its digest").map_or(USUAL_BYTES, |digest| digest.len());
    match is_argon2(prefix) && length != USUAL_BYTES {
        true => format!("{prefix}~{length}"),
        false => prefix.to_owned(),
    }
}

/// The reverse of [`with_length`].
pub(crate) fn without_length(setting: &str) -> &str {
    // A salt of another scheme may have the sign in it.
    let has_length = |head: &str| head.ends_with('$') && is_argon2(head);
    setting.rsplit_once('~').filter(|(head, _)| has_length(head)).map_or(setting, |(head, _)| head)
}

/// Also behind the secret of an application.
fn is_argon2(prefix: &str) -> bool {
    let crypt = prefix.rsplit_once(':').map_or(prefix, |(_, crypt)| crypt);
    crypt.starts_with("$argon2") || crypt.starts_with("argon2$")
}

pub(crate) fn read(setting: &str) -> Read {
    let phc = setting.strip_prefix("argon2$").or_else(|| setting.strip_prefix('$'))?;
    let (name, rest) = phc.split_once('$')?;
    let algorithm = Algorithm::new(name).ok()?;
    boxed(read_phc(algorithm, rest))
}

/// `v=19$m=65536,t=3,p=4$<salt>$`; without `v` it is version 16, the one before.
fn read_phc(algorithm: Algorithm, rest: &str) -> Result<Phc, BadHash> {
    let malformed = BadHash::Malformed("not in the PHC string format");
    let (version, costs, salt, length) = match *rest.split('$').collect::<Vec<_>>() {
        ["v=19", costs, salt, length] => (Version::V0x13, costs, salt, length),
        ["v=16", costs, salt, length] | [costs, salt, length] => (Version::V0x10, costs, salt, length),
        _ => return Err(malformed),
    };
    let digest_bytes = match length.strip_prefix('~') {
        Some(length) => usize::try_from(number(length)?).map_err(|_| malformed)?,
        None if length.is_empty() => USUAL_BYTES,
        None => return Err(malformed),
    };
    if !(Params::MIN_OUTPUT_LEN..=128).contains(&digest_bytes) {
        return Err(BadHash::Malformed("the length of its digest"));
    }
    let [memory, time, lanes] = *costs.split(',').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let cost = |text: &str, name| number(text.strip_prefix(name).ok_or(malformed)?);
    let (memory, time, lanes) = (cost(memory, "m=")?, cost(time, "t=")?, cost(lanes, "p=")?);
    let bytes = u64::from(memory) * 1024;
    if bytes > MAX_MEMORY {
        return Err(BadHash::TooCostly("more than 256 MiB"));
    }
    let traffic = bytes * u64::from(time);
    if traffic > MAX_MEMORY_TRAFFIC || lanes > 255 {
        return Err(BadHash::TooCostly("too many passes or lanes"));
    }
    let params = Params::new(memory, time, lanes, None).map_err(|_| BadHash::Malformed("its numbers"))?;
    let salt = Encoding::Phc.decode(salt, "its salt")?;
    if salt.len() < argon2::MIN_SALT_LEN {
        return Err(BadHash::Malformed("a salt of less than 8 bytes"));
    }
    let argon2 = Argon2::new(algorithm, version, params);
    Ok(Phc { argon2, salt, digest_bytes, effort: Effort { algorithm: "argon2", amount: traffic } })
}

impl Scheme for Phc {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let mut digest = vec![0; self.digest_bytes];
        self.argon2.hash_password_into(password.as_bytes(), &self.salt, &mut digest).ok()?;
        Some(digest)
    }

    fn digest_form(&self) -> (Encoding, usize) {
        (Encoding::Phc, self.digest_bytes)
    }

    fn effort(&self) -> Effort {
        self.effort
    }
}
