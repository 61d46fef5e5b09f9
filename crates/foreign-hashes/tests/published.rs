//! The schemes of systems that no package of Python or npm brings along, against hashes that were published
//! (`fixtures/published.json` says by whom). For three forms we found none whose password is published: those hashes were made by
//! Python's hashlib, from what the system's own code does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]

use foreign_hashes::{ForeignSecret, Setting, parse_hash, verify};
use serde::Deserialize;

#[derive(Deserialize)]
struct Published {
    family: String,
    password: String,
    hash: String,
}

fn all() -> Vec<Published> {
    serde_json::from_str(include_str!("fixtures/published.json")).unwrap()
}

fn of(family: &str) -> Published {
    all().into_iter().find(|published| published.family == family).unwrap()
}

#[test]
fn every_published_hash_matches_its_password_and_no_other() {
    for Published { family, password, hash } in all() {
        assert_eq!(verify(&hash, &password), Ok(true), "{family}: {hash}");
        assert_eq!(verify(&hash, &format!("x{password}")), Ok(false), "{family}");
        assert_eq!(verify(&hash, &format!("{password}\0{password}")), Ok(false), "{family}");
    }
}

#[test]
fn what_is_stored_begins_with_its_setting_and_reads_as_itself() {
    for Published { family, hash, .. } in all() {
        let (stored, setting) = parse_hash(&hash).unwrap();
        assert!(stored.starts_with(setting.as_str()), "{family}: {stored}");
        assert_eq!(Setting::parse(setting.as_str()).unwrap(), setting);
        assert_eq!(parse_hash(&stored).unwrap(), (stored, setting), "{family}");
    }
}

#[test]
fn wordpress_trims_a_password() {
    for family in ["wordpress phpass", "wordpress 6.8"] {
        let Published { password, hash, .. } = of(family);
        assert_eq!(verify(&hash, &format!(" \t{password}\r\n")), Ok(true), "{family}");
        // Only what PHP trims.
        assert_eq!(verify(&hash, &format!("\u{a0}{password}")), Ok(false), "{family}");
    }
    for family in ["phpbb", "drupal 7", "laravel"] {
        let Published { password, hash, .. } = of(family);
        assert_eq!(verify(&hash, &format!(" {password}")), Ok(false), "{family}");
    }
}

#[test]
fn a_singly_hashed_password_of_flask_security_matches_in_every_normal_form() {
    // Made by passlib 1.7.4 of the NFKD, as Flask-Security gives it.
    let made_of_nfkd = "$2b$05$tlegxtQe8Hn.0bSJbK9theJBMzj3AdDnQT9E3Pq0nra3gZnrqJwQ.";
    assert_eq!(verify(made_of_nfkd, "caf\u{e9}-\u{fb01}ve"), Ok(false));
    let marked = ForeignSecret::FlaskSecuritySingleHash.wrap(made_of_nfkd).unwrap();
    for spelling in ["caf\u{e9}-\u{fb01}ve", "cafe\u{301}-\u{fb01}ve", "cafe\u{301}-five"] {
        assert_eq!(verify(&marked, spelling), Ok(true), "{spelling}");
    }
    assert_eq!(verify(&marked, "cafe-five"), Ok(false));
    assert_eq!(ForeignSecret::FlaskSecuritySingleHash.wrap("pbkdf2_sha256$1000$x$y"), None);
}

#[test]
fn a_text_that_is_no_hash_is_refused_with_its_reason() {
    for (text, reason) in [
        ("$P$1IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "is malformed: a cost under 7"),
        ("$P$zIQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "asks for too much: a cost above 22"),
        ("$P$9IQRaTwmf", "is malformed: the length of its digest"),
        ("$P$9IQR", "is malformed: no cost"),
        ("$S$CwkjgAKeSx2imSiN3SyBEg8e0sgE2QOx4a", "is malformed: the length of its digest"),
        ("$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==$C0sHCg9ek77hsg==$zKVT", "is malformed: not as GoTrue writes it"),
        ("$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk=AAAA$C0sH$zKVT", "is malformed: the length of its signer key"),
        ("AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4A=", "is malformed: the length of its digest"),
        ("AQAAAAkAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6", "is malformed: not as ASP.NET Identity writes it"),
        ("AAAA", "is malformed: not as ASP.NET Identity writes it"),
        ("{noop}password", "is of no known scheme"),
        ("{bcrypt}password", "is of no known scheme"),
        ("{pbkdf2}5d92", "is malformed: its length"),
        ("{pbkdf2}xyz", "is malformed: its hexadecimal"),
        ("keycloak$pbkdf2-md5$1$AAAA$AAAA", "is of no known scheme"),
        ("keycloak$pbkdf2-sha256$1$AAAA", "is malformed: not algorithm, iterations, salt, value"),
        ("pbkdf2-key$sha256$4000000$64$AAAA$AAAA", "asks for too much: more than 5,000,000 rounds"),
        ("pbkdf2-key$sha256$1000$200$AAAA$AAAA", "is malformed: the length of its digest"),
        ("nfkd:nfkd:$2b$12$x", "is of no known scheme"),
    ] {
        assert_eq!(parse_hash(text).unwrap_err().to_string(), reason, "{text}");
    }
}
