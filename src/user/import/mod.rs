//! Accounts that move in from elsewhere with the hashes they have.
//!
//! The operator's word stands for the click on a link: a confirmed line takes the address as a confirmation would. If a
//! line could take an address or an identity that somebody has here, importing a foreign file would hand over accounts.

mod line;
mod place;

pub use line::{MAX_LINE, Newcomer};
pub use place::insert_batch;

use std::collections::HashSet;

use crate::password::BadHash;

use super::{EmailError, UsernameError};

/// Accounts that one transaction takes in at most.
const BATCH: usize = 1000;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new account.
    Imported,
    /// The address or the identity has its account; nothing was changed.
    AlreadyThere,
    /// The line cannot be an account; nothing was changed.
    Refused(Refusal),
}

/// Why a line is refused. Never repeats a value: it could be a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More than [`MAX_LINE`] bytes.
    #[error("is longer than 16 KiB")]
    TooLong,
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// No JSON, from this column on.
    #[error("is not JSON (column {0})")]
    NotJson(usize),
    /// JSON, but no object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// A member that is unknown, or there twice; the text names it.
    #[error("{0}")]
    Member(String),
    /// A member of the wrong kind, or missing where there is none.
    #[error("{0}: must be {1}")]
    Kind(&'static str, &'static str),
    /// A time that has not come yet.
    #[error("{0}: is in the future")]
    Future(&'static str),
    /// `confirmed: false` with a `confirmed_at`.
    #[error("confirmed: contradicts confirmed_at")]
    Contradiction,
    /// No address.
    #[error("email: {0}")]
    Email(#[from] EmailError),
    /// No username.
    #[error("username: {0}")]
    Username(#[from] UsernameError),
    /// No hash that could be compared.
    #[error("password_hash: {0}")]
    Hash(#[from] BadHash),
    /// Another account has the username.
    #[error("username: belongs to another account")]
    UsernameTaken,
    /// Something that it collides with came or went at the same moment.
    #[error("collides with an account that is being changed: import it again")]
    Collision,
}

/// Lines that go into one transaction: of each address one at most, since the first decides about the second.
#[derive(Default)]
pub struct Batch {
    newcomers: Vec<(u64, Newcomer)>,
    addresses: HashSet<String>,
}

impl Batch {
    /// Whether this one has to wait for the next batch.
    #[must_use]
    pub fn is_full_for(&self, newcomer: &Newcomer) -> bool {
        self.newcomers.len() >= BATCH || self.addresses.contains(newcomer.email().canonical())
    }

    /// Adds the newcomer of a line.
    pub fn push(&mut self, line: u64, newcomer: Newcomer) {
        self.addresses.insert(newcomer.email().canonical().to_owned());
        self.newcomers.push((line, newcomer));
    }

    /// The numbers of the lines in it.
    pub fn lines(&self) -> impl Iterator<Item = u64> {
        self.newcomers.iter().map(|(line, _)| *line)
    }
}
