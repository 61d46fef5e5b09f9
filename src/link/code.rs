//! The typed codes in mails: for people who read the mail on one device and sign up on another.
//!
//! A code is derived from the id of its mail, so no table holds one, and a mail that is sent twice has the same code. Eight
//! digits can be guessed: what makes a code safe is that it lives briefly and can be tried a few times only
//! (`mail/code_tries.rs`).

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use crate::config::KeyRing;

use super::derive;

/// How long a code works after its mail was sent.
pub const CODE_TTL: Duration = Duration::from_secs(15 * 60);
/// How many codes there are: eight digits.
const CODES: u32 = 100_000_000;
/// Below this multiple of [`CODES`], every code has the same share of the numbers.
const UNBIASED: u32 = u32::MAX - u32::MAX % CODES;
/// Longer than every text around a code that people copy with it.
const MAX_LENGTH: usize = 256;

/// Eight digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(u32);

impl Code {
    /// Reads what a person typed or copied, such as `1234 5678`, `1234-5678` or `Your code: １２３４５６７８`. `None` if it does
    /// not have eight digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let digits: String = text.nfkc().filter(char::is_ascii_digit).collect();
        if digits.len() == 8 { digits.parse().ok().map(Self) } else { None }
    }
}

/// In two groups, which are easier to read.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04} {:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Derives codes.
#[derive(Clone)]
pub struct Codes {
    signing: [u8; 32],
    verifying: Vec<[u8; 32]>,
}

impl Codes {
    /// Codes under the keys of `ring`: mails get those of the first, and those of all are right.
    pub fn new(ring: &KeyRing) -> Self {
        let key = |key| derive(key, b"vestibule code v1");
        Self { signing: key(ring.signing()), verifying: ring.all().map(key).collect() }
    }

    /// The code in a mail.
    pub fn of(&self, mail_id: Uuid) -> Code {
        code(&self.signing, mail_id)
    }

    /// Whether this is the code in one of these mails.
    pub fn is_in(&self, typed: Code, mail_ids: &[Uuid]) -> bool {
        mail_ids.iter().any(|id| self.verifying.iter().any(|key| code(key, *id) == typed))
    }
}

/// Numbers from [`UNBIASED`] on are rejected: otherwise the lower codes would be more likely.
fn code(key: &[u8; 32], mail_id: Uuid) -> Code {
    let mut round = 0u32;
    loop {
        let number = number(key, mail_id, round);
        if number < UNBIASED {
            return Code(number % CODES);
        }
        round += 1;
    }
}

fn number(key: &[u8; 32], mail_id: Uuid, round: u32) -> u32 {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => {
            let mac = mac.chain_update(mail_id.as_bytes()).chain_update(round.to_be_bytes()).finalize().into_bytes();
            u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]])
        }
        // HMAC takes keys of every length.
        Err(never) => unreachable!("{never}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::key_ring;

    fn codes(keys: &str) -> Codes {
        Codes::new(&key_ring(keys).unwrap())
    }

    #[test]
    fn a_code_is_read_however_it_was_copied() {
        let code = Code(1234);
        assert_eq!(code.to_string(), "0000 1234");
        for text in
            ["0000 1234", "00001234", "0000-1234", "\u{a0}0000\u{2009}1234\n", "００００１２３４", "Code: 0000.1234!"]
        {
            assert!(Code::parse(text) == Some(code), "{text}");
        }
        for text in ["", "0001234", "000001234", "1234 5678 in 15 minutes", "abcdefgh", &"0 ".repeat(200)] {
            assert!(Code::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{code:?}"), "[redacted]");
    }

    /// Pinned: a new version must accept the codes that its predecessor sent.
    #[test]
    fn codes_follow_from_key_and_mail() {
        let mail = "019aa8f2-0000-7000-8000-000000000001".parse().unwrap();
        let (one, two) = ("ab".repeat(32), "cd".repeat(32));
        assert_eq!(codes(&one).of(mail).to_string(), "3809 9385");
        let code = codes(&one).of(mail);
        assert!(codes(&one).is_in(code, &[Uuid::now_v7(), mail]) && !codes(&one).is_in(code, &[Uuid::now_v7()]));
        assert!(!codes(&two).is_in(code, &[mail]));
        let rotated = codes(&format!("{two},{one}"));
        assert!(rotated.is_in(code, &[mail]) && rotated.of(mail) == codes(&two).of(mail));
    }

    #[test]
    fn all_codes_are_equally_likely() {
        assert_eq!(UNBIASED % CODES, 0);
        let (codes, mut firsts) = (codes(&"ab".repeat(32)), [0u32; 10]);
        for n in 0..20_000u128 {
            firsts[(codes.of(Uuid::from_u128(n)).0 / 10_000_000) as usize] += 1;
        }
        // 2,000 each, within five standard deviations; the derivation is fixed, so this cannot fail by chance.
        assert!(firsts.iter().all(|count| (1790..2210).contains(count)), "{firsts:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(number in 0..CODES, text in ".*") {
            prop_assert!(Code::parse(&Code(number).to_string()) == Some(Code(number)));
            if let Some(code) = Code::parse(&text) {
                prop_assert!(code.0 < CODES);
            }
        }
    }
}
