//! Email addresses, parsed once: normalised before they are checked, and compared in one canonical spelling.
//!
//! If two spellings of one mailbox were two addresses here, one address could be confirmed twice; if two mailboxes were one
//! address, a stranger could get the other's mail.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// The longest address, in octets (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const MAX_OCTETS: usize = 254;
/// The longest part before the `@`, in octets (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_OCTETS: usize = 64;

/// An address that mail can be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    typed: String,
    canonical: String,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    #[error("must have at most 254 octets, and at most 64 before the @")]
    TooLong,
    #[error("must be an email address such as ada@example.com")]
    Malformed,
}

impl Email {
    /// Parses an address: NFKC first (`＠` is `@`), without white space around it; then a dot-atom of ASCII or Unicode
    /// letters and digits (RFC 5322, RFC 6531), an `@` and a domain of at least two labels. No quoted local parts and no
    /// address literals: hardly any mail server takes them.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        // Normalising shortens a text to a third at most, so this is too long in any case.
        if text.len() > 4 * MAX_OCTETS {
            return Err(EmailError::TooLong);
        }
        let normal: String = text.trim().nfkc().collect();
        let (local, domain) = normal.rsplit_once('@').ok_or(EmailError::Malformed)?;
        if !is_local_part(local) {
            return Err(EmailError::Malformed);
        }
        let ascii_domain = ascii_domain(domain).ok_or(EmailError::Malformed)?;
        let typed = format!("{local}@{}", shown_domain(domain));
        let canonical_local = lower_case(&lower_case(local).nfkc().collect::<String>());
        let canonical = format!("{canonical_local}@{ascii_domain}");
        let longest = [typed.len(), canonical.len(), local.len() + 1 + ascii_domain.len()].into_iter().max();
        if longest > Some(MAX_OCTETS) || local.len() > MAX_LOCAL_OCTETS || canonical_local.len() > MAX_LOCAL_OCTETS {
            return Err(EmailError::TooLong);
        }
        Ok(Self { typed, canonical })
    }

    /// As typed, after NFKC and without characters that nobody sees: what is stored, shown and sent.
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The spelling that all spellings of this address share: lower case, the domain in ASCII.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// The mailbox of a canonical address: most servers put `ada+anything@` into the one of `ada@`.
pub fn mailbox_of(canonical: &str) -> String {
    let (local, domain) = canonical.rsplit_once('@').unwrap_or((canonical, ""));
    let mailbox = local.split_once('+').map_or(local, |(mailbox, _)| mailbox);
    // A local part that begins with + has no tag.
    format!("{}@{domain}", if mailbox.is_empty() { local } else { mailbox })
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// The address for a mail server: the local part as typed, the domain in ASCII.
pub fn deliverable(typed: &str) -> Option<String> {
    let (local, domain) = typed.rsplit_once('@')?;
    Some(format!("{local}@{}", ascii_domain(domain)?))
}

/// Lower case, character by character: otherwise `Σ` at the end of a word would differ from `σ`.
fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .chars()
                    .all(|c| (c.is_alphanumeric() && !is_invisible(c)) || (c.is_ascii() && is_atext(c)) || is_mark(c))
        })
}

