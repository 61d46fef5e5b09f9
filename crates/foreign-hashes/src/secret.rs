//! Hashes of a text that an application makes of the password: with Devise's pepper, with Flask-Security's
//! `SECURITY_PASSWORD_SALT`, or in NFKD.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use unicode_normalization::UnicodeNormalization as _;

use crate::encoding::Encoding;
use crate::{BadHash, Effort, Read, Scheme, boxed};

/// What an application does to its passwords before it hashes them, mostly with a secret.
///
/// [`ForeignSecret::wrap`] writes it before the hash, as in `devise:<base64>:$2a$12$…`. Store the hash in this form. The
/// secret is then as exposed as the hash is, so replace such hashes by your own when their users sign in.
#[derive(Clone, PartialEq, Eq)]
pub enum ForeignSecret {
    /// Devise's `config.pepper`, which is appended to the password.
    DevisePepper(String),
    /// Flask-Security's `SECURITY_PASSWORD_SALT`, the key of an HMAC-SHA-512 of the password in NFKD.
    FlaskSecuritySalt(String),
    /// No secret: Flask-Security with `SECURITY_PASSWORD_SINGLE_HASH` only makes the password NFKD.
    FlaskSecuritySingleHash,
}

const DEVISE: &str = "devise:";
const FLASK_SECURITY: &str = "flask-security:";
const NFKD: &str = "nfkd:";

impl ForeignSecret {
    /// Writes this secret before a hash of the application.
    ///
    /// `None` if the application does not use the secret for this kind of hash: Devise makes bcrypt (`$2…`) only,
    /// Flask-Security makes passlib's forms (`$…`) only. Such a hash can be verified as it is.
    pub fn wrap(&self, hash: &str) -> Option<String> {
        let (name, secret, form) = match self {
            Self::DevisePepper(pepper) => (DEVISE, pepper, "$2"),
            Self::FlaskSecuritySalt(salt) => (FLASK_SECURITY, salt, "$"),
            Self::FlaskSecuritySingleHash => return hash.starts_with('$').then(|| format!("{NFKD}{hash}")),
        };
        let secret = Encoding::Phc.encode(secret.as_bytes());
        hash.starts_with(form).then(|| format!("{name}{secret}:{hash}"))
    }

    /// The text that the application hashes.
    fn mix(&self, password: &str) -> Option<String> {
        match self {
            Self::DevisePepper(pepper) => Some(format!("{password}{pepper}")),
            Self::FlaskSecuritySingleHash => Some(password.nfkd().collect()),
            Self::FlaskSecuritySalt(salt) => {
                // NFKD is the default of SECURITY_PASSWORD_NORMALIZE_FORM.
                let normal: String = password.nfkd().collect();
                let mac = Hmac::<Sha512>::new_from_slice(salt.as_bytes()).ok()?;
                Some(Encoding::Base64.encode(&mac.chain_update(normal).finalize().into_bytes()))
            }
        }
    }
}

impl fmt::Debug for ForeignSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

struct Wrapped {
    secret: ForeignSecret,
    inner: Arc<dyn Scheme>,
}

pub(crate) fn read(setting: &str) -> Read {
    if let Some(inner) = setting.strip_prefix(NFKD) {
        return boxed(read_inner(ForeignSecret::FlaskSecuritySingleHash, inner));
    }
    let (make, rest): (fn(String) -> ForeignSecret, _) = match setting.strip_prefix(DEVISE) {
        Some(rest) => (ForeignSecret::DevisePepper, rest),
        None => (ForeignSecret::FlaskSecuritySalt, setting.strip_prefix(FLASK_SECURITY)?),
    };
    boxed(read_wrapped(make, rest))
}

fn read_wrapped(make: fn(String) -> ForeignSecret, rest: &str) -> Result<Wrapped, BadHash> {
    let malformed = BadHash::Malformed("its secret");
    let (secret, inner) = rest.split_once(':').ok_or(malformed)?;
    let secret = String::from_utf8(Encoding::Phc.decode(secret, "its secret")?).map_err(|_| malformed)?;
    read_inner(make(secret), inner)
}

fn read_inner(secret: ForeignSecret, inner: &str) -> Result<Wrapped, BadHash> {
    // One secret only, and only before the forms that `wrap` takes: else nesting would have no end.
    if !inner.starts_with('$') {
        return Err(BadHash::UnknownScheme);
    }
    Ok(Wrapped { secret, inner: crate::read(inner)? })
}

impl Scheme for Wrapped {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        self.inner.compute(&self.secret.mix(password)?)
    }

    fn digest_form(&self) -> (Encoding, usize) {
        self.inner.digest_form()
    }

    fn effort(&self) -> Effort {
        self.inner.effort()
    }
}
