//! Which passwords are accepted: length and guessability, as NIST SP 800-63B-4 asks; no composition rules.

use zxcvbn::Score;

use super::{Password, guess};

/// The longest password, in characters: enough for every passphrase and password manager.
const MAX_LENGTH: usize = 256;

/// A password that may be set.
#[derive(Debug)]
pub struct NewPassword(Password);

impl NewPassword {
    /// The password itself.
    #[must_use]
    pub fn password(&self) -> &Password {
        &self.0
    }
}

/// What is asked of a password.
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    /// The fewest characters.
    pub min_length: usize,
}

/// The one reason why a password is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer characters than asked for.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// More than 256 characters.
    #[error("must have at most 256 characters")]
    TooLong,
    /// A control character, NUL among them.
    #[error("must not have control characters in it")]
    ControlCharacter,
    /// Among the first that somebody would try; with zxcvbn's hint.
    #[error("is too easy to guess: {0}")]
    Guessable(String),
}

impl PasswordPolicy {
    /// Judges a password. `words` are the person's own, such as address and name, that others would try first.
    ///
    /// # Errors
    /// The first reason that applies, see [`WeakPassword`].
    pub fn check(&self, typed: &str, words: &[&str]) -> Result<NewPassword, WeakPassword> {
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
        let estimate = guess::estimate(&password.normal, &own_words(words));
        if estimate.score() < Score::Three {
            return Err(WeakPassword::Guessable(hint(&estimate)));
        }
        Ok(NewPassword(password))
    }
}

/// The words, and the pieces of those that are addresses or names of several parts.
fn own_words<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut own = vec!["vestibule"];
    for word in words {
        own.push(word);
        own.extend(word.split(|c: char| !c.is_alphanumeric()).filter(|piece| piece.len() > 2));
    }
    own
}

fn hint(estimate: &zxcvbn::Entropy) -> String {
    let feedback = estimate.feedback();
    let warning = feedback.and_then(zxcvbn::feedback::Feedback::warning).map(|warning| warning.to_string());
    let suggestion = feedback.and_then(|feedback| feedback.suggestions().first()).map(ToString::to_string);
    warning.or(suggestion).unwrap_or_else(|| "Add another word or two. Uncommon words are better.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_others_would_try_first_is_refused() {
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
}
