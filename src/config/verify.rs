//! The settings of `/verify`.

use url::Url;

use super::Settings;
use super::value::web_url;

/// Where visitors of the applications behind `/verify` sign in.
#[derive(Clone, Debug)]
pub struct VerifyConfig {
    /// The page to sign in.
    pub login_url: Option<Url>,
    /// Where that page may lead back to: origins, as browsers write them.
    pub origins: Vec<String>,
}

impl VerifyConfig {
    /// The settings of a service that users reach at `public_url`.
    pub fn new(settings: &Settings, public_url: &Url) -> Self {
        let mut origins = vec![public_url.origin().ascii_serialization()];
        origins.extend_from_slice(&settings.verify_origins);
        Self { login_url: settings.login_url.clone(), origins }
    }
}

/// Reads the URL of a page.
pub fn page_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no credentials in it".into());
    }
    Ok(url)
}

/// Reads the domain of a cookie: at least two labels, without a dot in front.
pub fn cookie_domain(text: &str) -> Result<String, String> {
    let domain = text.trim().trim_start_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let labels = domain.split('.').count();
    if labels < 2 || !domain.split('.').all(is_label) || domain.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("must be a domain that your hosts share, such as example.com".into());
    }
    Ok(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_domain_has_two_labels() {
        assert_eq!(cookie_domain(".Example.com").unwrap(), "example.com");
        for wrong in
            ["", "com", "localhost", "10.0.0.1", "[::1]", "a..b", "https://example.com", "example.com:80", "a b.c"]
        {
            assert!(cookie_domain(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_page_is_on_the_web() {
        assert!(page_url("https://app.example.com/#/sign-in").is_ok());
        for wrong in ["", "/login", "javascript:alert(1)", "https://ada@example.com/", "ftp://example.com"] {
            assert!(page_url(wrong).is_err(), "{wrong:?}");
        }
    }
}
