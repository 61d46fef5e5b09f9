//! The page that a visitor asked a proxy for, to lead back to it after the sign-in.
//!
//! If this could be a page anywhere, a link to a page that people trust would send them, once they signed in, to a copy of
//! it.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use url::Url;

use crate::app::App;
use crate::request::is_trusted;

/// The longest address of a page, in bytes.
const LONGEST: usize = 2048;

/// The page, if a trusted proxy names one of the known origins.
pub fn asked_page(req: &HttpRequest, app: &App) -> Option<Url> {
    let peer = req.peer_addr()?.ip();
    let page =
        is_trusted(peer, &app.config.trusted_proxies).then(|| on_origin(req.headers(), &app.config.verify.origins));
    page.flatten()
}

/// The page that these headers name, if it is on one of these origins. nginx is configured to name it as a whole; other
/// proxies send its parts.
fn on_origin(headers: &HeaderMap, origins: &[String]) -> Option<Url> {
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
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn page_of(fields: &[(&str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let origins = ["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()];
        on_origin(&headers, &origins).map(String::from)
    }

    fn forwarded(proto: &str, host: &str, uri: &str) -> Option<String> {
        page_of(&[("x-forwarded-proto", proto), ("x-forwarded-host", host), ("x-forwarded-uri", uri)])
    }

    #[test]
    fn the_page_that_was_asked_for_is_put_together() {
        let page = Some("https://app.example.com/a?b=%2F&c=https://evil.example".to_owned());
        assert_eq!(forwarded("https", "app.example.com", "/a?b=%2F&c=https://evil.example"), page);
        assert_eq!(forwarded("https", "APP.example.com:443", "/a?b=%2F&c=https://evil.example"), page);
        assert_eq!(page_of(&[("x-original-url", page.as_deref().unwrap())]), page);
        assert_eq!(forwarded("http", "localhost:3000", "/"), Some("http://localhost:3000/".to_owned()));
        assert_eq!(page_of(&[]), None);
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
            let page = forwarded("https", "app.example.com", uri).unwrap();
            assert!(page.starts_with("https://app.example.com/"), "{uri:?}: {page}");
        }
        for proto in ["javascript", "http", "https://evil.example/?", "", "data"] {
            assert_eq!(forwarded(proto, "app.example.com", "/"), None, "{proto:?}");
        }
        for url in ["https://evil.example/", "//app.example.com/", "javascript:alert(1)//app.example.com", "/"] {
            assert_eq!(page_of(&[("x-original-url", url)]), None, "{url:?}");
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
        assert_eq!(page_of(&fields), None);
    }
}
