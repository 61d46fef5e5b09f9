//! phpass, which hashes again and again: with MD5 in WordPress before 6.8 (`$P$`) and phpBB (`$H$`), with SHA-512 in
//! Drupal 7 to 10.0 (`$S$`, and `U$S$` for the MD5 that Drupal 6 had stored).

use md5::Md5;
use sha2::{Digest, Sha512};

use crate::encoding::{Encoding, phpass_value};
use crate::{BadHash, Effort, Read, Scheme, boxed};

/// 2^22 rounds: some seconds. WordPress has 2^13, Drupal 2^15.
const MAX_COST: u32 = 22;
const SALT_BYTES: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    WordPress,
    PhpBb,
    Drupal,
    /// The password is the hexadecimal MD5 of the password.
    DrupalOfMd5,
}

struct Phpass {
    form: Form,
    cost: u32,
    salt: String,
}

const FORMS: [(&str, Form); 4] =
    [("$P$", Form::WordPress), ("$H$", Form::PhpBb), ("$S$", Form::Drupal), ("U$S$", Form::DrupalOfMd5)];

/// Splits a hash before its digest, which follows one character of cost and eight of salt.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let (name, _) = FORMS.iter().find(|(name, _)| text.starts_with(name))?;
    text.split_at_checked(name.len() + 1 + SALT_BYTES)
}

pub(crate) fn read(setting: &str) -> Read {
    let (name, form) = FORMS.iter().find(|(name, _)| setting.starts_with(name))?;
    boxed(Phpass::new(*form, &setting[name.len()..]))
}

/// As `trim` of PHP does: WordPress trims a password when it is set and when it is typed.
pub(crate) fn trimmed_as_by_php(password: &str) -> &str {
    password.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b'])
}

impl Phpass {
    fn new(form: Form, rest: &str) -> Result<Self, BadHash> {
        let (cost, salt) = rest.split_at_checked(1).ok_or(BadHash::Malformed("no cost"))?;
        let cost = cost.bytes().next().and_then(phpass_value).ok_or(BadHash::Malformed("its cost"))?;
        match cost {
            0..7 => return Err(BadHash::Malformed("a cost under 7")),
            7..=MAX_COST => {}
            _ => return Err(BadHash::TooCostly("a cost above 22")),
        }
        if salt.len() != SALT_BYTES {
            return Err(BadHash::Malformed("the length of its salt"));
        }
        Ok(Self { form, cost, salt: salt.to_owned() })
    }

    fn repeat<H: Digest>(&self, password: &str) -> Vec<u8> {
        let mut digest = H::new().chain_update(&self.salt).chain_update(password).finalize();
        for _ in 0..1u64 << self.cost {
            digest = H::new().chain_update(&digest).chain_update(password).finalize();
        }
        digest.to_vec()
    }
}

impl Scheme for Phpass {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        match self.form {
            Form::WordPress => Some(self.repeat::<Md5>(trimmed_as_by_php(password))),
            Form::PhpBb => Some(self.repeat::<Md5>(password)),
            Form::Drupal => Some(cut(self.repeat::<Sha512>(password))),
            Form::DrupalOfMd5 => Some(cut(self.repeat::<Sha512>(&hex::encode(Md5::digest(password))))),
        }
    }

    fn digest_form(&self) -> (Encoding, usize) {
        match self.form {
            Form::WordPress | Form::PhpBb => (Encoding::Phpass, 16),
            Form::Drupal | Form::DrupalOfMd5 => (Encoding::Drupal, 33),
        }
    }

    fn effort(&self) -> Effort {
        let algorithm = match self.form {
            Form::WordPress | Form::PhpBb => "phpass-md5",
            Form::Drupal | Form::DrupalOfMd5 => "phpass-sha512",
        };
        Effort { algorithm, amount: 1 << self.cost }
    }
}

/// The first 258 bits: 43 characters of 6 bits are stored.
fn cut(mut digest: Vec<u8>) -> Vec<u8> {
    digest.truncate(33);
    if let Some(last) = digest.last_mut() {
        *last &= 3;
    }
    digest
}
