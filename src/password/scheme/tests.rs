//! The schemes, against hashes that the real libraries made (`tests/fixtures/foreign_hashes.py`).

use serde::Deserialize;

use super::*;
use crate::password::hash::HashInput;
use crate::password::{HashParameters, PasswordHash};

#[derive(Deserialize)]
struct Foreign {
    family: String,
    case: String,
    password: String,
    hash: String,
    devise_pepper: Option<String>,
    flask_security_salt: Option<String>,
}

impl Foreign {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../../tests/fixtures/foreign_hashes.json")).unwrap()
    }

    /// As an import would store it.
    fn stored(&self) -> PasswordHash {
        let secret = self.devise_pepper.clone().map(ForeignSecret::DevisePepper);
        let secret = secret.or(self.flask_security_salt.clone().map(ForeignSecret::FlaskSecuritySalt));
        let text = secret.map_or(self.hash.clone(), |secret| secret.wrap(&self.hash).unwrap());
        PasswordHash::parse(&text).unwrap_or_else(|error| panic!("{} {}: {error}", self.family, self.case)).0
    }

    fn is_matched_by(&self, password: &str) -> bool {
        let stored = self.stored();
        HashInput::new(&Password::new(password), &stored.parameters().unwrap()).compute().matches(&stored)
    }
}

#[test]
fn every_hash_that_a_library_made_matches_its_password_and_no_other() {
    let all = Foreign::all();
    assert!(all.len() > 140, "{}", all.len());
    for foreign in all {
        let (family, case) = (&foreign.family, &foreign.case);
        // This form is ours, and cannot be told from it: there a password is NFC-normalised, which passlib does not.
        let is_other = family == "passlib bcrypt-sha256 v2" && case == "decomposed";
        assert_eq!(foreign.is_matched_by(&foreign.password), !is_other, "{family}, {case}: {}", foreign.hash);
        // Unoptimised, these take seconds.
        if case != "default cost" {
            assert!(!foreign.is_matched_by(&format!("x{}", foreign.password)), "{family}, {case}");
        }
    }
}

#[test]
fn a_foreign_hash_is_stored_as_it_came_and_its_parameters_survive_the_database() {
    for foreign in Foreign::all() {
        let stored = foreign.stored();
        assert!(stored.as_str().ends_with(&foreign.hash), "{}", foreign.family);
        let parameters = stored.parameters().unwrap();
        assert_eq!(HashParameters::parse(parameters.as_str()).unwrap(), parameters);
        assert!(stored.as_str().starts_with(prefix(parameters.as_str())), "{}", foreign.family);
        assert!(!format!("{parameters:?}").contains("devise"));
    }
}

#[test]
fn a_long_password_is_cut_where_it_was_at_home() {
    let all = Foreign::all();
    let is_cut = |family: &str| {
        let foreign = all.iter().find(|foreign| foreign.family == family && foreign.case == "long").unwrap();
        assert!(foreign.password.len() > 72);
        foreign.is_matched_by(&foreign.password[..72])
    };
    for family in ["passlib bcrypt 2b", "django bcrypt", "gotrue (by format)", "devise with pepper (by format)"] {
        assert!(is_cut(family), "{family}");
    }
    for family in ["django bcrypt_sha256", "passlib bcrypt-sha256 v1", "flask-security bcrypt", "better-auth"] {
        assert!(!is_cut(family), "{family}");
    }
}

#[test]
fn nul_opens_nothing() {
    for foreign in Foreign::all().iter().filter(|foreign| foreign.case == "plain") {
        let doubled = format!("{0}\0{0}", foreign.password);
        assert!(!foreign.is_matched_by(&doubled), "{}", foreign.family);
    }
}

#[test]
fn what_is_no_hash_is_refused_with_its_reason() {
    let salt = "0123456789abcdefABCDEF";
    let digest = "a".repeat(31);
    let cases = [
        ("", "is a mark for no password"),
        ("!", "is a mark for no password"),
        ("!Xr4cmSL2", "is a mark for no password"),
        ("secret", "is of no known scheme"),
        ("plaintext$secret", "is of no known scheme"),
        ("sha1$abc$aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "is of no known scheme"),
        ("$1$abcdefgh$abcdefghijklmnopqrstuv", "is of no known scheme"),
        ("$6$abcdefgh$abcdefghijklmnopqrstuv", "is of no known scheme"),
        (&format!("$2x$12${salt}{digest}"), "is of no known scheme"),
        (&format!("$2b$17${salt}{digest}"), "asks for too much: a cost above 16"),
        (&format!("$2b$3${salt}{digest}"), "is malformed: a cost under 4"),
        (&format!("$2b$12${salt}{}", &digest[1..]), "is malformed: the length of its salt"),
        (&format!("$2b$12${salt}{}!", &digest[1..]), "is malformed: its digest"),
        (&format!("$2b$+2${salt}{digest}"), "is malformed: a number"),
        ("pbkdf2:sha256:6000000$abc$00", "asks for too much: more than 5,000,000 rounds"),
        ("pbkdf2:sha256:0$abc$00", "is malformed: no rounds"),
        ("pbkdf2:sha256:99999999999$abc$00", "is malformed: a number"),
        ("pbkdf2:sha256:1000$abc$00", "is malformed: the length of its digest"),
        ("pbkdf2:sha256:1000$abc$zz", "is malformed: its digest"),
        ("pbkdf2:md5:1000$abc$00", "is of no known scheme"),
        ("pbkdf2_sha256$1000$a\0c$AAAA", "is malformed: a control character"),
        ("scrypt:30000:8:1$abc$00", "is malformed: N is no power of two"),
        ("scrypt:1048576:8:1$abc$00", "asks for too much: more than 256 MiB"),
        ("scrypt:32768:8:1000$abc$00", "asks for too much: too many passes"),
        ("$argon2id$v=19$m=524288,t=1,p=1$c29tZXNhbHQ$AAAAAAAA", "asks for too much: more than 256 MiB"),
        ("$argon2id$v=19$m=65536,t=100,p=1$c29tZXNhbHQ$AAAAAAAA", "asks for too much: too many passes or lanes"),
        ("$argon2id$v=19$m=65536,t=1,p=1$c2Fs$AAAAAAAA", "is malformed: a salt of less than 8 bytes"),
        ("$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$", "is malformed: the length of its digest"),
        ("$argon2id$v=20$m=65536,t=1,p=1$c29tZXNhbHQ$AAAAAAAA", "is malformed: not in the PHC string format"),
        ("devise:AAAA:flask-security:AAAA:$2b$12$x", "is of no known scheme"),
    ];
    for (text, reason) in cases {
        assert_eq!(PasswordHash::parse(text).unwrap_err().to_string(), reason, "{text}");
    }
    let long = format!("pbkdf2:sha256:1000${}$00", "s".repeat(2000));
    assert_eq!(PasswordHash::parse(&long).unwrap_err(), BadHash::Malformed("too long"));
}

#[test]
fn a_digest_in_another_spelling_is_the_same_digest() {
    let all = Foreign::all();
    let hash = all.iter().find(|foreign| foreign.family == "werkzeug pbkdf2:sha256").unwrap();
    let (setting, digest) = hash.hash.rsplit_once('$').unwrap();
    let (upper, _) = PasswordHash::parse(&format!("{setting}${}", digest.to_uppercase())).unwrap();
    assert!(upper.matches(&hash.stored()));
}
