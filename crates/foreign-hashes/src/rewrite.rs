//! Forms that are no setting with a digest at its end: they are rewritten when they are read, and never written again.
//!
//! | system | its form | becomes |
//! | --- | --- | --- |
//! | ASP.NET Identity | base64 of version, numbers, salt and key | `pbkdf2-key$…` |
//! | Keycloak | `keycloak$pbkdf2-sha256$27500$<salt>$<value>`, from its two JSON texts | `pbkdf2-key$…` |
//! | Spring Security | `{bcrypt}$2a$…`, `{argon2}$argon2id$…` | without the name |
//! | | `{pbkdf2}…`, `{pbkdf2@SpringSecurity_v5_8}…` in hexadecimal | `pbkdf2-key$…` |

use std::borrow::Cow;

use crate::BadHash;
use crate::encoding::Encoding;

/// The text in a form that the families read; most are in one already.
pub(crate) fn rewrite(text: &str) -> Result<Cow<'_, str>, BadHash> {
    if let Some(rest) = text.strip_prefix('{') {
        return spring(rest);
    }
    if let Some(rest) = text.strip_prefix("keycloak$") {
        return keycloak(rest).map(Cow::Owned);
    }
    if !text.contains(['$', ':'])
        && let Ok(bytes) = Encoding::Base64.decode(text, "its base64")
        && let [version @ (0 | 1), rest @ ..] = &*bytes
    {
        return asp_net(*version, rest).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(text))
}

fn key_form(hash: &str, rounds: u32, salt: &[u8], key: &[u8]) -> String {
    let (salt, encoded) = (Encoding::Phc.encode(salt), Encoding::Phc.encode(key));
    format!("pbkdf2-key${hash}${rounds}${}${salt}${encoded}", key.len())
}

/// `bcrypt}$2a$…`. The numbers of PBKDF2 are the defaults of `PasswordEncoderFactories`, without a secret.
fn spring(rest: &str) -> Result<Cow<'_, str>, BadHash> {
    let (name, hash) = rest.split_once('}').ok_or(BadHash::UnknownScheme)?;
    let (prf, rounds, salt_bytes) = match name {
        "bcrypt" if hash.starts_with("$2") => return Ok(Cow::Borrowed(hash)),
        "argon2" | "argon2@SpringSecurity_v5_8" if hash.starts_with("$argon2") => return Ok(Cow::Borrowed(hash)),
        "pbkdf2" => ("sha1", 185_000, 8),
        "pbkdf2@SpringSecurity_v5_8" => ("sha256", 310_000, 16),
        _ => return Err(BadHash::UnknownScheme),
    };
    let bytes = Encoding::Hex.decode(hash, "its hexadecimal")?;
    let (salt, key) = bytes.split_at_checked(salt_bytes).ok_or(BadHash::Malformed("its length"))?;
    Ok(Cow::Owned(key_form(prf, rounds, salt, key)))
}

/// `pbkdf2-sha256$27500$<salt>$<value>`: `algorithm` and `hashIterations` of `credentialData`, `salt` and `value` of
/// `secretData`.
fn keycloak(rest: &str) -> Result<String, BadHash> {
    let [algorithm, rounds, salt, value] = *rest.split('$').collect::<Vec<_>>() else {
        return Err(BadHash::Malformed("not algorithm, iterations, salt, value"));
    };
    let hash = match algorithm {
        "pbkdf2" => "sha1",
        "pbkdf2-sha256" => "sha256",
        "pbkdf2-sha512" => "sha512",
        _ => return Err(BadHash::UnknownScheme),
    };
    let salt = Encoding::Base64.decode(salt, "its salt")?;
    let value = Encoding::Base64.decode(value, "its digest")?;
    Ok(key_form(hash, crate::number(rounds)?, &salt, &value))
}

/// Version 2 (0): 16 bytes of salt, 32 of key. Version 3 (1): hash, rounds and length of the salt, as big-endian numbers,
/// then salt and key.
fn asp_net(version: u8, rest: &[u8]) -> Result<String, BadHash> {
    let malformed = BadHash::Malformed("not as ASP.NET Identity writes it");
    if version == 0 {
        let (salt, key) = rest.split_at_checked(16).filter(|(_, key)| key.len() == 32).ok_or(malformed)?;
        return Ok(key_form("sha1", 1000, salt, key));
    }
    let (numbers, rest) = rest.split_at_checked(12).ok_or(malformed)?;
    let mut numbers =
        numbers.chunks(4).map(|bytes| bytes.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)));
    let mut next = || numbers.next().ok_or(malformed);
    let (hash, rounds, salt_bytes) = (next()?, next()?, next()?);
    let hash = *["sha1", "sha256", "sha512"].get(hash as usize).ok_or(malformed)?;
    let (salt, key) = rest.split_at_checked(salt_bytes as usize).ok_or(malformed)?;
    Ok(key_form(hash, rounds, salt, key))
}
