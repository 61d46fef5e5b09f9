//! `PUBLIC_URL`: where people reach the service, and the path under which it answers there.

use std::ops::Deref;
use std::str::FromStr;

use url::Url;

use super::value::web_url;

/// An http or https URL without query, fragment and credentials. A slash at its end does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// The path under which everything is: empty, or such as `/auth`.
    pub fn base_path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }

    /// The URL of one of our paths, which begins with a slash.
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_str().trim_end_matches('/'))
    }
}

impl Deref for PublicUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut url = web_url(text)?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        if has_credentials || url.query().is_some() || url.fragment().is_some() {
            return Err("must be scheme, host, port and path alone, as in https://app.example.com/auth".into());
        }
        let path = url.path().strip_suffix('/').unwrap_or(url.path()).to_owned();
        // Other characters have several spellings, of which a proxy may choose any.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if !path.split('/').skip(1).all(|segment| !segment.is_empty() && segment.chars().all(is_plain)) {
            return Err("must have only A-Z a-z 0-9 - . _ ~ between the slashes of its path".into());
        }
        url.set_path(&path);
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_and_a_slash_at_the_end_does_not_count() {
        for (text, base_path, register) in [
            ("https://auth.example.com", "", "https://auth.example.com/register"),
            ("http://localhost:8080/", "", "http://localhost:8080/register"),
            ("https://app.example.com/auth", "/auth", "https://app.example.com/auth/register"),
            ("https://app.example.com/auth/", "/auth", "https://app.example.com/auth/register"),
            ("https://app.example.com/a-1/./b_~.c/", "/a-1/b_~.c", "https://app.example.com/a-1/b_~.c/register"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.base_path(), url.of("/register").as_str()), (base_path, register), "{text}");
            assert_eq!(url.as_str().parse(), Ok(url.clone()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in [
            "auth.example.com",
            "ftp://x",
            "https://u:p@x",
            "https://u@x/auth",
            "https://x/?a=b",
            "https://x/auth?",
            "https://x/auth#",
            "https://x//",
            "https://x//auth",
            "https://x/auth//",
            "https://x/a%75th",
            "https://x/größe",
            "https://x/{tail}*",
            "https://x/a:b",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}
