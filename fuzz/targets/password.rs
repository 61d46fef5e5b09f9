//! Passwords: a refusal gives a true reason that does not repeat the password, and an accepted password stays hidden.
//! The first line holds words that are personal to the user, the rest is the password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unicode_normalization::UnicodeNormalization as _;
use vestibule::password::{PasswordPolicy, WeakPassword};
use vestibule_fuzz::is_telling;

const MIN_LENGTH: usize = 8;

fuzz_target!(|text: &str| {
    // Estimating the strength of a long password is slow and finds little. Above 256 characters there is no estimate.
    if (96..1024).contains(&text.len()) {
        return;
    }
    let (personal, typed) = text.split_once('\n').unwrap_or(("", text));
    let personal: Vec<&str> = personal.split(' ').collect();
    let policy = PasswordPolicy { min_length: MIN_LENGTH };
    let checked = policy.check(typed, &personal);
    // A space of another kind is one character, as the space is.
    let length = typed.nfc().count();
    match &checked {
        Ok(password) => {
            assert!(length >= MIN_LENGTH, "too short");
            assert!(!typed.chars().any(char::is_control), "a control character");
            assert_eq!(format!("{password:?}"), "NewPassword([redacted])");
            let stricter = PasswordPolicy { min_length: 300 }.check(typed, &personal);
            assert!(matches!(stricter, Err(WeakPassword::TooShort(300))));
        }
        Err(error) => {
            assert!(!is_telling(typed) || !error.to_string().contains(typed), "the reason repeats the password");
            assert!(!error.to_string().is_empty());
        }
    }
    if length == 0 {
        assert_eq!(checked.map(drop), Err(WeakPassword::TooShort(MIN_LENGTH)));
    }
});
