//! The values of settings: each is parsed once. The reason of a refusal never repeats a secret.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ipnet::IpNet;
use lettre::message::Mailbox;
use url::{Position, Url};

use super::PublicUrl;

/// The fewest bytes of a secret key: HMAC-SHA-256 asks as many as its output (RFC 7518, section 3.2).
const SECRET_KEY_BYTES: usize = 32;

/// The longest lifetime that can be set: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How long something may be kept.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 3600);
const LONGEST_RETENTION: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One or more secret keys: the first signs, all verify.
#[derive(Clone)]
pub struct KeyRing(Vec<Vec<u8>>);

impl KeyRing {
    /// The key that signs. The ring is never empty.
    pub fn signing(&self) -> &[u8] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// All keys, the signing one first.
    pub fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} keys, redacted]", self.0.len())
    }
}

/// Reads one or more keys in base64 or hex, of at least 32 bytes each.
pub fn key_ring(text: &str) -> Result<KeyRing, String> {
    text.split(',').map(|key| decode_key(key.trim())).collect::<Result<Vec<_>, _>>().map(KeyRing)
}

fn decode_key(text: &str) -> Result<Vec<u8>, String> {
    let decoded = hex::decode(text).ok().or_else(|| {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|base64| base64.decode(text).ok())
    });
    match decoded {
        Some(key) if key.len() >= SECRET_KEY_BYTES => Ok(key),
        Some(_) => Err("a key needs at least 32 bytes; `openssl rand -base64 32` makes one".into()),
        None => Err("a key is written in base64 or hex; `openssl rand -base64 32` makes one".into()),
    }
}

impl FromStr for KeyRing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        key_ring(text)
    }
}

/// A URL in which `{token}` stands for the token of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTemplate(String);

impl LinkTemplate {
    /// The page of the service itself at `path`.
    pub fn own_page(public_url: &PublicUrl, path: &str) -> Self {
        Self(public_url.of(&format!("{path}/{{token}}")))
    }

    /// The URL with `token` in it.
    pub fn link(&self, token: &str) -> String {
        self.0.replace("{token}", token)
    }
}

impl FromStr for LinkTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        link_template(text)
    }
}

/// Reads an http or https URL that has `{token}` once, and not in the host.
pub fn link_template(text: &str) -> Result<LinkTemplate, String> {
    const TOKEN: &str = "token-of-a-link";
    if text.matches("{token}").count() != 1 {
        return Err("must have {token} in it, once".into());
    }
    // `Url` accepts white space, backslashes and missing slashes; mail programs that look for links do not.
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_web = matches!(scheme.as_deref(), Some("http" | "https"));
    let is_one_word = !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    match Url::parse(&text.replace("{token}", TOKEN)) {
        // In the host name, every name server would see it.
        Ok(url) if is_web && url[..Position::BeforePath].contains(TOKEN) => {
            Err("must have {token} after the host".into())
        }
        Ok(url) if is_web && is_one_word && url.has_host() => Ok(LinkTemplate(text.to_owned())),
        _ => Err("must be an http:// or https:// URL".into()),
    }
}

/// Reads an http or https URL.
pub(super) fn web_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        _ => Err("must be an http:// or https:// URL".into()),
    }
}

/// Reads an `smtp` or `smtps` URL.
pub fn smtp_url(text: &str) -> Result<Secret, String> {
    let url = Url::parse(text).map_err(|_| "must be an smtp:// or smtps:// URL")?;
    if !matches!(url.scheme(), "smtp" | "smtps") || !url.has_host() {
        return Err("must be an smtp:// or smtps:// URL with a host".into());
    }
    for (name, value) in url.query_pairs() {
        if name != "tls" || !matches!(value.as_ref(), "required" | "opportunistic") {
            return Err("takes ?tls=required or ?tls=opportunistic and nothing else".into());
        }
    }
    Ok(Secret(text.to_owned()))
}

/// Reads the name of a cookie: a token (RFC 6265, section 4.1.1) without one of the prefixes that browsers judge.
pub fn cookie_name(text: &str) -> Result<String, String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.is_empty() || !text.chars().all(is_token) {
        return Err("must have only letters A-Z, digits and !#$%&'*+-.^_`|~ in it".into());
    }
    let lower = text.to_ascii_lowercase();
    if ["__host-", "__secure-", "__http-"].iter().any(|prefix| lower.starts_with(prefix)) {
        return Err("must have no prefix such as __Host-, which is added under https".into());
    }
    Ok(text.to_owned())
}

