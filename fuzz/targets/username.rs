//! Usernames: an accepted one keeps its spelling, and its canonical form is a fixed point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::user::Username;

fuzz_target!(|text: &str| {
    let Ok(name) = Username::parse(text) else { return };
    assert_eq!(name.as_typed(), text, "kept as typed");
    assert!((3..=32).contains(&text.chars().count()), "a length outside of the limits");
    let canonical = name.canonical();
    let again = Username::parse(&canonical).expect("the canonical form is a username");
    assert_eq!(again.canonical(), canonical, "the canonical form is a fixed point");
    let shouted = Username::parse(&text.to_ascii_uppercase()).expect("case does not matter");
    assert_eq!(shouted.canonical(), canonical, "case does not matter");
});