/// RFC 5322, section 3.2.3, besides letters and digits.
fn is_atext(c: char) -> bool {
    "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Marks that many scripts need.
fn is_mark(c: char) -> bool {
    !c.is_ascii() && !is_invisible(c) && unicode_normalization::char::is_combining_mark(c)
}

/// Characters that are drawn as nothing (Unicode's `Default_Ignorable_Code_Point`). Some of them count as letters or marks,
/// so that two local parts that look alike would be two addresses.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// The domain as people read it. IDNA takes `。` for a dot and drops what nobody sees, and mail goes to what is left: it must
/// also be what is shown.
fn shown_domain(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() { domain.into() } else { idna::domain_to_unicode(domain).0.into() }
}

fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let is_label = |label: &&str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        !label.is_empty() && label.len() <= 63 && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    // A last label of digits would be an IPv4 address.
    let is_name = labels.last().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
    (labels.len() >= 2 && labels.iter().all(is_label) && is_name).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Email::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).canonical().to_owned()
    }

    #[test]
    fn spellings_of_one_address_are_one_address() {
        for spelling in ["Ada@Example.COM", "ada＠example.com", " ada@example.com\n", "ａｄａ@example．com"] {
            assert_eq!(canonical(spelling), "ada@example.com", "{spelling}");
        }
        assert_eq!(canonical("ada@bücher.example"), canonical("ADA@xn--bcher-kva.example"));
        assert_eq!(canonical("jose\u{301}@example.com"), canonical("José@example.com"));
    }

    #[test]
    fn what_is_shown_is_what_is_mailed() {
        for (text, shown) in [
            ("Ada@Example.COM", "Ada@Example.COM"),
            ("ada@exa\u{200b}mple。com", "ada@example.com"),
            ("ada@b\u{fc}\u{ad}cher.example\u{feff}", "ada@b\u{fc}cher.example"),
            ("ada@B\u{dc}CHER.example", "ada@b\u{fc}cher.example"),
        ] {
            let email = Email::parse(text).unwrap();
            assert_eq!(email.as_typed(), shown);
            assert_eq!(Email::parse(shown).unwrap(), email);
            let mailed = deliverable(shown).unwrap();
            assert_eq!(lower_case(&mailed), email.canonical());
        }
    }

    #[test]
    fn different_mailboxes_stay_different() {
        assert_ne!(canonical("mıke@example.com"), canonical("mike@example.com"));
        assert_ne!(canonical("ada+news@example.com"), canonical("ada@example.com"));
    }

    #[test]
    fn a_tag_is_no_part_of_a_mailbox() {
        for canonical in ["ada@example.com", "ada+@example.com", "ada+news@example.com", "ada+a+b@example.com"] {
            assert_eq!(mailbox_of(canonical), "ada@example.com");
        }
        assert_eq!(mailbox_of("+x@example.com"), "+x@example.com");
    }

    #[test]
    fn what_cannot_be_mailed_is_refused() {
        let wrong = [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "\"a b\"@x.org",
            "a b@x.org",
            "ada@exa mple.com",
            ".ada@x.org",
            "ada.@x.org",
            "a..b@x.org",
            "ada@-x.org",
            "ada@x-.org",
            "ada@x..org",
            "ada@127.0.0.1",
            "a@b@x.org",
            "ada@x.org\r\nBcc: eve@x.org",
            "ada\0@x.org",
            "ada\u{200b}@x.org",
            "\u{200b}ada@x.org",
            "a\u{34f}da@x.org",
            "ada\u{fe0f}@x.org",
            "ada\u{3164}@x.org",
            "ada@x.org。",
            "Ada <ada@x.org>",
            "ada@x.org,eve@x.org",
            "ada@x_y.org",
            "ada@example.com.",
        ];
        for text in wrong {
            assert_eq!(Email::parse(text), Err(EmailError::Malformed), "{text:?}");
        }
    }

    #[test]
    fn length_is_counted_in_octets() {
        let domain = |length: usize| {
            let mut domain = String::new();
            while domain.len() + 64 < length {
                domain += &format!("{}.", "d".repeat(50));
            }
            let rest = length - domain.len() - 4;
            domain + &"e".repeat(rest) + ".org"
        };
        let address = |length: usize| format!("{}@{}", "a".repeat(64), domain(length - 65));
        assert_eq!(address(254).len(), 254);
        assert!(Email::parse(&address(254)).is_ok());
        assert_eq!(Email::parse(&address(255)), Err(EmailError::TooLong));
        assert_eq!(Email::parse(&format!("{}@x.org", "a".repeat(65))), Err(EmailError::TooLong));
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point() {
        assert_eq!(canonical("ΑΣ@example.com"), canonical("ασ@example.com"));
        for text in ["İpek@example.com", "ſam@example.com", "ΑΣ@example.com", "K@example.com"] {
            let once = canonical(text);
            assert_eq!(canonical(&once), once, "{text}");
        }
    }
}
