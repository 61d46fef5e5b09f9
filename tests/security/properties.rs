//! Properties of the parsers for every input: no panic, one canonical spelling, no two identities confused.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderValue, ORIGIN};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;
use vestibule::link::{Links, Purpose};
use vestibule::mail::MailTemplates;
use vestibule::password::PasswordPolicy;
use vestibule::request::Client;
use vestibule::session::AllowedOrigins;
use vestibule::token::Token;
use vestibule::user::{Email, Username};

/// Characters of many scripts, more often those that normalise or change their case in odd ways.
fn characters() -> impl Strategy<Value = String> {
    let odd = "İ ı ſ ß ς Σ Α Ӕ Ａ ａ ⅷ ﬁ ǅ Å \
               ⓐ ㎏ Ἀ ᾳ ŉ Ḱ J\u{30c} H\u{331} T\u{308} W\u{30a} Y\u{30a} a\u{323}\u{307} a\u{307}\u{323} Ι\u{345}";
    let odd = proptest::sample::select(odd.split(' ').collect::<Vec<_>>()).prop_map(ToOwned::to_owned);
    let plain = proptest::char::range('a', 'z').prop_map(String::from);
    let any = any::<char>().prop_map(String::from);
    proptest::collection::vec(prop_oneof![4 => plain, 2 => odd, 1 => any], 1..8)
        .prop_map(|characters| characters.concat())
}

fn addresses() -> impl Strategy<Value = String> {
    let domain = prop_oneof!["[a-z]{1,8}\\.(org|example)", characters().prop_map(|name| format!("{name}.example"))];
    (characters(), domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// Whether a character survives a change of case and NFKC. Others have no well-defined other case.
fn keeps_its_case(c: char) -> bool {
    let upper: String = c.to_uppercase().collect();
    let there_and_back: String = upper.chars().flat_map(char::to_lowercase).collect();
    c.is_alphanumeric()
        && there_and_back == c.to_string()
        && [c.to_string(), upper].iter().all(|text| text.nfkc().eq(text.chars()))
}

fn texts_like_tokens() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9_-]{43}", ".*", "[A-Za-z0-9+/=_-]{40,46}"]
}

fn canonical(text: &str) -> Option<String> {
    Email::parse(text).ok().map(|email| email.canonical().to_owned())
}

