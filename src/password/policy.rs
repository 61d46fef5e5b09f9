//! Which passwords are accepted: length and guessability, as NIST SP 800-63B-4 asks; no composition rules.

use std::borrow::Cow;

use zxcvbn::Score;

use super::Password;

/// In characters: enough for every passphrase and password manager.
const MAX_LENGTH: usize = 256;

/// A password that may be set.
#[derive(Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// The password itself.
    pub fn password(&self) -> &Password {
        &self.0
    }
}

/// What a password must satisfy.
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    /// In characters.
    pub min_length: usize,
}

/// The one reason why a password is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer characters than the policy asks for.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More than 256 characters.
    #[error("must have at most 256 characters")]
    TooLong,
    /// A control character, such as NUL.
    #[error("must not have control characters in it")]
    ControlCharacter,
    /// Among the first that an attacker would try; with zxcvbn's hint.
    #[error("is too easy to guess: {0}")]
    Guessable(String),
}

impl PasswordPolicy {
    /// Judges a password. `words` belong to the user, such as email address and username: an attacker would try them first.
    ///
    /// # Errors
    /// The first [`WeakPassword`] that applies.
    pub fn check(&self, typed: &str, words: &[&str]) -> Result<NewPassword, WeakPassword> {
        let password = self.check_form(typed)?;
        let estimate = estimate(&password.normal, &own_words(words));
        if estimate.score() < Score::Three {
            return Err(WeakPassword::Guessable(hint(&estimate)));
        }
        Ok(NewPassword(password))
    }

    /// What can be said about a password at no cost.
    ///
    /// # Errors
    /// Any [`WeakPassword`] but [`WeakPassword::Guessable`].
    pub fn check_form(&self, typed: &str) -> Result<Password, WeakPassword> {
        let password = Password::new(typed);
        let length = password.normal.chars().count();
        if length < self.min_length {
            return Err(WeakPassword::TooShort(self.min_length));
        }
        if length > MAX_LENGTH {
            return Err(WeakPassword::TooLong);
        }
        if password.normal.chars().any(char::is_control) {
            return Err(WeakPassword::ControlCharacter);
        }
        Ok(password)
    }
}

/// The words, and the parts of each.
fn own_words<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut own = vec!["vestibule"];
    for word in words {
        own.push(word);
        own.extend(word.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() > 2));
    }
    own
}

fn hint(estimate: &zxcvbn::Entropy) -> String {
    let feedback = estimate.feedback();
    let warning = feedback.and_then(zxcvbn::feedback::Feedback::warning).map(|warning| warning.to_string());
    let suggestion = feedback.and_then(|feedback| feedback.suggestions().first()).map(ToString::to_string);
    warning.or(suggestion).unwrap_or_else(|| "Add another word or two. Uncommon words are better.".into())
}

// zxcvbn runs on the async threads, before any throttle, and its time has no bound of its own: a short password of odd
// symbols takes it half a second. So it sees the beginning of a password only, and fewer symbols where they cost too much.

/// How many characters zxcvbn sees. After a weak beginning of this length, the rest does not matter.
const JUDGED: usize = 64;

/// The symbols that stand for the same letter. zxcvbn tries every combination of them on every part of the password.
const ALTERNATIVES: [&str; 7] = ["4@", "({[<", "69", "1!|", "1|7", "$5", "+7"];

/// In combinations times the square of the length: a few milliseconds.
const MAX_WORK: usize = 32 * JUDGED * JUDGED;

fn estimate(password: &str, words: &[&str]) -> zxcvbn::Entropy {
    let (password, words) = bound(password, words);
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    zxcvbn::zxcvbn(&password, &words)
}

/// The words are changed like the password, or it would no longer be recognised as one of them.
fn bound<'a>(password: &'a str, words: &[&'a str]) -> (Cow<'a, str>, Vec<Cow<'a, str>>) {
    let password = beginning(password);
    let words = words.iter().map(|word| beginning(word));
    if work(password) <= MAX_WORK {
        return (password.into(), words.map(Cow::from).collect());
    }
    (fold(password).into(), words.map(|word| fold(word).into()).collect())
}

