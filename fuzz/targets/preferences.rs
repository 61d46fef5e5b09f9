//! `Accept` and `Accept-Language`: what is asked for alone is given, what is refused is not, and nothing else exists.
//! Line by line, each read as both headers.
#![no_main]

use std::sync::LazyLock;

use actix_web::http::header::{ACCEPT, HeaderValue};
use actix_web::test::TestRequest;
use libfuzzer_sys::fuzz_target;
use vestibule::mail::MailTemplates;
use vestibule::http::pages::wants_html;

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
    assert!(!is_page || text.contains("text/html"), "{text:?}: a page for somebody who does not name it");
    if value.to_str().is_err() {
        return;
    }
    let with = |more: &str| asks(HeaderValue::try_from(format!("{text}, {more}")).expect("a header"));
    let ranges = || text.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    if !ranges().any(|range| range == "application/json") {
        assert!(with("text/html"), "{text:?}: text/html without a weight is refused");
    }
    if is_page {
        assert!(with("text/html;q=0.1"), "{text:?}: one more way to ask for a page takes it away");
        assert!(with("application/json;q=0"), "{text:?}: no JSON, no page");
    } else {
        assert!(!with("application/json"), "{text:?}: to ask for JSON gives a page");
    }
}

fn languages(header: &str) {
    let known = ["en", "de"];
    let chosen = TEMPLATES.choose(Some(header));
    assert!(known.contains(&chosen.as_str()), "{chosen:?} is no language of ours");
    assert!(chosen == "en" || header.to_ascii_lowercase().contains(&chosen), "{header:?}: nobody asked for {chosen}");
    if header.len() < 100 && header.matches(',').count() < 16 {
        let behind = TEMPLATES.choose(Some(&format!("{header}, xx;q=0.001")));
        assert_eq!(behind, chosen, "{header:?}: a language that we do not have changes the choice");
        for language in known {
            if !header.contains(|c: char| c.is_ascii_alphanumeric()) {
                assert_eq!(TEMPLATES.choose(Some(&format!("{header},{language}-AT"))), language, "{header:?}");
            }
        }
    }
}
