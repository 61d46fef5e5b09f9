//! The schemes, against hashes that the real libraries made (`fixtures/make_hashes.py`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]

use foreign_hashes::{BadHash, ForeignSecret, Setting, parse_hash, verify};
use serde::Deserialize;

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
        serde_json::from_str(include_str!("fixtures/hashes.json")).unwrap()
    }

    /// The hash, with the secret of its application.
    fn wrapped(&self) -> String {
        let secret = self.devise_pepper.clone().map(ForeignSecret::DevisePepper);
        let secret = secret.or(self.flask_security_salt.clone().map(ForeignSecret::FlaskSecuritySalt));
        secret.map_or(self.hash.clone(), |secret| secret.wrap(&self.hash).unwrap())
    }

    fn parsed(&self) -> (String, Setting) {
        parse_hash(&self.wrapped()).unwrap_or_else(|error| panic!("{} {}: {error}", self.family, self.case))
    }

    fn is_matched_by(&self, password: &str) -> bool {
        verify(&self.wrapped(), password).unwrap()
    }
}

#[test]
fn every_hash_that_a_library_made_matches_its_password_and_no_other() {
    let all = Foreign::all();
    assert!(all.len() > 140, "{}", all.len());
    for foreign in all {
        let (family, case) = (&foreign.family, &foreign.case);
        assert!(foreign.is_matched_by(&foreign.password), "{family}, {case}: {}", foreign.hash);
        // These take seconds if the code is not optimised.
        if case != "default cost" {
            assert!(!foreign.is_matched_by(&format!("x{}", foreign.password)), "{family}, {case}");
        }
    }
}

#[test]
fn a_hash_is_stored_as_it_came_and_its_setting_can_be_stored_too() {
    for foreign in Foreign::all() {
        let (stored, setting) = foreign.parsed();
        assert!(stored.ends_with(&foreign.hash), "{}", foreign.family);
        assert_eq!(Setting::parse(setting.as_str()).unwrap(), setting);
        let prefix = setting.as_str().rsplit_once('~').map_or(setting.as_str(), |(prefix, _)| prefix);
        assert!(stored.starts_with(prefix), "{}", foreign.family);
        assert!(!format!("{setting:?}").contains("devise"));
    }
}

#[test]
fn a_long_password_is_cut_where_its_library_cuts_it() {
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
fn a_password_with_nul_matches_nothing() {
    for foreign in Foreign::all().iter().filter(|foreign| foreign.case == "plain") {
        let doubled = format!("{0}\0{0}", foreign.password);
        assert!(!foreign.is_matched_by(&doubled), "{}", foreign.family);
    }
}

#[test]
fn a_text_that_is_no_hash_is_refused_with_its_reason() {
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
        assert_eq!(parse_hash(text).unwrap_err().to_string(), reason, "{text}");
    }
    let long = format!("pbkdf2:sha256:1000${}$00", "s".repeat(2000));
    assert_eq!(parse_hash(&long).unwrap_err(), BadHash::Malformed("too long"));
}

#[test]
fn a_digest_in_another_spelling_is_the_same_digest() {
    let all = Foreign::all();
    let hash = all.iter().find(|foreign| foreign.family == "werkzeug pbkdf2:sha256").unwrap();
    let (setting, digest) = hash.hash.rsplit_once('$').unwrap();
    let (upper, _) = parse_hash(&format!("{setting}${}", digest.to_uppercase())).unwrap();
    assert_eq!(upper, hash.parsed().0);
}

#[test]
fn a_secret_does_not_show_itself() {
    let secret = ForeignSecret::DevisePepper("0f0f".to_owned());
    assert_eq!(format!("{secret:?}"), "[redacted]");
    let (_, setting) = parse_hash(&secret.wrap(&format!("$2a$04${}", ".".repeat(53))).unwrap()).unwrap();
    assert_eq!(format!("{setting:?}"), "Setting(Effort { algorithm: \"bcrypt\", amount: 4 })");
}

#[test]
fn a_salt_may_begin_with_the_sign_that_precedes_a_length() {
    let werkzeug = format!("pbkdf2:sha256:1000$~8ZCG8Uc9T91ZJtQ${}", "0".repeat(64));
    let (stored, setting) = parse_hash(&werkzeug).unwrap();
    assert_eq!((stored.as_str(), setting.as_str()), (werkzeug.as_str(), "pbkdf2:sha256:1000$~8ZCG8Uc9T91ZJtQ$"));
    assert!(setting.hash("x").starts_with(setting.as_str()));
}
