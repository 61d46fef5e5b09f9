//! scrypt: werkzeug `scrypt:32768:8:1$…`, Django `scrypt$…`, passlib `$scrypt$ln=14,…`, better-auth `<salt>:<key>`.

use scrypt::Params;
use unicode_normalization::UnicodeNormalization as _;

use crate::encoding::Encoding;
use crate::{BadHash, Effort, MAX_MEMORY, MAX_MEMORY_TRAFFIC, Read, Scheme, boxed, number};

pub(crate) struct Scrypt {
    params: Params,
    traffic: u64,
    salt: Vec<u8>,
    digest_form: (Encoding, usize),
    /// better-auth normalises the password to NFKC.
    is_nfkc: bool,
}

pub(crate) fn read(setting: &str) -> Read {
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

/// `<salt>:`. The salt is used as it is written, in hexadecimal; the numbers are those in better-auth's code.
fn better_auth(salt: &str) -> Result<Scrypt, BadHash> {
    let scrypt = scrypt(14, ("16", "1"), salt.as_bytes().to_vec(), (Encoding::Hex, 64))?;
    Ok(Scrypt { is_nfkc: true, ..scrypt })
}

/// `32768:8:1$<salt>$`; the salt is used as it is written.
fn werkzeug(rest: &str) -> Result<Scrypt, BadHash> {
    let [numbers, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not numbers, salt, digest"));
    };
    let [n, r, p] = *numbers.split(':').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not three numbers"));
    };
    scrypt(logarithm(number(n)?)?, (r, p), salt.as_bytes().to_vec(), (Encoding::Hex, 64))
}

/// `16384$<salt>$8$5$`; the salt is used as it is written.
fn django(rest: &str) -> Result<Scrypt, BadHash> {
    let [n, salt, r, p, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not as Django writes it"));
    };
    scrypt(logarithm(number(n)?)?, (r, p), salt.as_bytes().to_vec(), (Encoding::Base64, 64))
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
    scrypt(log_n, (r, p), Encoding::Phc.decode(salt, "its salt")?, (Encoding::Phc, 32))
}

fn logarithm(n: u32) -> Result<u32, BadHash> {
    if n.is_power_of_two() { Ok(n.ilog2()) } else { Err(BadHash::Malformed("N is no power of two")) }
}

pub(crate) fn scrypt(
    log_n: u32,
    (r, p): (&str, &str),
    salt: Vec<u8>,
    digest_form: (Encoding, usize),
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
    Ok(Scrypt { params, traffic, salt, digest_form, is_nfkc: false })
}

impl Scheme for Scrypt {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let password = if self.is_nfkc { password.nfkc().collect() } else { password.to_owned() };
        let mut digest = vec![0; self.digest_form.1];
        ::scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, &mut digest).ok()?;
        Some(digest)
    }

    fn digest_form(&self) -> (Encoding, usize) {
        self.digest_form
    }

    fn effort(&self) -> Effort {
        Effort { algorithm: "scrypt", amount: self.traffic }
    }
}