/// Reads an address, with a name if there is one.
pub fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|_| {
        "must be an address such as Example <no-reply@example.com>; a name with . , : ; ( ) or @ in it needs quotes: \
         \"Example, Inc.\" <no-reply@example.com>"
            .into()
    })
}

/// Reads a lifetime such as `30m`, `12h`, `14d`: from a second to a year.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.as_secs() == 0 => Err("must be at least 1s".into()),
        Ok(duration) if duration > LONGEST => Err("must be a year at most".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("must be a duration such as 30m, 12h or 14d".into()),
    }
}

/// Reads a number of database connections: some send mails, one listens, and requests need several.
pub fn connections() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(8..=1000)
}

/// Reads how long something is kept, such as `90d`: from a day to ten years.
pub fn retention(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration < SHORTEST_RETENTION => Err("must be at least 1d".into()),
        Ok(duration) if duration > LONGEST_RETENTION => Err("must be ten years at most".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("must be a duration such as 90d or 2y".into()),
    }
}

/// Reads how often something may be done.
pub fn limit() -> clap::builder::RangedI64ValueParser<i32> {
    clap::value_parser!(i32).range(1..=1_000_000)
}

/// Reads a network, or an address as a network of one.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "must be addresses or networks such as 10.0.0.0/8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_base64_and_hex_and_short_ones_refused() {
        let hex = "ab".repeat(32);
        assert_eq!(key_ring(&hex).unwrap().signing(), [0xab; 32]);
        assert_eq!(key_ring(&hex.to_uppercase()).unwrap().signing(), [0xab; 32]);
        let base64 = STANDARD.encode([7u8; 32]);
        let ring = key_ring(&format!("{base64},{hex}")).unwrap();
        assert_eq!(ring.signing(), [7; 32]);
        assert_eq!(ring.all().count(), 2);
        assert!(key_ring(&"ab".repeat(31)).unwrap_err().contains("32 bytes"));
        assert!(key_ring("").is_err());
        assert!(key_ring("correct horse battery staple").is_err());
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        assert_eq!(format!("{:?}", Secret::from("hunter2".to_owned())), "[redacted]");
        assert!(!format!("{:?}", key_ring(&"ab".repeat(32)).unwrap()).contains("171"));
    }

    #[test]
    fn a_link_template_names_its_token_once() {
        let template = link_template("https://app.example.com/#/confirm?t={token}").unwrap();
        assert_eq!(template.link("abc"), "https://app.example.com/#/confirm?t=abc");
        for wrong in [
            "https://app.example.com/",
            "{token}",
            "javascript:{token}",
            "https://x/{token}{token}",
            "https:x/{token}",
            " https://x/{token}",
            "https://x/\t?t={token}",
            "https:\\\\x\\{token}",
            "https://{token}.example.com/",
            "https://{token}@example.com/",
        ] {
            assert!(link_template(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_sender_whose_name_needs_quotes_is_refused_with_an_example() {
        let quoted = mailbox("\"Example, Inc.\" <no-reply@example.com>").unwrap();
        assert_eq!(quoted.name.as_deref(), Some("Example, Inc."));
        for wrong in ["Example, Inc. <no-reply@example.com>", "Ada (home) <ada@example.com>", "nobody", ""] {
            assert!(mailbox(wrong).unwrap_err().contains("\"Example, Inc.\" <"), "{wrong}");
        }
    }

    #[test]
    fn a_cookie_name_is_a_token_without_a_prefix() {
        assert_eq!(cookie_name("my-app.session").unwrap(), "my-app.session");
        for wrong in ["", "a b", "a=b", "a;b", "größe", "a\r\nb", "a\"b", "__Host-a", "__secure-a", "__Http-a"] {
            assert!(cookie_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations_are_bounded() {
        assert_eq!(duration("30d").unwrap().as_secs(), 30 * 86_400);
        for wrong in ["", "0s", "-1h", "soon", "400d", "12"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
