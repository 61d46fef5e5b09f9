//! Addresses: what is accepted has one canonical spelling, can be mailed, and cannot break out of a header line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::user::{Email, deliverable};

fuzz_target!(|text: &str| {
    let Ok(email) = Email::parse(text) else { return };
    let (typed, canonical) = (email.as_typed(), email.canonical());
    for form in [typed, canonical] {
        assert!(form.len() <= 254, "{form:?} is too long");
        assert!(!form.chars().any(|c| c.is_control() || c.is_whitespace()), "{form:?} breaks a line");
        assert!(
            !form.contains(['<', '>', ',', ';', ':', '"', '\\', '(', ')', '[', ']']),
            "{form:?} is a list or a name"
        );
        assert_eq!(form.matches('@').count(), 1, "{form:?}");
        assert!(form.split('@').next().is_some_and(|local| local.len() <= 64), "{form:?}: too long before the @");
        // What is stored is read again: both forms are addresses, and of the same mailbox.
        let again = Email::parse(form).unwrap_or_else(|error| panic!("{form:?} of {text:?}: {error}"));
        assert_eq!(again.as_typed(), form, "normalised is a fixed point");
        assert_eq!(again.canonical(), canonical, "{form:?} of {text:?}: canonical is a fixed point");
    }
    // Typed without capitals it is the same mailbox; character by character, as a Σ at the end would be a ς in words.
    if let Some((local, domain)) = typed.split_once('@') {
        let lower: String = local.chars().flat_map(char::to_lowercase).collect();
        if let Ok(email) = Email::parse(&format!("{lower}@{domain}")) {
            assert_eq!(email.canonical(), canonical, "{text:?}: the case makes another mailbox");
        }
    }
    let domain = canonical.split('@').nth(1).unwrap_or_default();
    assert!(domain.is_ascii() && domain == domain.to_ascii_lowercase(), "{domain:?}");
    let mailed = deliverable(typed).expect("what is accepted can be mailed");
    assert!(mailed.len() <= 254, "{mailed:?} is too long to be mailed");
    let mailed = Email::parse(&mailed).expect("what is mailed is an address");
    assert_eq!(mailed.canonical(), canonical, "what is mailed is the same mailbox");
    assert_eq!(format!("{email:?}"), "Email(…)");
});
