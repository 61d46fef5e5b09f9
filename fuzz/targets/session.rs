//! Session tokens and the headers that carry them: a token is always a part of a header, each has one spelling, and a
//! bearer token overrides every cookie.
//! Each line is a header: `a…` an `Authorization`, `c…` a `Cookie`; other lines are read as tokens.
#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use vestibule::session::SessionCookies;
use vestibule::token::Token;
use vestibule_fuzz::config;

static COOKIES: LazyLock<SessionCookies> = LazyLock::new(|| SessionCookies::new(&config()));

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
            _ => std::str::from_utf8(line).into_iter().for_each(check_spelling),
        }
    }
    let found = COOKIES.token_of(&headers);
    let cookie_token = COOKIES.token_of(&cookies_only);
    if let Some(token) = &found {
        check_spelling(token.reveal());
        let is_written = |value: &HeaderValue| {
            value.as_bytes().windows(token.reveal().len()).any(|window| window == token.reveal().as_bytes())
        };
        assert!(headers.iter().any(|(_, value)| is_written(value)), "no header contains the token");
    }
    let first = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    let first = std::str::from_utf8(first).unwrap_or_default().trim();
    let has_bearer =
        first.split_once(char::is_whitespace).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if has_bearer {
        let token = first.split_once(char::is_whitespace).and_then(|(_, token)| Token::parse(token.trim()));
        assert!(found == token, "a cookie counts although there is a bearer token");
    } else {
        assert!(found == cookie_token, "another scheme changes the token of the cookies");
    }
});

/// A token prints as it was parsed, and no other text is the same 256 bits.
fn check_spelling(text: &str) {
    let Some(token) = Token::parse(text) else { return };
    assert_eq!(token.reveal(), text);
    assert_eq!(text.len(), 43, "{text:?}");
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text:?}");
    assert_eq!(format!("{token:?}"), "[redacted]");
    for last in "AEIMQUYcgkosw048BCDFGH-_".chars() {
        let other = format!("{}{last}", &text[..42]);
        if let Some(read) = Token::parse(&other) {
            assert_eq!(read.sha256() == token.sha256(), other == text, "{other:?} and {text:?}");
        }
    }
}
