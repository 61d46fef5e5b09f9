//! Origins: only the allowed ones may make changes, and a second header never helps.
//! Each line is an `Origin`, or a `Sec-Fetch-Site` if it begins with `s`.
#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use libfuzzer_sys::fuzz_target;
use vestibule::session::AllowedOrigins;

const OWN: [&str; 2] = ["https://auth.example.com", "https://app.example.com"];
const LOOPBACK: [&str; 3] = ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"];

static PUBLIC: LazyLock<AllowedOrigins> = LazyLock::new(|| origins("https://auth.example.com", &[OWN[1].to_owned()]));
static LOCAL: LazyLock<AllowedOrigins> = LazyLock::new(|| origins("http://127.0.0.1:8080", &[]));

fn origins(public_url: &str, allowed: &[String]) -> AllowedOrigins {
    AllowedOrigins::new(&public_url.parse().expect("a URL"), allowed)
}

fuzz_target!(|data: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (name, value) = match line.strip_prefix(b"s") {
            Some(site) => (HeaderName::from_static("sec-fetch-site"), site),
            None => (ORIGIN, line),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    check(&PUBLIC, &OWN, &headers);
    check(&LOCAL, &LOOPBACK, &headers);
});

fn check(origins: &AllowedOrigins, own: &[&str], headers: &HeaderMap) {
    let given: Vec<&[u8]> = headers.get_all(ORIGIN).map(HeaderValue::as_bytes).collect();
    let sites: Vec<&[u8]> = headers.get_all("sec-fetch-site").map(HeaderValue::as_bytes).collect();
    let expected = if given.is_empty() {
        sites.iter().all(|site| matches!(*site, b"same-origin" | b"none"))
    } else {
        given.iter().all(|origin| own.iter().any(|own| own.as_bytes() == *origin))
    };
    assert_eq!(origins.may_change(headers), expected, "{headers:?}");
    let mut more = headers.clone();
    more.append(ORIGIN, HeaderValue::from_static("https://evil.example"));
    assert!(!origins.may_change(&more), "{headers:?}: allowed although a foreign origin was added");
}
