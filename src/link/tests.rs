//! What opens, and what does not.

use super::*;
use crate::config::key_ring;

const HOUR: Duration = Duration::from_secs(3600);

fn links(keys: &str) -> Links {
    Links::new(&key_ring(keys).unwrap())
}

fn key(byte: &str) -> String {
    byte.repeat(32)
}

fn mint(links: &Links, now: DateTime<Utc>) -> String {
    let link = NewLink {
        purpose: Purpose::ConfirmEmail,
        user_id: UserId::new(),
        email_canonical: "ada@example.com",
        reference: None,
        ttl: HOUR,
    };
    links.sign(link, now).unwrap()
}

fn read(links: &Links, token: &str, now: DateTime<Utc>) -> Result<Link, LinkError> {
    links.read(token, &[Purpose::ConfirmEmail], now)
}

#[test]
fn a_link_says_what_it_was_minted_for_until_it_expires() {
    let (links, now) = (links(&key("ab")), Utc::now());
    let token = mint(&links, now);
    assert_eq!(read(&links, &token, now).unwrap().email_canonical, "ada@example.com");
    assert!(read(&links, &token, now + chrono::Duration::seconds(3598)).is_ok());
    assert_eq!(read(&links, &token, now + chrono::Duration::seconds(3601)).unwrap_err(), LinkError::Expired);
}

#[test]
fn every_changed_character_makes_it_invalid() {
    let (links, now) = (links(&key("ab")), Utc::now());
    let token = mint(&links, now);
    for at in 0..token.len() {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let tampered = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(read(&links, &tampered, now).unwrap_err(), LinkError::Invalid, "at {at}");
    }
    for tampered in ["", ".", "..", &token[1..], &format!("{token}A"), &format!("{token}{token}")] {
        assert_eq!(read(&links, tampered, now).unwrap_err(), LinkError::Invalid);
    }
}

#[test]
fn what_stands_around_a_token_is_not_part_of_it() {
    let (links, now) = (links(&key("ab")), Utc::now());
    let token = mint(&links, now);
    for (before, after) in [("", "."), (" <", ">,\r\n"), ("%20", "%3E%0A"), ("\u{a0}", "\u{3002}"), ("\"", "\")")] {
        assert!(read(&links, &format!("{before}{token}{after}"), now).is_ok(), "{before} {after}");
    }
    for wrong in [format!("{token}.x"), format!("x {token}"), format!("{token}%41"), ".".repeat(100_000)] {
        assert_eq!(read(&links, &wrong, now).unwrap_err(), LinkError::Invalid);
    }
}

#[test]
fn an_earlier_key_still_verifies_and_a_foreign_one_does_not() {
    let now = Utc::now();
    let token = mint(&links(&key("ab")), now);
    assert!(read(&links(&format!("{},{}", key("cd"), key("ab"))), &token, now).is_ok());
    assert_eq!(read(&links(&key("cd")), &token, now).unwrap_err(), LinkError::Invalid);
}

#[test]
fn a_token_of_another_kind_is_no_link() {
    let (links, now) = (links(&key("ab")), Utc::now());
    let claims = |aud: &str| Claims {
        iss: ISSUER.into(),
        aud: aud.into(),
        sub: Uuid::now_v7(),
        email: "ada@example.com".into(),
        reference: None,
        iat: now.timestamp(),
        exp: now.timestamp() + 60,
    };
    let mint = |algorithm, typ: &str, aud: &str| {
        let mut header = Header::new(algorithm);
        header.typ = Some(typ.into());
        jsonwebtoken::encode(&header, &claims(aud), &links.signing).unwrap()
    };
    assert!(read(&links, &mint(Algorithm::HS256, TYPE, "confirm_email"), now).is_ok());
    for token in [
        mint(Algorithm::HS256, "JWT", "confirm_email"),
        mint(Algorithm::HS256, TYPE, "reset_password"),
        mint(Algorithm::HS512, TYPE, "confirm_email"),
    ] {
        assert_eq!(read(&links, &token, now).unwrap_err(), LinkError::Invalid);
    }
}

#[test]
fn an_unsigned_token_is_no_link() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (links, now) = (links(&key("ab")), Utc::now());
    let token = mint(&links, now);
    let claims = token.split('.').nth(1).unwrap();
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"{TYPE}"}}"#));
    for signature in ["", "A"] {
        let forged = format!("{header}.{claims}.{signature}");
        assert_eq!(read(&links, &forged, now).unwrap_err(), LinkError::Invalid);
    }
}

#[test]
fn a_link_opens_the_doors_of_its_purpose_alone() {
    let (links, now) = (links(&key("ab")), Utc::now());
    let all = [Purpose::ConfirmEmail, Purpose::ChangeEmail, Purpose::UndoEmailChange, Purpose::ResetPassword];
    for made_for in all {
        let link = NewLink {
            purpose: made_for,
            user_id: UserId::new(),
            email_canonical: "ada@example.com",
            reference: Some("x".into()),
            ttl: HOUR,
        };
        let token = links.sign(link, now).unwrap();
        for door in all {
            assert_eq!(links.read(&token, &[door], now).is_ok(), door == made_for, "{made_for:?} at {door:?}");
        }
        assert_eq!(links.read(&token, &all, now).unwrap().purpose, made_for);
    }
}
