//! From which pages a browser may change something with a cookie.
//!
//! A browser adds the cookie to the requests of every page. Without this check, any page could act for its visitors, or
//! sign them in to an account of its own.

use actix_web::http::header::{HeaderMap, ORIGIN};
use url::Url;

use crate::config::is_loopback_url;

/// The service's own origin and those of the settings, as browsers write them.
#[derive(Clone, Debug)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// The names of loopback mean one machine, so one of them allows all.
    pub fn new(public_url: &Url, allowed: &[String]) -> Self {
        let mut origins = vec![public_url.origin().ascii_serialization()];
        if is_loopback_url(public_url) {
            for host in ["127.0.0.1", "localhost", "[::1]"] {
                let mut same = public_url.clone();
                if same.set_host(Some(host)).is_ok() {
                    origins.push(same.origin().ascii_serialization());
                }
            }
        }
        origins.extend_from_slice(allowed);
        Self(origins)
    }

    /// Whether a request with these headers may change something: judged by `Origin`, else by `Sec-Fetch-Site`. A request
    /// without both comes from no current browser.
    ///
    /// A form of our own pages has the origin `null`, because they send no referrer. Only a browser can say that it comes
    /// from the same origin all the same: no script can set that header.
    pub fn may_change(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).peekable();
        let mut sites = headers.get_all("sec-fetch-site").peekable();
        if origins.peek().is_some() {
            let is_own_form = sites.peek().is_some() && sites.all(|site| site == "same-origin");
            let is_allowed = |origin: &str| self.0.iter().any(|own| own == origin) || origin == "null" && is_own_form;
            return origins.all(|origin| origin.to_str().is_ok_and(is_allowed));
        }
        sites.all(|site| site == "same-origin" || site == "none")
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn may_change(public_url: &str, headers: &[(&str, &str)]) -> bool {
        let origins = AllowedOrigins::new(&public_url.parse().unwrap(), &["https://app.example.com".to_owned()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        origins.may_change(&map)
    }

    #[test]
    fn the_origin_decides() {
        let url = "https://auth.example.com";
        assert!(may_change(url, &[("origin", "https://auth.example.com")]));
        assert!(may_change(url, &[("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")]));
        for origin in [
            "https://evil.example",
            "http://auth.example.com",
            "https://auth.example.com:8443",
            "",
            "https://auth.example.com.evil.example",
            "https://AUTH.example.com/",
        ] {
            assert!(!may_change(url, &[("origin", origin), ("sec-fetch-site", "same-origin")]), "{origin}");
        }
        assert!(!may_change(url, &[("origin", url), ("origin", "https://evil.example")]));
    }

    #[test]
    fn a_form_of_our_own_pages_has_no_origin_and_passes() {
        let url = "https://auth.example.com";
        assert!(may_change(url, &[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        for site in ["same-site", "cross-site", "none", ""] {
            assert!(!may_change(url, &[("origin", "null"), ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!may_change(url, &[("origin", "null")]));
    }

    #[test]
    fn without_an_origin_the_fetch_site_decides() {
        let url = "https://auth.example.com";
        assert!(may_change(url, &[]));
        assert!(may_change(url, &[("sec-fetch-site", "same-origin")]));
        assert!(may_change(url, &[("sec-fetch-site", "none")]));
        assert!(!may_change(url, &[("sec-fetch-site", "same-site")]));
        assert!(!may_change(url, &[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn the_names_of_loopback_are_one_machine() {
        assert!(may_change("http://127.0.0.1:8080", &[("origin", "http://localhost:8080")]));
        assert!(!may_change("http://127.0.0.1:8080", &[("origin", "http://localhost:3000")]));
        assert!(!may_change("https://auth.example.com", &[("origin", "https://localhost")]));
    }
}
