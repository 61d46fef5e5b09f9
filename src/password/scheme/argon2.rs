//! Argon2 in the PHC string format, `$argon2id$v=19$m=65536,t=3,p=4$…`: passlib, fastapi-users, Flask-Security; in Django
//! behind `argon2`.
//!
//! The length of the digest goes into the computation and stands nowhere but in the digest itself. So a setting whose
//! digest has not 32 bytes says so at its end, `~16`, which no stored hash has.

use argon2::{Algorithm, Argon2, Params, Version};

use super::encoding::Encoding;
use super::{BadHash, Effort, MAX_MEMORY, MAX_MEMORY_TRAFFIC, Password, Read, Scheme, boxed, number};

/// Bytes of a digest, unless the setting says otherwise. (Until 2018 argon2-cffi had 16.)
const USUAL_LENGTH: usize = 32;

struct Phc {
    argon2: Argon2<'static>,
    salt: Vec<u8>,
    length: usize,
    effort: Effort,
}

/// The setting of a hash with this digest.
pub(super) fn with_length(setting: &str, digest: &str) -> String {
    let length = Encoding::Phc.decode(digest, "its digest").map_or(USUAL_LENGTH, |digest| digest.len());
    match is_argon2(setting) && length != USUAL_LENGTH {
        true => format!("{setting}~{length}"),
        false => setting.to_owned(),
    }
}

/// The beginning of the hashes with this setting.
pub(super) fn without_length(setting: &str) -> &str {
    setting.rsplit_once('~').filter(|(head, _)| head.ends_with('$')).map_or(setting, |(head, _)| head)
}

/// Also behind the prefix of a wrapper.
fn is_argon2(setting: &str) -> bool {
    let crypt = setting.rsplit_once(':').map_or(setting, |(_, crypt)| crypt);
    crypt.starts_with("$argon2") || crypt.starts_with("argon2$")
}

pub(super) fn read(setting: &str) -> Read {
    let phc = setting.strip_prefix("argon2$").or_else(|| setting.strip_prefix('$'))?;
    let (name, rest) = phc.split_once('$')?;
    let algorithm = Algorithm::new(name).ok()?;
    boxed(read_phc(algorithm, rest))
}

/// `v=19$m=65536,t=3,p=4$<salt>$`; without `v`, the version before, which is 16.
fn read_phc(algorithm: Algorithm, rest: &str) -> Result<Phc, BadHash> {
    let malformed = BadHash::Malformed("not in the PHC string format");
    let (version, costs, salt, length) = match *rest.split('$').collect::<Vec<_>>() {
        ["v=19", costs, salt, length] => (Version::V0x13, costs, salt, length),
        ["v=16", costs, salt, length] | [costs, salt, length] => (Version::V0x10, costs, salt, length),
        _ => return Err(malformed),
    };
    let length = match length.strip_prefix('~') {
        Some(length) => usize::try_from(number(length)?).map_err(|_| malformed)?,
        None if length.is_empty() => USUAL_LENGTH,
        None => return Err(malformed),
    };
    if !(Params::MIN_OUTPUT_LEN..=128).contains(&length) {
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
    Ok(Phc { argon2: Argon2::new(algorithm, version, params), salt, length, effort: ("argon2", traffic) })
}

impl Scheme for Phc {
    fn compute(&self, password: &Password) -> Option<String> {
        let mut digest = vec![0; self.length];
        self.argon2.hash_password_into(password.typed.as_bytes(), &self.salt, &mut digest).ok()?;
        Some(Encoding::Phc.encode(&digest))
    }

    fn canonical(&self, digest: &str) -> Result<String, BadHash> {
        Encoding::Phc.canonical(digest, self.length)
    }

    fn effort(&self) -> Effort {
        self.effort
    }
}
