//! bcrypt for several passwords at once, on one thread.
//!
//! Each step of bcrypt looks up four words whose places depend on the step before, so most of the time a core waits for
//! its cache. Independent hashes can use that time: this crate computes up to [`MAX_LANES`] of them in lockstep, each in
//! a lane of its own. One hash alone takes as long as with the crate `bcrypt`, and six take less than twice as long.
//!
//! If this is wrong, passwords that are right are refused, and hashes are stored that no other bcrypt verifies. So the
//! tests compare it with the crate `bcrypt`, lane by lane.
//!
//! ```
//! use bcrypt_lanes::{Input, hash_batch};
//!
//! let inputs = [Input::new([1; 16], b"one\0")?, Input::new([2; 16], b"two\0")?];
//! let digests = hash_batch(4, &inputs)?;
//! assert_eq!(digests.len(), 2);
//! # Ok::<(), bcrypt_lanes::Refused>(())
//! ```

mod lanes;
mod pi;

use std::fmt;

use zeroize::Zeroizing;

/// How many hashes are computed at once. More do not fit into the registers and the first-level cache of a core.
pub const MAX_LANES: usize = 6;

/// The longest key of bcrypt, in bytes.
const MAX_KEY: usize = 72;

/// What bcrypt computes: 24 bytes, of which the usual texts have 23.
pub type Digest = [u8; 24];

/// What bcrypt has no hash of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The key is empty, or longer than 72 bytes. (Texts usually end with a NUL, so theirs is never empty.)
    #[error("a key of bcrypt has 1 to 72 bytes")]
    KeyLength,
    /// The cost is the base-2 logarithm of the rounds.
    #[error("a cost of bcrypt is at most 31")]
    Cost,
}

/// A salt and a key, for one hash. The key is overwritten when it is dropped.
pub struct Input {
    /// Two pairs of words, which take turns.
    salt: [u64; 2],
    /// The key, as often as it fits: one pair of words for each of the P-array.
    key: Zeroizing<[u64; 9]>,
}

impl Input {
    /// Takes bcrypt's key as it is: callers add the NUL that ends a text.
    ///
    /// # Errors
    /// [`Refused::KeyLength`]
    pub fn new(salt: [u8; 16], key: &[u8]) -> Result<Self, Refused> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Refused::KeyLength);
        }
        let mut input = Self { salt: [0; 2], key: Zeroizing::new([0; 9]) };
        fill(&mut input.salt, &salt);
        fill(input.key.as_mut(), key);
        Ok(input)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Fills pairs of words with the bytes, repeated. Words are big-endian.
fn fill(pairs: &mut [u64], bytes: &[u8]) {
    let mut bytes = bytes.iter().cycle();
    let mut word = || bytes.by_ref().take(4).fold(0, |word, byte| word << 8 | u32::from(*byte));
    for pair in pairs {
        *pair = lanes::pair(word(), word());
    }
}

/// Computes the hash of each input, in their order. One input is one lane; more than [`MAX_LANES`] take turns.
///
/// # Errors
/// [`Refused::Cost`]
pub fn hash_batch(cost: u32, inputs: &[Input]) -> Result<Vec<Digest>, Refused> {
    let rounds = 1_u32.checked_shl(cost).ok_or(Refused::Cost)?;
    Ok(in_lanes(rounds, inputs))
}

/// One `match` arm for each number of lanes: as a constant, the compiler can unroll it.
fn in_lanes(rounds: u32, inputs: &[Input]) -> Vec<Digest> {
    match inputs {
        [] => Vec::new(),
        [a] => lanes::hash(rounds, [a]).into(),
        [a, b] => lanes::hash(rounds, [a, b]).into(),
        [a, b, c] => lanes::hash(rounds, [a, b, c]).into(),
        [a, b, c, d] => lanes::hash(rounds, [a, b, c, d]).into(),
        [a, b, c, d, e] => lanes::hash(rounds, [a, b, c, d, e]).into(),
        [a, b, c, d, e, f] => lanes::hash(rounds, [a, b, c, d, e, f]).into(),
        more => more.chunks(MAX_LANES).flat_map(|inputs| in_lanes(rounds, inputs)).collect(),
    }
}