fn full_width(c: char) -> char {
    if c.is_ascii_graphic() { char::from_u32(u32::from(c) - 0x21 + 0xff01).unwrap() } else { c }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_an_address_never_panics(text in ".*") {
        let _ = Email::parse(&text);
    }

    #[test]
    fn the_canonical_spelling_of_an_address_is_a_fixed_point(text in addresses()) {
        if let Ok(email) = Email::parse(&text) {
            prop_assert_eq!(canonical(email.canonical()), Some(email.canonical().to_owned()));
            prop_assert_eq!(canonical(email.as_typed()), Some(email.canonical().to_owned()));
            prop_assert!(email.canonical().len() <= 254 && email.canonical().matches('@').count() == 1);
            prop_assert!(!email.as_typed().chars().any(|c| c.is_control() || c.is_whitespace()));
        }
    }

    #[test]
    fn spellings_that_differ_in_case_or_width_are_one_address(local in characters(), domain in "[a-z]{1,9}\\.org") {
        let local: String = local.chars().filter(|c| keeps_its_case(*c)).collect();
        let address = format!("{local}@{domain}");
        if let Some(canonical_address) = canonical(&address) {
            let upper: String = address.chars().flat_map(char::to_uppercase).collect();
            let wide: String = address.chars().map(full_width).collect();
            let decomposed: String = address.nfd().collect();
            for spelling in [upper, wide, decomposed] {
                prop_assert_eq!(canonical(&spelling), Some(canonical_address.clone()), "{}", spelling);
            }
        }
    }

    #[test]
    fn look_alike_addresses_are_different(local in "[aceiopxy]{1,8}", at in 0..8usize) {
        let at = at % local.len();
        let twin = local.char_indices().map(|(index, c)| match (index == at, c) {
            (true, 'a') => 'а',
            (true, 'c') => 'с',
            (true, 'e') => 'е',
            (true, 'i') => 'ı',
            (true, 'o') => 'ο',
            (true, 'p') => 'р',
            (true, 'x') => 'х',
            (true, 'y') => 'у',
            _ => c,
        });
        let twin: String = twin.collect();
        prop_assert_ne!(&twin, &local);
        prop_assert_ne!(canonical(&format!("{twin}@x.org")), canonical(&format!("{local}@x.org")));
        prop_assert_ne!(canonical(&format!("a@{twin}.org")), canonical(&format!("a@{local}.org")));
        let name = format!("{twin}aaa");
        prop_assert!(Username::parse(&name).is_err(), "{}", name);
    }

    #[test]
    fn a_username_is_ascii_and_has_one_canonical_spelling(text in prop_oneof!["[A-Za-z0-9._-]{0,40}", ".*"]) {
        if let Ok(name) = Username::parse(&text) {
            prop_assert!(name.canonical().is_ascii() && (3..=32).contains(&name.canonical().len()));
            let again = Username::parse(&name.canonical()).unwrap();
            prop_assert_eq!(again.canonical(), name.canonical());
            let upper = Username::parse(&text.to_ascii_uppercase()).unwrap();
            prop_assert_eq!(upper.canonical(), name.canonical());
        }
    }

    #[test]
    fn only_text_in_the_format_of_a_token_is_a_token(text in texts_like_tokens()) {
        if let Some(token) = Token::parse(&text) {
            prop_assert!(text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(token.reveal(), text);
        }
    }

    #[test]
    fn two_texts_are_never_one_token(
        text in "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]",
        at in 0..43usize,
        other in "[A-Za-z0-9_-]",
    ) {
        let token = Token::parse(&text).unwrap();
        let mut changed = text.clone();
        changed.replace_range(at..=at, &other);
        if let Some(changed_token) = Token::parse(&changed).filter(|_| changed != text) {
            prop_assert_ne!(changed_token.sha256(), token.sha256());
        }
    }

    #[test]
    fn no_unsigned_text_is_a_link(text in prop_oneof![".*", "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,4}"]) {
        let links = Links::new(&vestibule::config::key_ring(&"ab".repeat(32)).unwrap());
        prop_assert!(links.read(&text, &[Purpose::ConfirmEmail], chrono::Utc::now()).is_err());
    }

    #[test]
    fn headers_of_a_client_do_not_override_what_a_proxy_saw(
        lines in proptest::collection::vec(".*", 0..4),
        seen in any::<IpAddr>(),
    ) {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        prop_assume!(!trusted.iter().any(|network: &ipnet::IpNet| network.contains(&seen.to_canonical())));
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let mut claimed: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(Client::new(seen, &claimed, &trusted, None).ip, seen.to_canonical());
        let last = format!("{},{seen}", claimed.pop().unwrap_or_default());
        claimed.push(&last);
        prop_assert_eq!(Client::new(peer, &claimed, &trusted, None).ip, seen.to_canonical());
    }

    #[test]
    fn a_user_agent_is_short_and_has_no_control_characters(agent in ".{0,600}") {
        let kept = Client::new("10.0.0.1".parse().unwrap(), &[], &[], Some(&agent)).user_agent.unwrap_or_default();
        prop_assert!(kept.chars().count() <= 256 && !kept.chars().any(char::is_control));
    }

    #[test]
    fn every_accept_language_gets_an_existing_language(
        header in prop_oneof![".*", "([a-zA-Z*-]{0,8}(;q=[0-9.]{0,5})?,?){0,8}"],
    ) {
        let language = MailTemplates::built_in().choose(Some(&header));
        prop_assert!(["en", "de"].contains(&language.as_str()), "{}", language);
    }

    #[test]
    fn no_other_origin_is_allowed(bytes in proptest::collection::vec(any::<u8>(), 0..60), tail in "[.:@/#?]?[a-z.]{0,9}") {
        let own = "https://auth.example.com";
        let origins = AllowedOrigins::new(&own.parse().unwrap(), &[]);
        let values = [HeaderValue::from_bytes(&bytes), HeaderValue::from_str(&format!("{own}{tail}"))];
        for value in values.into_iter().flatten().filter(|value| value != own) {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, value);
            prop_assert!(!origins.may_change(&headers));
        }
    }
}

proptest! {
    // Checking a password is slow.
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_password_satisfies_the_policy(text in ".{0,300}", own in ".{0,40}") {
        let judged = PasswordPolicy { min_length: 8 }.check(&text, &[&own]);
        let length = text.nfc().count();
        if judged.is_ok() {
            prop_assert!((8..=256).contains(&length) && !text.chars().any(char::is_control));
        }
    }
}
