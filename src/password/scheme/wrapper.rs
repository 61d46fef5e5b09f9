//! Hashes that need a secret of the application they come from: Devise's pepper, Flask-Security's `SECURITY_PASSWORD_SALT`.
//!
//! The secret stands before the setting, `devise:<base64>:$2a$…`, and so with the hash in the database until its account
//! signs in and the hash is renewed: a pepper protects no longer than that. It is shown nowhere but in an export.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use unicode_normalization::UnicodeNormalization as _;

use super::encoding::Encoding;
use super::{BadHash, Effort, Password, Read, Scheme, boxed};

/// What an application mixes into its passwords before it hashes them.
#[derive(Clone, PartialEq, Eq)]
pub enum ForeignSecret {
    /// Devise's `config.pepper`, which follows the password.
    DevisePepper(String),
    /// `SECURITY_PASSWORD_SALT`, the key of an HMAC-SHA-512 over the password.
    FlaskSecuritySalt(String),
}

const DEVISE: &str = "devise:";
const FLASK_SECURITY: &str = "flask-security:";

impl ForeignSecret {
    /// A hash of the application, with this secret before it. `None` for one that the secret does not go into: Devise has
    /// bcrypt alone, Flask-Security what passlib writes.
    #[must_use]
    pub fn wrap(&self, hash: &str) -> Option<String> {
        let (name, secret, form) = match self {
            Self::DevisePepper(pepper) => (DEVISE, pepper, "$2"),
            Self::FlaskSecuritySalt(salt) => (FLASK_SECURITY, salt, "$"),
        };
        let secret = Encoding::Phc.encode(secret.as_bytes());
        hash.starts_with(form).then(|| format!("{name}{secret}:{hash}"))
    }

    /// The password that the application hashes.
    fn mix(&self, password: &Password) -> Option<Password> {
        match self {
            Self::DevisePepper(pepper) => Some(Password::new(&format!("{}{pepper}", password.typed))),
            Self::FlaskSecuritySalt(salt) => {
                // Its forms normalise so, unless they are told otherwise (SECURITY_PASSWORD_NORMALIZE_FORM).
                let normal: String = password.typed.nfkd().collect();
                let mac = Hmac::<Sha512>::new_from_slice(salt.as_bytes()).ok()?;
                let mac = mac.chain_update(normal.as_bytes()).finalize().into_bytes();
                Some(Password::new(&Encoding::Base64.encode(&mac)))
            }
        }
    }
}

struct Wrapped {
    secret: ForeignSecret,
    inner: Arc<dyn Scheme>,
}

pub(super) fn read(setting: &str) -> Read {
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
    // One secret before passlib's or Devise's own form, which begins with a dollar.
    if !inner.starts_with('$') {
        return Err(BadHash::UnknownScheme);
    }
    Ok(Wrapped { secret: make(secret), inner: super::read(inner)? })
}

impl Scheme for Wrapped {
    fn compute(&self, password: &Password) -> Option<String> {
        self.inner.compute(&self.secret.mix(password)?)
    }

    fn canonical(&self, digest: &str) -> Result<String, BadHash> {
        self.inner.canonical(digest)
    }

    fn effort(&self) -> Effort {
        self.inner.effort()
    }
}
