//! The letters that ship, in English and German: templates that are checked when the service is compiled.

use askama::Template;

use super::{Letter, LetterKind, Words};

/// The languages that ship; the first is what is written where nothing else fits.
pub(super) const LANGUAGES: [&str; 2] = ["en", "de"];

/// Declares the letters: for each kind and language a function that writes it, and the sources, which templates of the
/// operator can build on.
macro_rules! letters {
    ($($language:tt $kind:ident $name:ident $subject:tt $text:tt $html:tt)+) => {
        /// Writes a letter that ships. `None` in a language that does not.
        pub(super) fn write(kind: LetterKind, language: &str, words: &Words) -> Option<askama::Result<Letter>> {
            match (language, kind) {
                $(($language, LetterKind::$kind) => Some($name(words)),)+
                _ => None,
            }
        }

        /// The source of a template that ships, by name.
        pub(super) fn source(name: &str) -> Option<&'static str> {
            match name {
                "mail/en/layout.html" => Some(include_str!("../../../templates/mail/en/layout.html")),
                "mail/de/layout.html" => Some(include_str!("../../../templates/mail/de/layout.html")),
                $($subject => Some(include_str!(concat!("../../../templates/", $subject))),
                  $text => Some(include_str!(concat!("../../../templates/", $text))),
                  $html => Some(include_str!(concat!("../../../templates/", $html))),)+
                _ => None,
            }
        }

        $(fn $name(words: &Words) -> askama::Result<Letter> {
            #[derive(Template)]
            #[template(path = $subject)]
            struct Subject<'a> {
                words: &'a Words,
            }
            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> {
                words: &'a Words,
            }
            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> {
                words: &'a Words,
            }
            Ok(Letter {
                subject: Subject { words }.render()?,
                text: Text { words }.render()?,
                html: Html { words }.render()?,
            })
        })+
    };
}

letters! {
    "en" ConfirmEmail confirm_email_en
        "mail/en/confirm_email.subject.txt" "mail/en/confirm_email.txt" "mail/en/confirm_email.html"
    "de" ConfirmEmail confirm_email_de
        "mail/de/confirm_email.subject.txt" "mail/de/confirm_email.txt" "mail/de/confirm_email.html"
    "en" AlreadyRegistered already_registered_en
        "mail/en/already_registered.subject.txt" "mail/en/already_registered.txt" "mail/en/already_registered.html"
    "de" AlreadyRegistered already_registered_de
        "mail/de/already_registered.subject.txt" "mail/de/already_registered.txt" "mail/de/already_registered.html"
    "en" Test test_en
        "mail/en/test.subject.txt" "mail/en/test.txt" "mail/en/test.html"
    "de" Test test_de
        "mail/de/test.subject.txt" "mail/de/test.txt" "mail/de/test.html"
}
