//! Firebase's scrypt: the key that scrypt derives encrypts the signer key of the project, and the result is the digest.
//!
//! In the form of Supabase's GoTrue: `$fbscrypt$v=1,n=14,r=8,p=1,ss=<salt separator>,sk=<signer key>$<salt>$<hash>`, all of them
//! base64 as Firebase exports them. `n` is its memory cost, `r` its rounds.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};

use crate::encoding::Encoding;
use crate::scrypt::{Scrypt, scrypt};
use crate::{BadHash, Effort, Read, Scheme, boxed, number};

struct Firebase {
    scrypt: Scrypt,
    signer_key: Vec<u8>,
}

pub(crate) fn read(setting: &str) -> Read {
    setting.strip_prefix("$fbscrypt$").map(read_fbscrypt).and_then(boxed)
}

fn read_fbscrypt(rest: &str) -> Result<Firebase, BadHash> {
    let malformed = BadHash::Malformed("not as GoTrue writes it");
    let [options, salt, ""] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(malformed);
    };
    let option = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name));
    if option("v=") != Some("1") {
        return Err(malformed);
    }
    let log_n = number(option("n=").ok_or(malformed)?)?;
    let (r, p) = (option("r=").ok_or(malformed)?, option("p=").ok_or(malformed)?);
    let mut salt = Encoding::Base64.decode(salt, "its salt")?;
    salt.extend(Encoding::Base64.decode(option("ss=").unwrap_or_default(), "its salt separator")?);
    let signer_key = Encoding::Base64.decode(option("sk=").ok_or(malformed)?, "its signer key")?;
    if !(16..=256).contains(&signer_key.len()) {
        return Err(BadHash::Malformed("the length of its signer key"));
    }
    // The key of AES-256.
    Ok(Firebase { scrypt: scrypt(log_n, (r, p), salt, (Encoding::Base64, 32))?, signer_key })
}

impl Scheme for Firebase {
    fn compute(&self, password: &str) -> Option<Vec<u8>> {
        let key = self.scrypt.compute(password)?;
        let mut digest = self.signer_key.clone();
        Ctr128BE::<Aes256>::new_from_slices(&key, &[0; 16]).ok()?.apply_keystream(&mut digest);
        Some(digest)
    }

    fn digest_form(&self) -> (Encoding, usize) {
        (Encoding::Base64, self.signer_key.len())
    }

    fn effort(&self) -> Effort {
        self.scrypt.effort()
    }
}
