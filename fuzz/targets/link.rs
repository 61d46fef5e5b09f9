//! Links: no text is a link unless we signed it, and no edit of a link is a link.
//! The first two bytes say how and where a genuine token is edited; the rest is the token, or what goes into it.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use vestibule::config::key_ring;
use vestibule::link::{LinkError, Links, NewLink, Purpose};
use vestibule::user::UserId;

/// 2026-01-01, so that the times in the token are the same in every run.
const NOW: i64 = 1_767_225_600;
const HOUR: Duration = Duration::from_secs(3600);
const PURPOSE: Purpose = Purpose::ConfirmEmail;

static LINKS: LazyLock<Links> = LazyLock::new(|| links("ab"));
static FOREIGN: LazyLock<Links> = LazyLock::new(|| links("cd"));

fn links(byte: &str) -> Links {
    Links::new(&key_ring(&byte.repeat(32)).expect("a key"))
}

fn new_link(user_id: UserId, email_canonical: &str) -> NewLink<'_> {
    NewLink { purpose: PURPOSE, user_id, email_canonical, reference: None, ttl: HOUR }
}

fuzz_target!(|data: &[u8]| {
    let Some(([edit, at], rest)) = data.split_first_chunk() else { return };
    let text = String::from_utf8_lossy(rest);
    let now = DateTime::from_timestamp(NOW, 0).expect("a time");

    // An unsigned text is no link: the fuzzer cannot guess a signature.
    assert_eq!(LINKS.read(&text, &[PURPOSE], now).err(), Some(LinkError::Invalid), "{text:?}");

    // Reading a link returns what was signed until it expires, and only with our key.
    let id = UserId::new();
    let token = LINKS.sign(new_link(id, &text), now).expect("HS256 signs everything");
    let read = LINKS.read(&token, &[PURPOSE], now);
    if token.len() > 2048 {
        assert_eq!(read.err(), Some(LinkError::Invalid));
        return;
    }
    let link = read.expect("a genuine link");
    assert_eq!((link.purpose, link.user_id, link.email_canonical.as_str()), (PURPOSE, id, &*text));
    assert_eq!(LINKS.read(&token, &[PURPOSE], link.expires_at).err(), Some(LinkError::Expired));
    assert_eq!(FOREIGN.read(&token, &[PURPOSE], now).err(), Some(LinkError::Invalid));

    let edited = edited(&token, *edit, usize::from(*at) * token.len() / 256, &text);
    // What stands around a token does not count, and it may be percent-encoded.
    let is_around = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    if edited.trim_matches(is_around) != token && !edited.contains('%') {
        assert_eq!(LINKS.read(&edited, &[PURPOSE], now).err(), Some(LinkError::Invalid), "{edited:?}");
    }
});

/// An edit: insert, delete, overwrite, replace a part, truncate, or repeat.
fn edited(token: &str, edit: u8, at: usize, text: &str) -> String {
    let (before, after) = token.split_at(at);
    let parts: Vec<&str> = token.split('.').collect();
    match edit % 8 {
        0 => format!("{before}{text}{after}"),
        1 => format!("{before}{}", &after[1..]),
        2 => format!("{before}{text}{}", after.get(text.len()..).unwrap_or_default()),
        3 => format!("{text}.{}.{}", parts[1], parts[2]),
        4 => format!("{}.{text}.{}", parts[0], parts[2]),
        5 => format!("{}.{}.{text}", parts[0], parts[1]),
        6 => before.to_owned(),
        _ => format!("{token}{text}{token}"),
    }
}
