//! Session tokens and the headers that carry them: nothing is a token that is not written in a header, with one
//! spelling each, and a bearer token stands before every cookie.
//! Each line is a header: `a…` an `Authorization`, `c…` a `Cookie`; others are read as tokens.
#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use vestibule::session::{SessionCookies, SessionToken};
use vestibule_fuzz::config;

static MANAGER: LazyLock<SessionCookies> = LazyLock::new(|| SessionCookies::new(&config()));

fuzz_target!(|data: &[u8]| {
    let (mut headers, mut cookies_only) = (HeaderMap::new(), HeaderMap::new());
    for line in data.split(|byte| *byte == b'\n') {
        let Some((kind, value)) = line.split_first() else { continue };
        match (kind, HeaderValue::from_bytes(value)) {
            (b'a', Ok(value)) => headers.append(AUTHORIZATION, value),
            (b'c', Ok(value)) => {
                headers.append(COOKIE, value.clone());
                cookies_only.append(COOKIE, value);
            }
            _ => std::str::from_utf8(line).into_iter().for_each(one_spelling),
        }
    }
    let presented = MANAGER.presented_token(&headers);
    let of_cookies = MANAGER.presented_token(&cookies_only);
    if let Some(token) = &presented {
        one_spelling(token.reveal());
        let is_written = |value: &HeaderValue| {
            value.as_bytes().windows(token.reveal().len()).any(|window| window == token.reveal().as_bytes())
        };
        assert!(headers.iter().any(|(_, value)| is_written(value)), "a token that no header has");
    }
    let first = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has_bearer = first.split_once(' ').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if has_bearer {
        let token = first.split_once(' ').and_then(|(_, token)| SessionToken::parse(token.trim()));
        assert!(presented == token, "beside a bearer token a cookie counts");
    } else {
        assert!(presented == of_cookies, "another scheme changes what the cookies say");
    }
});

/// A token reads back as itself, and no other text is the same 256 bits.
fn one_spelling(text: &str) {
    let Some(token) = SessionToken::parse(text) else { return };
    assert_eq!(token.reveal(), text);
    assert_eq!(text.len(), 43, "{text:?}");
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text:?}");
    assert_eq!(format!("{token:?}"), "[redacted]");
    for last in "AEIMQUYcgkosw048BCDFGH-_".chars() {
        let other = format!("{}{last}", &text[..42]);
        if let Some(read) = SessionToken::parse(&other) {
            assert_eq!(read.sha256() == token.sha256(), other == text, "{other:?} and {text:?}");
        }
    }
}
