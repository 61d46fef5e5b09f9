//! bcrypt in lanes: each hash equals that of the crate `bcrypt`, and what one refuses, the other refuses.
//! The first byte is the cost. Each line is a key that begins with its salt; a NUL ends it, as callers of bcrypt add one.
#![no_main]

use bcrypt_lanes::{Input, MAX_LANES, hash_batch};
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 72;

fuzz_target!(|bytes: &[u8]| {
    let Some((cost, rest)) = bytes.split_first() else { return };
    // Of a bcrypt with few rounds, libFuzzer sees many.
    let cost = u32::from(cost % 5);
    let (mut inputs, mut expected) = (Vec::new(), Vec::new());
    for line in rest.split(|byte| *byte == b'\n').take(MAX_LANES + 1) {
        let mut salt = [0; 16];
        let length = line.len().min(salt.len());
        salt[..length].copy_from_slice(&line[..length]);
        let key = [&line[length..], b"\0"].concat();
        let input = Input::new(salt, &key);
        assert_eq!(input.is_err(), key.len() > LONGEST, "the crate takes up to 72 bytes");
        if let Ok(input) = input {
            inputs.push(input);
            expected.push(bcrypt::bcrypt(cost, salt, &key));
        }
    }
    assert_eq!(hash_batch(cost, &inputs), Ok(expected));
});
