//! Addresses: an accepted one has one canonical spelling, can receive mail, and cannot break out of a header line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::user::{Email, deliverable};

fuzz_target!(|text: &str| {
    let Ok(email) = Email::parse(text) else { return };
    let (typed, canonical) = (email.as_typed(), email.canonical());
    for form in [typed, canonical] {
        assert!(form.len() <= 254, "{form:?} is too long");
        assert!(!form.chars().any(|c| c.is_control() || c.is_whitespace()), "{form:?} can break a line");
        assert!(
            !form.contains(['<', '>', ',', ';', ':', '"', '\\', '(', ')', '[', ']']),
            "{form:?} is a list or a name"
        );
        assert_eq!(form.matches('@').count(), 1, "{form:?}");
        assert!(form.split('@').next().is_some_and(|local| local.len() <= 64), "{form:?}: too long before the @");
        // Stored addresses are parsed again: both forms are addresses of the same mailbox.
        let again = Email::parse(form).unwrap_or_else(|error| panic!("{form:?} of {text:?}: {error}"));
        assert_eq!(again.as_typed(), form, "the typed form is a fixed point");
        assert_eq!(again.canonical(), canonical, "{form:?} of {text:?}: the canonical form is a fixed point");
    }
    // In lower case it is the same mailbox. Character by character, as `str::to_lowercase` makes a final Σ a ς.
    if let Some((local, domain)) = typed.split_once('@') {
        let lower: String = local.chars().flat_map(char::to_lowercase).collect();
        if let Ok(email) = Email::parse(&format!("{lower}@{domain}")) {
            assert_eq!(email.canonical(), canonical, "{text:?}: the case makes another mailbox");
        }
    }
    let domain = canonical.split('@').nth(1).unwrap_or_default();
    assert!(domain.is_ascii() && domain == domain.to_ascii_lowercase(), "{domain:?}");
    let mailed = deliverable(typed).expect("an accepted address can receive mail");
    assert!(mailed.len() <= 254, "{mailed:?} is too long");
    let mailed = Email::parse(&mailed).expect("the mailed form is an address");
    assert_eq!(mailed.canonical(), canonical, "the mailed form is the same mailbox");
    assert_eq!(format!("{email:?}"), "Email(…)");
});
