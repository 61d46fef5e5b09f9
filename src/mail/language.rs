//! Which languages a client accepts, and the times, durations and devices in mails.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, Utc};

use crate::request::device_name;

const GERMAN_MONTHS: &str = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember";

/// The languages of an `Accept-Language` header (RFC 9110, section 12.5.4), the preferred one first, without regions.
pub(super) fn accepted(header: &str) -> Vec<String> {
    let mut ranges: Vec<(f32, String)> = header.split(',').take(32).filter_map(range).collect();
    // The sort is stable, so the order in the header decides between equals.
    ranges.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ranges.into_iter().map(|(_, language)| language).collect()
}

fn range(text: &str) -> Option<(f32, String)> {
    let mut parts = text.split(';').map(str::trim);
    let language = parts.next()?.split('-').next()?.to_ascii_lowercase();
    let quality = match parts.find_map(|part| part.strip_prefix("q=")) {
        Some(text) => text.parse().ok()?,
        None => 1.0,
    };
    (quality > 0.0 && !language.is_empty()).then_some((quality, language))
}

pub(super) fn when(language: &str, at: DateTime<Utc>) -> String {
    match language {
        "en" => at.format("%-d %B %Y at %H:%M UTC").to_string(),
        "de" => {
            let month = GERMAN_MONTHS.split(' ').nth(at.month0() as usize).unwrap_or_default();
            format!("{}. {month} {} um {} UTC", at.day(), at.year(), at.format("%H:%M"))
        }
        _ => at.format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

/// Never the program's own `User-Agent`, in which a stranger could write to the reader.
pub(super) fn device(language: &str, user_agent: Option<&str>) -> String {
    let name = device_name(user_agent);
    match (language, name.as_str()) {
        ("de", "an unnamed program") => "einem unbekannten Programm".to_owned(),
        ("de", "an Android app") => "einer Android-App".to_owned(),
        ("de", "an Apple app") => "einer Apple-App".to_owned(),
        ("de", "a Python script") => "einem Python-Skript".to_owned(),
        ("de", _) => name.replace(" on ", " auf "),
        _ => name,
    }
}

/// In the largest unit without a remainder.
pub(super) fn lifetime(language: &str, ttl: Duration) -> String {
    let seconds = ttl.as_secs();
    let units: [(u64, [&str; 4], &str); 4] = [
        (86_400, ["day", "days", "Tag", "Tage"], "d"),
        (3600, ["hour", "hours", "Stunde", "Stunden"], "h"),
        (60, ["minute", "minutes", "Minute", "Minuten"], "min"),
        (1, ["second", "seconds", "Sekunde", "Sekunden"], "s"),
    ];
    // One day is given as 24 hours.
    let exact =
        units.iter().find(|(length, ..)| seconds.is_multiple_of(*length) && (*length < 86_400 || seconds > *length));
    let Some((length, names, symbol)) = exact else {
        return String::new();
    };
    let count = seconds / length;
    let [one, many, one_german, many_german] = names;
    let name = match (language, count) {
        ("en", 1) => one,
        ("en", _) => many,
        ("de", 1) => one_german,
        ("de", _) => many_german,
        _ => symbol,
    };
    format!("{count} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_taken_by_preference() {
        assert_eq!(accepted("de-AT, en;q=0.8, fr;q=0.9"), ["de", "fr", "en"]);
        assert_eq!(accepted("*;q=0.1, en;q=0, x-y"), ["x", "*"]);
        assert!(accepted(";;,q=1;q=nonsense").len() < 2);
        assert!(accepted("").is_empty());
    }

    #[test]
    fn lifetimes_are_in_the_largest_unit_without_a_remainder() {
        let text = |seconds| lifetime("en", Duration::from_secs(seconds));
        assert_eq!(text(86_400), "24 hours");
        assert_eq!(text(172_800), "2 days");
        assert_eq!(text(3600), "1 hour");
        assert_eq!(text(1800), "30 minutes");
        assert_eq!(text(90), "90 seconds");
        assert_eq!(lifetime("de", Duration::from_secs(3600)), "1 Stunde");
        assert_eq!(lifetime("fr", Duration::from_secs(1800)), "30 min");
    }

    #[test]
    fn times_are_in_the_language() {
        let at = DateTime::from_timestamp(1_772_323_800, 0).unwrap_or_default();
        assert_eq!(when("en", at), "1 March 2026 at 00:10 UTC");
        assert_eq!(when("de", at), "1. März 2026 um 00:10 UTC");
        assert_eq!(when("fr", at), "2026-03-01 00:10 UTC");
    }
}
