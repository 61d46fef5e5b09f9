//! scrypt: werkzeug `scrypt:32768:8:1$…`, Django `scrypt$…`, passlib `$scrypt$ln=14,…`, better-auth `<salt>:<key>`.

use scrypt::Params;
use unicode_normalization::UnicodeNormalization as _;

use super::encoding::Encoding;
use super::{BadHash, Effort, MAX_MEMORY, MAX_MEMORY_TRAFFIC, Password, Read, Scheme, boxed, number};

struct Scrypt {
    params: Params,
    traffic: u64,
    salt: Vec<u8>,
    length: usize,
    encoding: Encoding,
    /// Whether the password goes in as NFKC: better-auth.
    is_nfkc: bool,
}

pub(super) fn read(setting: &str) -> Read {
    if let Some(rest) = setting.strip_prefix("scrypt:") {
        return boxed(werkzeug(rest));
    }
    if let Some(rest) = setting.strip_prefix("scrypt$") {
        return boxed(django(rest));
    }
    if let Some(rest) = setting.strip_prefix("$scrypt$") {
        return boxed(passlib(rest));
    }
    let salt = setting.strip_suffix(':').filter(|salt| salt.len() == 32 && salt.bytes().all(|b| b.is_ascii_hexdigit()));
    salt.map(better_auth).and_then(boxed)
}

/// `<salt>:`, the salt used as it is written, in hexadecimal; the numbers are in its code.
fn better_auth(salt: &str) -> Result<Scrypt, BadHash> {
    let scrypt = scrypt(14, ("16", "1"), salt.as_bytes().to_vec(), 64, Encoding::Hex)?;
    Ok(Scrypt { is_nfkc: true, ..scrypt })
}

/// `32768:8:1$<salt>$`, the salt as it is.
fn werkzeug(rest: &str) -> Result<Scrypt, BadHash> {
    let [numbers, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not numbers, salt, digest"));
    };
    let [n, r, p] = *numbers.split(':').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not three numbers"));
    };
    let log_n = logarithm(number(n)?)?;
    scrypt(log_n, (r, p), salt.as_bytes().to_vec(), 64, Encoding::Hex)
}

/// `16384$<salt>$8$5$`, the salt as it is.
fn django(rest: &str) -> Result<Scrypt, BadHash> {
    let [n, salt, r, p, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not as Django writes it"));
    };
    scrypt(logarithm(number(n)?)?, (r, p), salt.as_bytes().to_vec(), 64, Encoding::Base64)
}

/// `ln=14,r=8,p=1$<salt>$`, the salt in base64.
fn passlib(rest: &str) -> Result<Scrypt, BadHash> {
    let malformed = BadHash::Malformed("not as passlib writes it");
    let [numbers, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let [log_n, r, p] = *numbers.split(',').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let log_n = number(log_n.strip_prefix("ln=").ok_or(malformed)?)?;
    let (r, p) = (r.strip_prefix("r=").ok_or(malformed)?, p.strip_prefix("p=").ok_or(malformed)?);
    scrypt(log_n, (r, p), Encoding::Phc.decode(salt, "its salt")?, 32, Encoding::Phc)
}

fn logarithm(n: u32) -> Result<u32, BadHash> {
    if n.is_power_of_two() { Ok(n.ilog2()) } else { Err(BadHash::Malformed("N is no power of two")) }
}

fn scrypt(
    log_n: u32,
    (r, p): (&str, &str),
    salt: Vec<u8>,
    length: usize,
    encoding: Encoding,
) -> Result<Scrypt, BadHash> {
    let malformed = BadHash::Malformed("its numbers");
    let (r, p) = (number(r)?, number(p)?);
    if log_n == 0 || r == 0 || p == 0 {
        return Err(malformed);
    }
    if log_n > 24 || r > 1024 || p > 1024 {
        return Err(BadHash::TooCostly("its numbers"));
    }
    let memory = (128 * u64::from(r)) << log_n;
    let traffic = memory * u64::from(p);
    if memory > MAX_MEMORY {
        return Err(BadHash::TooCostly("more than 256 MiB"));
    }
    if traffic > MAX_MEMORY_TRAFFIC {
        return Err(BadHash::TooCostly("too many passes"));
    }
    let params = Params::new(u8::try_from(log_n).map_err(|_| malformed)?, r, p).map_err(|_| malformed)?;
    Ok(Scrypt { params, traffic, salt, length, encoding, is_nfkc: false })
}

impl Scheme for Scrypt {
    fn compute(&self, password: &Password) -> Option<String> {
        let folded: String;
        let password = if self.is_nfkc {
            folded = password.typed.nfkc().collect();
            &folded
        } else {
            &password.typed
        };
        let mut digest = vec![0; self.length];
        ::scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, &mut digest).ok()?;
        Some(self.encoding.encode(&digest))
    }

    fn canonical(&self, digest: &str) -> Result<String, BadHash> {
        self.encoding.canonical(digest, self.length)
    }

    fn effort(&self) -> Effort {
        ("scrypt", self.traffic)
    }
}
