//! Blowfish with bcrypt's key schedule, in `N` lanes: every step is done in all lanes before the next step.
//!
//! All loops over lanes have a constant length, and every index is a constant or a byte, so the compiler unrolls the
//! loops and drops the bounds checks.
//!
//! A pair of words is one `u64`, the left (or first) word in its low half. So six lanes need six registers, not twelve,
//! of which x86-64 has too few.

#![expect(clippy::needless_range_loop, reason = "a lane has the same number in several arrays")]

use zeroize::Zeroize as _;

use crate::{Digest, Input, pi};

/// "OrpheanBeholderScryDoubt", which bcrypt encrypts.
const TEXT: [u64; 3] = [pair(0x4f72_7068, 0x6561_6e42), pair(0x6568_6f6c, 0x6465_7253), pair(0x6372_7944, 0x6f75_6274)];

/// The state of each lane. It is secret: with it, a guess would cost no rounds.
struct Lanes<const N: usize> {
    p: [[u64; 9]; N],
    s: [[[u32; 256]; 4]; N],
}

/// Two words as one.
pub(crate) const fn pair(first: u32, second: u32) -> u64 {
    (second as u64) << 32 | first as u64
}

/// The hash of each input, after `rounds` rounds.
pub(crate) fn hash<const N: usize>(rounds: u32, inputs: [&Input; N]) -> [Digest; N] {
    // On the heap, and once for all rounds: six lanes are 25 kB.
    let mut lanes = Box::new(Lanes::<N>::new());
    lanes.add(|n, at| inputs[n].key[at]);
    lanes.replace(|n, at| inputs[n].salt[at % 2]);
    for _ in 0..rounds {
        lanes.add(|n, at| inputs[n].key[at]);
        lanes.replace(|_, _| 0);
        lanes.add(|n, at| inputs[n].salt[at % 2]);
        lanes.replace(|_, _| 0);
    }
    lanes.digests()
}

impl<const N: usize> Lanes<N> {
    fn new() -> Self {
        let mut words = pi::WORDS.into_iter();
        let mut next = || words.next().unwrap_or_default();
        let p = [(); 9].map(|()| pair(next(), next()));
        let s = [(); 4].map(|()| [(); 256].map(|()| next()));
        Self { p: [p; N], s: [s; N] }
    }

    /// Adds a key to the P-array: pair `at` of lane `n`.
    #[inline(always)]
    fn add(&mut self, key: impl Fn(usize, usize) -> u64) {
        for n in 0..N {
            for at in 0..9 {
                self.p[n][at] ^= key(n, at);
            }
        }
    }

    /// Replaces the whole state, block after block: a block is the one before plus `salt`, encrypted. The salt is that of
    /// lane `n` and of block `at`.
    #[inline(always)]
    fn replace(&mut self, salt: impl Fn(usize, usize) -> u64) {
        let mut blocks = [0; N];
        for at in 0..9 {
            for n in 0..N {
                blocks[n] ^= salt(n, at);
            }
            self.encrypt(&mut blocks);
            for n in 0..N {
                self.p[n][at] = blocks[n];
            }
        }
        for part in 0..4 {
            for at in 0..128 {
                for n in 0..N {
                    // After 9 blocks for the P-array, and an even number for the parts before.
                    blocks[n] ^= salt(n, at + 9);
                }
                self.encrypt(&mut blocks);
                for n in 0..N {
                    self.s[n][part][2 * at] = blocks[n] as u32;
                    self.s[n][part][2 * at + 1] = (blocks[n] >> 32) as u32;
                }
            }
        }
    }

    /// Encrypts a block in each lane.
    #[inline(always)]
    fn encrypt(&self, blocks: &mut [u64; N]) {
        for at in 0..8 {
            for n in 0..N {
                // For this round and the next: nothing else changes the right half before its turn.
                blocks[n] ^= self.p[n][at];
            }
            self.round(blocks);
            self.round(blocks);
        }
        for n in 0..N {
            blocks[n] = (blocks[n] ^ self.p[n][8]).rotate_left(32);
        }
    }

    /// Adds what the S-boxes make of the left half to the right half, and exchanges the halves.
    #[inline(always)]
    fn round(&self, blocks: &mut [u64; N]) {
        for n in 0..N {
            let [s0, s1, s2, s3] = &self.s[n];
            let left = blocks[n] as u32;
            let byte = |shift: u32| (left >> shift & 0xff) as usize;
            let mixed = (s0[byte(24)].wrapping_add(s1[byte(16)]) ^ s2[byte(8)]).wrapping_add(s3[byte(0)]);
            blocks[n] = blocks[n].rotate_left(32) ^ u64::from(mixed);
        }
    }

    fn digests(&self) -> [Digest; N] {
        let mut digests = [[0; 24]; N];
        for (part, text) in TEXT.into_iter().enumerate() {
            let mut blocks = [text; N];
            for _ in 0..64 {
                self.encrypt(&mut blocks);
            }
            for n in 0..N {
                // The left half comes first.
                digests[n][8 * part..][..8].copy_from_slice(&blocks[n].rotate_left(32).to_be_bytes());
            }
        }
        digests
    }
}

impl<const N: usize> Drop for Lanes<N> {
    fn drop(&mut self) {
        self.p.zeroize();
        self.s.zeroize();
    }
}
