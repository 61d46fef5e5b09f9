//! The settings of access tokens.

use std::time::Duration;

use clap::ValueEnum;

use super::{PublicUrl, Settings, value};

/// The longest lifetime of an access token.
const LONGEST_ACCESS: Duration = Duration::from_secs(24 * 3600);

/// The `typ` of access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessTokenType {
    /// Every verifier takes it
    #[value(name = "JWT")]
    Jwt,
    /// As in RFC 9068
    #[value(name = "at+jwt")]
    AtJwt,
}

impl AccessTokenType {
    /// As it stands in a token.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AtJwt => "at+jwt",
        }
    }
}

/// What an access token can tell of a user beside the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessClaim {
    /// The address, as `email`
    Email,
    /// The username, as `username`, if there is one
    Username,
}

/// What stands in access tokens.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the settings say what they mean")]
pub struct AccessConfig {
    /// `PUBLIC_URL` without a slash at its end: verifiers compare it to the character.
    pub issuer: String,
    pub audience: Vec<String>,
    pub client_id: String,
    pub token_type: AccessTokenType,
    pub claims: Vec<AccessClaim>,
    pub ttl: Duration,
}

impl AccessConfig {
    /// The settings of a service that users reach at `public_url`.
    pub fn new(settings: &Settings, public_url: &PublicUrl) -> Self {
        let issuer = public_url.of("");
        let audience = match settings.access_audience.as_slice() {
            [] => vec![issuer.clone()],
            audience => audience.to_vec(),
        };
        Self {
            issuer,
            audience,
            client_id: settings.access_client_id.clone(),
            token_type: settings.access_token_type,
            claims: settings.access_claims.clone(),
            ttl: settings.access_ttl,
        }
    }
}

/// Reads the lifetime of an access token: from a second to a day, because nobody can end one earlier.
pub fn ttl(text: &str) -> Result<Duration, String> {
    match value::duration(text)? {
        ttl if ttl > LONGEST_ACCESS => Err("must be a day at most: nobody can revoke an access token".into()),
        ttl => Ok(ttl),
    }
}

/// Reads a name for access tokens: an audience or a client.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > 255 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be a name or a URL of up to 255 characters, without blanks".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_day_at_most_and_a_name_has_no_blanks() {
        assert!(ttl("24h").is_ok() && ttl("25h").is_err() && ttl("0s").is_err());
        assert_eq!(name(" https://api.example.com ").unwrap(), "https://api.example.com");
        for wrong in ["", " ", "a b", "a\u{7}", &"a".repeat(256)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
    }
}
