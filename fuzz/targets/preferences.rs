//! `Accept` and `Accept-Language`: a client gets what it asks for, and never what it refuses or what does not exist.
//! Each line is read as both headers.
#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{ACCEPT, HeaderValue};
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use vestibule::http::pages::wants_html;
use vestibule::mail::MailTemplates;

static TEMPLATES: LazyLock<MailTemplates> = LazyLock::new(MailTemplates::built_in);

fuzz_target!(|data: &[u8]| {
    for line in data.split(|byte| *byte == b'\n') {
        page_or_json(line);
        if let Ok(text) = std::str::from_utf8(line) {
            languages(text);
        }
    }
});

fn page_or_json(accept: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(accept) else { return };
    let asks =
        |value: HeaderValue| wants_html(&TestRequest::default().insert_header((ACCEPT, value)).to_http_request());
    let text = String::from_utf8_lossy(accept).to_ascii_lowercase();
    let is_page = asks(value.clone());
    assert!(!is_page || text.contains("text/html"), "{text:?}: a page although the header does not name it");
    if value.to_str().is_err() {
        return;
    }
    let with = |more: &str| asks(HeaderValue::try_from(format!("{text}, {more}")).expect("a header"));
    let ranges = || text.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    if !ranges().any(|range| range == "application/json") {
        assert!(with("text/html"), "{text:?}: text/html without a weight is refused");
    }
    if is_page {
        assert!(with("text/html;q=0.1"), "{text:?}: another request for a page removes the page");
        assert!(with("application/json;q=0"), "{text:?}: refusing JSON removes the page");
    } else {
        assert!(!with("application/json"), "{text:?}: asking for JSON gives a page");
    }
}

fn languages(header: &str) {
    let known = ["en", "de"];
    let chosen = TEMPLATES.choose(Some(header));
    assert!(known.contains(&chosen.as_str()), "{chosen:?} does not exist");
    assert!(chosen == "en" || header.to_ascii_lowercase().contains(&chosen), "{header:?} does not name {chosen}");
    if header.len() < 100 && header.matches(',').count() < 16 {
        let behind = TEMPLATES.choose(Some(&format!("{header}, xx;q=0.001")));
        assert_eq!(behind, chosen, "{header:?}: an unknown language changes the choice");
        for language in known {
            if !header.contains(|c: char| c.is_ascii_alphanumeric()) {
                assert_eq!(TEMPLATES.choose(Some(&format!("{header},{language}-AT"))), language, "{header:?}");
            }
        }
    }
}
