//! Who computes bcrypt: `bcrypt_lanes`, several hashes at once, as long as it computes what the crate `bcrypt` does.

use std::panic::catch_unwind;

use bcrypt_lanes::{Digest, Input, MAX_LANES, Refused};
use zeroize::Zeroizing;

/// What bcrypt hashes.
pub(super) struct Key {
    pub(super) salt: [u8; 16],
    /// Ends with a NUL, as bcrypt wants it.
    pub(super) text: Zeroizing<String>,
}

/// Computes the digest of each key.
pub(super) type Engine = fn(cost: u32, keys: &[Key]) -> Vec<Digest>;

/// The engine that can be trusted on this machine. It is tried before any password is, as a wrong hash that was stored
/// would lock its owner out.
pub(super) fn choose() -> Engine {
    checked(in_lanes)
}

fn checked(engine: Engine) -> Engine {
    if is_right(engine) {
        return engine;
    }
    log::warn!("the fast bcrypt computes wrong hashes on this machine: the slower one takes its place");
    one_by_one
}

/// Whether the engine computes the same as the crate, with every number of lanes.
fn is_right(engine: Engine) -> bool {
    const COST: u32 = 4;
    let key = |n: usize| Key { salt: [n as u8; 16], text: Zeroizing::new(format!("{}\0", "key".repeat(n))) };
    let keys: Vec<_> = (1..=MAX_LANES).map(key).collect();
    let expected = one_by_one(COST, &keys);
    (1..=keys.len()).all(|n| catch_unwind(|| engine(COST, &keys[..n])).is_ok_and(|digests| digests == expected[..n]))
}

fn in_lanes(cost: u32, keys: &[Key]) -> Vec<Digest> {
    let batch = || -> Result<_, Refused> {
        let inputs: Result<Vec<_>, _> = keys.iter().map(|key| Input::new(key.salt, key.text.as_bytes())).collect();
        bcrypt_lanes::hash_batch(cost, &inputs?)
    };
    // Nothing of ours is refused. If it were, the crate would say why.
    batch().unwrap_or_else(|_| one_by_one(cost, keys))
}

fn one_by_one(cost: u32, keys: &[Key]) -> Vec<Digest> {
    keys.iter().map(|key| bcrypt::bcrypt(cost, key.salt, key.text.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Key> {
        let key = |n: u8| Key { salt: [n; 16], text: Zeroizing::new("x\0".into()) };
        (0..8).map(key).collect()
    }

    fn with_a_wrong_last_lane(cost: u32, keys: &[Key]) -> Vec<Digest> {
        let mut digests = in_lanes(cost, keys);
        digests[keys.len() - 1][0] ^= u8::from(keys.len() == MAX_LANES);
        digests
    }

    fn panicking(_: u32, _: &[Key]) -> Vec<Digest> {
        panic!("on purpose")
    }

    #[test]
    fn the_lanes_are_used_as_they_compute_what_the_crate_does() {
        assert!(is_right(in_lanes));
        assert_eq!(in_lanes(5, &keys()), one_by_one(5, &keys()));
    }

    #[test]
    fn an_engine_that_is_wrong_is_not_used() {
        for wrong in [with_a_wrong_last_lane as Engine, panicking, |_, _| Vec::new()] {
            assert!(!is_right(wrong));
            assert_eq!(checked(wrong)(4, &keys()), one_by_one(4, &keys()));
        }
    }
}
