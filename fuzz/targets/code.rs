//! Typed codes: what is read is eight digits, however they were written, and only their digits count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vestibule::link::Code;

fuzz_target!(|text: &str| {
    let Some(code) = Code::parse(text) else { return };
    assert!(text.len() <= 256, "too long");
    let written = code.to_string();
    assert!(written.len() == 9 && written.bytes().filter(u8::is_ascii_digit).count() == 8, "{written}");
    assert!(Code::parse(&written) == Some(code), "what is written is read");
    if text.is_ascii() {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(written.replace(' ', ""), digits, "all digits, and in their order");
        assert!(Code::parse(&format!("{text}1")).is_none(), "nine digits are no code");
    }
});
