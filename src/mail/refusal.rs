//! Why a mail was not sent, and whom that concerns: only an answer about a recipient may fail a mail for good.

use std::error::Error as _;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;

use crate::cause::with_causes;

/// How far the conversation had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, signing in, `MAIL FROM`: no recipient is named yet.
    Sender,
    Recipient,
    Content,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A reply, or an error of the connection.
    #[error("{}", with_causes(.1))]
    Said(Stage, SmtpError),
    /// The server takes no addresses like this one.
    #[error("{0}")]
    NotAscii(String),
    /// No reply in time.
    #[error("timed out: no reply for {} s", .0.as_secs())]
    Silent(Duration),
    /// No reply in time, and none on another connection either.
    #[error("{0}")]
    Away(Box<Refusal>),
}

/// Whom a refusal concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// The recipient; for good, or only for now.
    Recipient { is_permanent: bool },
    /// The recipient, if the server takes our own address.
    Address,
    /// Us or the server, although it took our address: a quota, a policy, its disk.
    Us,
    /// Perhaps the server: another connection tells.
    Unknown,
}

impl Refusal {
    pub(super) fn concern(&self) -> Concern {
        match self {
            Self::NotAscii(_) => Concern::Address,
            Self::Said(stage @ (Stage::Recipient | Stage::Content), error) => match error.status().map(u16::from) {
                // 421: the server closes the connection.
                None | Some(421) => Concern::Unknown,
                Some(code) if is_about_recipient(*stage, code, &reply_text(error)) => {
                    Concern::Recipient { is_permanent: code >= 500 }
                }
                Some(_) => Concern::Us,
            },
            Self::Said(Stage::Sender, _) | Self::Silent(_) | Self::Away(_) => Concern::Unknown,
        }
    }
}

fn reply_text(error: &SmtpError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// By the enhanced status code (RFC 3463 and the IANA registry). Without one, or where it says "other", the reply code
/// decides, and only for a reply to `RCPT`.
fn is_about_recipient(stage: Stage, code: u16, text: &str) -> bool {
    match enhanced_code(code, text) {
        // The sender's address; congestion, which is how Google calls a spent quota.
        Some((1, 7 | 8) | (4, 5)) => false,
        // The recipient's address; its mailbox. Exchange uses higher numbers in X.2 for senders.
        Some((1, 1..) | (2, 1..=4)) => true,
        // Their mailbox takes no such address.
        Some((6, 7)) => true,
        // Greylisting (RFC 6647, section 2.6).
        Some((7, 1)) if code < 500 => true,
        // The server; the protocol; the content, which is ours; security and policy.
        Some((3 | 6 | 7, _) | (5, 1..)) => false,
        _ => stage == Stage::Recipient && matches!(code, 450..=452 | 501 | 550..=553 | 556),
    }
}

/// Subject and detail of a code such as `5.1.1` at the beginning of a reply.
fn enhanced_code(code: u16, text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().next()?.splitn(3, '.').map(str::parse::<u16>);
    match (numbers.next()?, numbers.next()?, numbers.next()?) {
        (Ok(class), Ok(subject), Ok(detail)) if class == code / 100 => Some((subject, detail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage, is_about_recipient};

    #[test]
    fn replies_about_the_recipient_are_told_from_those_about_us() {
        for (code, text) in [
            (550, "no such user"),
            (550, "5.1.1 <ada@example.com>: Recipient address rejected: User unknown"),
            (556, "5.1.10 null MX"),
            (550, "5.5.0 Requested action not taken: mailbox unavailable"),
            (550, "5.4.1 Recipient address rejected: Access denied"),
            (552, "5.2.2 mailbox full"),
            (553, "5.6.7 no UTF-8"),
            (450, "4.2.0 Greylisted"),
            (451, "4.7.1 Greylisted"),
        ] {
            assert!(is_about_recipient(Stage::Recipient, code, text), "{code} {text}");
        }
        for (code, text) in [
            (550, "5.4.5 Daily user sending limit exceeded"),
            (554, "5.7.1 Relay access denied"),
            (530, "5.7.0 Authentication required"),
            (503, "bad sequence"),
            (452, "4.3.1 Insufficient system storage"),
            (550, "5.7.60 SendAsDenied"),
            (553, "5.1.8 sender's domain not found"),
            (554, "no"),
        ] {
            assert!(!is_about_recipient(Stage::Recipient, code, text), "{code} {text}");
        }
        assert!(is_about_recipient(Stage::Content, 550, "5.1.10 RecipientNotFound"));
        for text in ["too bad", "5.2.252 SendAsDenied", "5.2.0 SubmissionQuotaExceeded", "5.6.0 odd content"] {
            assert!(!is_about_recipient(Stage::Content, 550, text), "{text}");
        }
    }
}
