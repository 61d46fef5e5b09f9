//! How easy a password is to guess, in bounded time: it is judged on the thread that serves others, too, and before
//! anything was counted. Without a bound, a small request of odd symbols would hold up everybody for half a second.

use std::borrow::Cow;

/// Characters that are judged at most. What follows a weak beginning of this length is not worth looking at.
const JUDGED: usize = 64;

/// The symbols that stand for one letter, of those that have several. zxcvbn tries every combination of them, each over
/// every part of the password.
const ALTERNATIVES: [&str; 7] = ["4@", "({[<", "69", "1!|", "1|7", "$5", "+7"];

/// Combinations times the square of the length, at most: a few milliseconds.
const MOST_WORK: usize = 32 * JUDGED * JUDGED;

/// zxcvbn's estimate, which knows the words as those that others would try first.
pub(super) fn estimate(password: &str, words: &[&str]) -> zxcvbn::Entropy {
    let (password, words) = prepare(password, words);
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    zxcvbn::zxcvbn(&password, &words)
}

/// What is judged: the beginning and, where that would take too long, with one symbol instead of several that mean the
/// same. The words are cut and folded alike, or the password would no longer be found to be one of them.
fn prepare<'a>(password: &'a str, words: &[&'a str]) -> (Cow<'a, str>, Vec<Cow<'a, str>>) {
    let password = beginning(password);
    let words = words.iter().map(|word| beginning(word));
    if work(password) <= MOST_WORK {
        return (password.into(), words.map(Cow::from).collect());
    }
    (fold(password).into(), words.map(|word| fold(word).into()).collect())
}

fn beginning(text: &str) -> &str {
    text.char_indices().nth(JUDGED).map_or(text, |(end, _)| &text[..end])
}

/// Digits stay, so that years and sequences are still found.
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
    // Of a symbol that two letters share, both meanings are tried.
    let meanings = |symbol| if matches!(symbol, '1' | '|' | '7') { 2 } else { 1 };
    let tried = |symbols: &str| symbols.chars().filter(|symbol| text.contains(*symbol)).map(meanings).sum::<usize>();
    let combinations: usize = ALTERNATIVES.iter().map(|symbols| tried(symbols).max(1)).product();
    combinations * text.chars().count().pow(2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zxcvbn::Score;

    use super::*;

    const ALL: &str = "4@8({[<369!1|70$5+%2";

    proptest! {
        #[test]
        fn no_password_takes_long(text in "[-4@8({\\[<369!1|70$5+%2a-z]{0,256}", word in "[4@(<1!|7+$a]{0,99}") {
            let (judged, words) = prepare(&text, &[&word]);
            prop_assert!(work(&judged) <= MOST_WORK, "{judged}");
            prop_assert!(words[0].chars().count() <= JUDGED);
        }
    }

    #[test]
    fn the_worst_is_folded_and_the_usual_is_not() {
        let worst: String = ALL.chars().cycle().take(256).collect();
        assert!(work(&worst) > 100 * MOST_WORK);
        assert!(work(&prepare(&worst, &[]).0) <= MOST_WORK);
        for usual in ["P@ssw0rd!", "!@#$%^&*", "1qaz@WSX3edc$RFV", "xK4#pQ9!w{7]Zr+2"] {
            assert_eq!(prepare(usual, &[]).0, usual);
        }
    }

    #[test]
    fn an_own_word_is_found_whatever_its_symbols_and_its_length() {
        let long = format!("{ALL}.lovelace.{ALL}@{}.example.com", "x1!|".repeat(8));
        for own in ["ada@example.com", &format!("{ALL}@example.com"), &long] {
            assert!(estimate(own, &[]).score() >= Score::Three || own.starts_with("ada"), "{own} alone");
            assert!(estimate(own, &["vestibule", own]).score() < Score::Three, "{own}");
        }
    }
}
