//! The login page of `/verify`, and where it leads back to.
//!
//! If `next` could lead anywhere, a link to a page that people trust would send them, once they signed in, to a copy of it.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue};
use url::Url;

use crate::app::App;
use crate::request::is_trusted;

/// The longest `next`, in bytes.
const LONGEST: usize = 2048;

/// `LOGIN_URL`, with `next` if a trusted proxy names the page that was asked for.
pub fn url(req: &HttpRequest, app: &App) -> Option<HeaderValue> {
    let config = &app.config.verify;
    let mut url = config.login_url.clone()?;
    let peer = req.peer_addr().map(|address| address.ip());
    if peer.is_some_and(|peer| is_trusted(peer, &app.config.trusted_proxies))
        && let Some(next) = next(req.headers(), &config.origins)
    {
        url.query_pairs_mut().append_pair("next", next.as_str());
    }
    HeaderValue::from_str(url.as_str()).ok()
}

/// The page that was asked for, if it is on one of these origins. nginx is configured to name it as a whole; other proxies
/// send its parts.
fn next(headers: &HeaderMap, origins: &[String]) -> Option<Url> {
    let url = match only(headers, "x-original-url") {
        Some(url) => url.to_owned(),
        None => {
            let part = |name| only(headers, name);
            let (scheme, host) = (part("x-forwarded-proto")?, part("x-forwarded-host")?);
            let path = part("x-forwarded-uri")?;
            if !path.starts_with('/') {
                return None;
            }
            format!("{scheme}://{host}{path}")
        }
    };
    // What a browser could read in another way than we do: it takes `\` for `/`, and skips some white space.
    let is_plain = url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let parsed = Url::parse(&url).ok().filter(|_| is_plain && url.len() <= LONGEST)?;
    let is_bare = parsed.username().is_empty() && parsed.password().is_none();
    (is_bare && origins.contains(&parsed.origin().ascii_serialization())).then_some(parsed)
}

/// The value of a header that the request has once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    fn next_of(fields: &[(&str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let origins = ["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()];
        next(&headers, &origins).map(String::from)
    }

    fn forwarded(proto: &str, host: &str, uri: &str) -> Option<String> {
        next_of(&[("x-forwarded-proto", proto), ("x-forwarded-host", host), ("x-forwarded-uri", uri)])
    }

    #[test]
    fn the_page_that_was_asked_for_is_put_together() {
        let page = Some("https://app.example.com/a?b=%2F&c=https://evil.example".to_owned());
        assert_eq!(forwarded("https", "app.example.com", "/a?b=%2F&c=https://evil.example"), page);
        assert_eq!(forwarded("https", "APP.example.com:443", "/a?b=%2F&c=https://evil.example"), page);
        assert_eq!(next_of(&[("x-original-url", page.as_deref().unwrap())]), page);
        assert_eq!(forwarded("http", "localhost:3000", "/"), Some("http://localhost:3000/".to_owned()));
        assert_eq!(next_of(&[]), None);
    }

    #[test]
    fn nothing_leads_to_another_origin() {
        for host in [
            "evil.example",
            "evil.example/app.example.com",
            "evil.example\\@app.example.com",
            "app.example.com@evil.example",
            "ada@app.example.com",
            "ada:pw@app.example.com",
            "app.example.com.evil.example",
            "evil.example#app.example.com",
            "evil.example?app.example.com",
            "app.example.com:444",
            "app.example.com:80",
            "app.example.com, evil.example",
            "аpp.example.com",
            "xn--pp-nlc.example.com",
            "app.example.com\t.evil.example",
            "",
            "/evil.example",
            "localhost:3000",
        ] {
            assert_eq!(forwarded("https", host, "/"), None, "{host:?}");
        }
        for uri in [
            "",
            "evil",
            "@evil.example/",
            ".evil.example/",
            ":80@evil.example/",
            "\\evil.example",
            "/\\evil",
            "/\t",
            "https://evil.example/",
            "/é",
        ] {
            assert_eq!(forwarded("https", "app.example.com", uri), None, "{uri:?}");
        }
        for uri in ["//evil.example", "/@evil.example", "/%0d%0aLocation:%20x", "/..//evil.example", "/%5cevil.example"]
        {
            let next = forwarded("https", "app.example.com", uri).unwrap();
            assert!(next.starts_with("https://app.example.com/"), "{uri:?}: {next}");
        }
        for proto in ["javascript", "http", "https://evil.example/?", "", "data"] {
            assert_eq!(forwarded(proto, "app.example.com", "/"), None, "{proto:?}");
        }
        for url in ["https://evil.example/", "//app.example.com/", "javascript:alert(1)//app.example.com", "/"] {
            assert_eq!(next_of(&[("x-original-url", url)]), None, "{url:?}");
        }
    }

    #[test]
    fn a_header_that_came_twice_counts_for_nothing() {
        let fields = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-uri", "/"),
        ];
        assert_eq!(next_of(&fields), None);
    }
}
