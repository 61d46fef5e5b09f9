//! The letters: each a type with three templates (subject, text, HTML) in `templates/mail`.

use askama::Template;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Which letter is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterKind {
    /// The link that proves the address, or, where the address has an owner, word to them.
    ConfirmEmail,
}

impl LetterKind {
    /// The name that the queue keeps.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
        }
    }
}

/// Who caused a letter, when and from where: so that somebody who did not can tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Occasion {
    /// When.
    pub at: DateTime<Utc>,
    /// From where.
    pub client: Client,
}

impl Occasion {
    fn when(&self) -> String {
        self.at.format("%-d %B %Y at %H:%M UTC").to_string()
    }

    fn device(&self) -> String {
        self.client.user_agent.clone().unwrap_or_else(|| "an unnamed program".into())
    }
}

/// A letter as it is sent.
#[derive(Debug)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// The words that templates can use. All letters share them.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The host that people know the service by.
    pub service: String,
    /// The address that the letter goes to.
    pub email: String,
    /// The link, or empty in a letter without one.
    pub link: String,
    /// How long the link lives, such as `24 hours`.
    pub lifetime: String,
    /// When the letter was caused.
    pub when: String,
    /// The network address that it was caused from.
    pub ip: String,
    /// The program that it was caused with.
    pub device: String,
}

impl Words {
    /// The words that say who caused a letter to `email`.
    #[must_use]
    pub fn new(service: &str, email: &str, occasion: &Occasion) -> Self {
        Self {
            service: service.to_owned(),
            email: email.to_owned(),
            when: occasion.when(),
            ip: occasion.client.ip.to_string(),
            device: occasion.device(),
            ..Self::default()
        }
    }
}

/// Makes a function that writes a letter from its three templates.
macro_rules! letter {
    ($(#[$doc:meta])* $name:ident, $subject:tt, $text:tt, $html:tt) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// None that happens with these templates; the engine has one.
        pub fn $name(words: &Words) -> Result<Letter, askama::Error> {
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
                subject: Subject { words }.render()?.trim().to_owned(),
                text: Text { words }.render()?,
                html: Html { words }.render()?,
            })
        }
    };
}

letter!(
    /// The link that proves an address.
    confirm_email,
    "mail/en/confirm_email.subject.txt",
    "mail/en/confirm_email.txt",
    "mail/en/confirm_email.html"
);

letter!(
    /// To the owner of an address that somebody registered again.
    already_registered,
    "mail/en/already_registered.subject.txt",
    "mail/en/already_registered.txt",
    "mail/en/already_registered.html"
);

/// A lifetime in words, such as `24 hours`: in the largest unit that says it exactly.
#[must_use]
pub fn lifetime(ttl: std::time::Duration) -> String {
    let seconds = ttl.as_secs();
    let (count, unit) = [(86_400, "day"), (3600, "hour"), (60, "minute")]
        .into_iter()
        // A single day is better known as 24 hours.
        .find(|(length, unit)| seconds.is_multiple_of(*length) && (*unit != "day" || seconds > *length))
        .map_or((seconds, "second"), |(length, unit)| (seconds / length, unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lifetimes_are_said_in_the_largest_exact_unit() {
        let said = |seconds| lifetime(Duration::from_secs(seconds));
        assert_eq!(said(86_400), "24 hours");
        assert_eq!(said(172_800), "2 days");
        assert_eq!(said(3600), "1 hour");
        assert_eq!(said(1800), "30 minutes");
        assert_eq!(said(90), "90 seconds");
    }

    #[test]
    fn what_people_type_is_escaped_in_html_and_not_in_text() {
        let words = Words { device: "<b>curl</b> & co".into(), link: "https://x/?a=b".into(), ..Words::default() };
        let letter = confirm_email(&words).unwrap();
        assert!(letter.text.contains("<b>curl</b> & co"));
        assert!(!letter.html.contains("<b>curl</b>"));
    }
}
