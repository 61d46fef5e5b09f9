//! Settings: an accepted value prints and parses back as itself; a secret is neither shown nor repeated in a refusal.
//! The first byte chooses the setting, the rest is its value.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use url::{Position, Url};
use vestibule::config::{PublicUrl, database_url, origin, value};
use vestibule_fuzz::is_telling;

fuzz_target!(|data: &[u8]| {
    let Some((setting, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match setting % 8 {
        0 => {
            if let Ok(url) = not_repeated(text, database_url(text)) {
                assert_eq!(database_url(url.reveal()).as_ref(), Ok(&url), "the parsed form is no fixed point");
            }
        }
        1 => {
            if let Ok(ring) = not_repeated(text, value::key_ring(text)) {
                assert!(ring.all().all(|key| key.len() >= 32), "a short key");
                assert_eq!(ring.all().count(), text.split(',').count());
                assert_eq!(ring.all().next(), Some(ring.signing()));
                let hex = |key: &[u8]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                let printed = ring.all().map(hex).collect::<Vec<_>>().join(",");
                let again = value::key_ring(&printed).expect("keys in hex");
                assert!(ring.all().eq(again.all()), "keys in hex are other keys");
            }
        }
        2 => {
            if let Ok(url) = not_repeated(text, value::smtp_url(text)) {
                assert_eq!(url.reveal(), text);
            }
        }
        3 => {
            if let Ok(url) = not_repeated(text, text.parse::<PublicUrl>()) {
                let again: PublicUrl = url.as_str().parse().expect("a printed URL is valid");
                assert_eq!(again, url);
                assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none());
                assert_eq!(Url::parse(&url.of("/me")).expect("a URL").path(), format!("{}/me", url.base_path()));
            }
        }
        4 => {
            if let Ok(read) = origin(text) {
                assert_eq!(origin(&read).as_ref(), Ok(&read), "{text:?}: the parsed form is no fixed point");
                assert!(read.is_ascii() && !read.ends_with('/') && read != "null", "{read:?}");
            }
        }
        5 => {
            if let Ok(template) = value::link_template(text) {
                let link = template.link("aaaa.bbbb.cccc");
                assert!(!link.contains("{token}") && link.contains("aaaa.bbbb.cccc"), "{link:?}");
                assert!(!link.contains(char::is_control) && !link.contains(char::is_whitespace), "{link:?}");
                let (this, other) = (Url::parse(&link), Url::parse(&template.link("dddd.eeee.ffff")));
                let before_path = |url: Result<Url, _>| url.map(|url| url[..Position::BeforePath].to_owned());
                let host = before_path(this).expect("a link is a URL");
                assert_eq!(before_path(other).as_ref(), Ok(&host), "{link:?}: the token is in the host");
                let scheme = link.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
                assert!(matches!(scheme.as_deref(), Some("http" | "https")), "{link:?}");
            }
        }
        6 => {
            if let Ok(duration) = value::duration(text) {
                assert!((1..=366 * 24 * 3600).contains(&duration.as_secs()), "{duration:?}");
            }
        }
        _ => {
            if let Ok(network) = value::network(text) {
                assert_eq!(value::network(&network.to_string()), Ok(network));
                assert!(network.contains(&network.addr()));
            }
        }
    }
});

/// Checks that the reason of a refusal does not repeat the value.
fn not_repeated<T: Debug>(text: &str, read: Result<T, String>) -> Result<T, String> {
    if let Err(reason) = &read {
        assert!(!is_telling(text) || !reason.contains(text), "the reason repeats the value");
    }
    read
}
