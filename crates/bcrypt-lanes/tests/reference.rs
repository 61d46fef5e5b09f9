//! Every hash equals that of the crate `bcrypt`, whatever its lane and its neighbours.

#![allow(clippy::unwrap_used, reason = "this is a test")]

use std::panic::catch_unwind;

use bcrypt_lanes::{Digest, Input, MAX_LANES, Refused, hash_batch};

const LONGEST: usize = 72;

/// A salt and a key for each length of a key, without a pattern: numbers that a seed leads to.
fn pairs(seed: u64) -> Vec<([u8; 16], Vec<u8>)> {
    let mut state = seed;
    let mut byte = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (1..=LONGEST).map(|length| ([(); 16].map(|()| byte()), (0..length).map(|_| byte()).collect())).collect()
}

fn expected(cost: u32, pairs: &[([u8; 16], Vec<u8>)]) -> Vec<Digest> {
    pairs.iter().map(|(salt, key)| bcrypt::bcrypt(cost, *salt, key)).collect()
}

fn computed(cost: u32, pairs: &[([u8; 16], Vec<u8>)]) -> Vec<Digest> {
    let inputs: Vec<_> = pairs.iter().map(|(salt, key)| Input::new(*salt, key).unwrap()).collect();
    hash_batch(cost, &inputs).unwrap()
}

#[test]
fn every_length_of_a_key_in_every_lane() {
    let mut pairs = pairs(4);
    let mut expected = expected(4, &pairs);
    // Each pair comes by in each lane.
    pairs.extend_from_within(..MAX_LANES);
    expected.extend_from_within(..MAX_LANES);
    for lanes in 1..=MAX_LANES {
        for (pairs, expected) in pairs.windows(lanes).zip(expected.windows(lanes)) {
            assert_eq!(computed(4, pairs), expected, "{lanes} lanes, from a key of {}", pairs[0].1.len());
        }
    }
}

#[test]
fn every_cost_with_every_length_and_every_number_of_lanes() {
    for cost in 4..=8 {
        let pairs = pairs(cost.into());
        let expected = expected(cost, &pairs);
        let mut at = 0;
        for lanes in (1..=MAX_LANES).cycle() {
            let end = (at + lanes).min(pairs.len());
            assert_eq!(computed(cost, &pairs[at..end]), &expected[at..end], "cost {cost}, {lanes} lanes");
            at = end;
            if at == pairs.len() {
                break;
            }
        }
    }
}

#[test]
fn more_than_all_lanes_keep_their_order() {
    let pairs = pairs(1);
    assert_eq!(computed(4, &pairs), expected(4, &pairs));
    assert_eq!(hash_batch(4, &[]), Ok(Vec::new()));
}

#[test]
fn what_the_crate_has_no_hash_of_is_refused() {
    for length in [0, LONGEST + 1, 100, 1000] {
        let key = vec![b'a'; length];
        assert_eq!(Input::new([0; 16], &key).err(), Some(Refused::KeyLength));
        assert!(catch_unwind(|| bcrypt::bcrypt(4, [0; 16], &key)).is_err(), "{length}");
    }
    let input = [Input::new([0; 16], b"\0").unwrap()];
    for cost in [32, 33, u32::MAX] {
        assert_eq!(hash_batch(cost, &input), Err(Refused::Cost));
        assert!(catch_unwind(|| bcrypt::bcrypt(cost, [0; 16], b"\0")).is_err(), "{cost}");
    }
}

#[test]
fn rounds_may_be_fewer_than_any_scheme_allows() {
    let pairs = pairs(2);
    for cost in 0..4 {
        assert_eq!(computed(cost, &pairs), expected(cost, &pairs));
    }
}

#[test]
fn an_input_does_not_show_itself() {
    assert_eq!(format!("{:?}", Input::new(*b"0123456789abcdef", b"secret\0").unwrap()), "[redacted]");
}