fn beginning(text: &str) -> &str {
    text.char_indices().nth(JUDGED).map_or(text, |(end, _)| &text[..end])
}

/// One symbol for all that stand for the same letter. Digits stay, so that years and sequences are still recognised.
fn fold(text: &str) -> String {
    let one = |symbol| match symbol {
        '@' => '4',
        '{' | '[' | '<' => '(',
        '!' | '|' => '1',
        '$' => '5',
        '+' => '7',
        other => other,
    };
    text.chars().map(one).collect()
}

/// At least what zxcvbn will try.
fn work(text: &str) -> usize {
    // Of a symbol that two letters share, zxcvbn tries both meanings.
    let meanings = |symbol| if matches!(symbol, '1' | '|' | '7') { 2 } else { 1 };
    let tried = |symbols: &str| symbols.chars().filter(|symbol| text.contains(*symbol)).map(meanings).sum::<usize>();
    let combinations: usize = ALTERNATIVES.iter().map(|symbols| tried(symbols).max(1)).product();
    combinations * text.chars().count().pow(2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SYMBOLS: &str = "4@8({[<369!1|70$5+%2";

    fn check(typed: &str) -> Result<NewPassword, WeakPassword> {
        PasswordPolicy { min_length: 8 }.check(typed, &["ada.lovelace@example.com", "countess"])
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check("xK4#pQ9").unwrap_err(), WeakPassword::TooShort(8));
        assert!(check("xK4#pQ9!w").is_ok());
        let long: String = "plum orbit kettle ".chars().cycle().take(256).collect();
        assert!(check(&long).is_ok());
        assert_eq!(check(&format!("{long}x")).unwrap_err(), WeakPassword::TooLong);
        let words = (0_u32..).map(|at| char::from_u32(0x4e00 + at * 7).unwrap());
        assert!(check(&words.take(256).collect::<String>()).is_ok());
        // Twelve octets, but four characters.
        assert_eq!(check("密码安全").unwrap_err(), WeakPassword::TooShort(8));
    }

    #[test]
    fn control_characters_are_refused() {
        assert_eq!(check("plum\0orbit kettle").unwrap_err(), WeakPassword::ControlCharacter);
    }

    #[test]
    fn a_password_that_an_attacker_would_try_first_is_refused() {
        for typed in [
            "password1",
            "12345678",
            "lovelace1815",
            "countess99",
            "vestibule1",
            "qwertyuiop",
            "ada.lovelace@example.com",
        ] {
            assert!(matches!(check(typed), Err(WeakPassword::Guessable(_))), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn no_password_takes_long(text in "[-4@8({\\[<369!1|70$5+%2a-z]{0,256}", word in "[4@(<1!|7+$a]{0,99}") {
            let (judged, words) = bound(&text, &[&word]);
            prop_assert!(work(&judged) <= MAX_WORK, "{judged}");
            prop_assert!(words[0].chars().count() <= JUDGED);
        }
    }

    #[test]
    fn only_a_password_that_would_take_long_is_folded() {
        let worst: String = SYMBOLS.chars().cycle().take(256).collect();
        assert!(work(&worst) > 100 * MAX_WORK);
        assert!(work(&bound(&worst, &[]).0) <= MAX_WORK);
        for usual in ["P@ssw0rd!", "!@#$%^&*", "1qaz@WSX3edc$RFV", "xK4#pQ9!w{7]Zr+2"] {
            assert_eq!(bound(usual, &[]).0, usual);
        }
    }

    #[test]
    fn a_word_of_the_user_is_recognised_whatever_its_symbols_and_its_length() {
        let long = format!("{SYMBOLS}.lovelace.{SYMBOLS}@{}.example.com", "x1!|".repeat(8));
        for own in ["ada@example.com", &format!("{SYMBOLS}@example.com"), &long] {
            assert!(estimate(own, &[]).score() >= Score::Three || own.starts_with("ada"), "{own} alone");
            assert!(estimate(own, &["vestibule", own]).score() < Score::Three, "{own}");
        }
    }
}
