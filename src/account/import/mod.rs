//! Importing accounts from elsewhere, with the hashes they have.
//!
//! A confirmed line takes its address as a confirmation would: the admin vouches for it. If a line could take an address
//! or an id that another account has, importing a foreign file would hand over accounts.

mod dry_run;
mod insert;
mod line;

pub use dry_run::DryRun;
pub use insert::insert_batch;
pub use line::{ImportedUser, MAX_LINE};

use std::collections::HashSet;

use crate::password::BadHash;
use crate::user::{EmailError, UsernameError};

/// How many accounts one transaction inserts at most.
const BATCH: usize = 1000;

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Imported,
    /// The address or the id has its account; nothing was changed.
    AlreadyThere,
    /// Nothing was changed.
    Refused(Refusal),
}

/// Why a line is refused. Never repeats a value: it could be a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("is longer than 16 KiB")]
    TooLong,
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is not JSON (column {0})")]
    NotJson(usize),
    #[error("is not a JSON object")]
    NotAnObject,
    /// An unknown or repeated member; the text names it.
    #[error("{0}")]
    Member(String),
    /// A member of the wrong type, or a missing one.
    #[error("{0}: must be {1}")]
    Kind(&'static str, &'static str),
    #[error("{0}: is in the future")]
    Future(&'static str),
    #[error("confirmed: contradicts confirmed_at")]
    Contradiction,
    #[error("email: {0}")]
    Email(#[from] EmailError),
    #[error("username: {0}")]
    Username(#[from] UsernameError),
    #[error("password_hash: {0}")]
    Hash(#[from] BadHash),
    #[error("username: belongs to another account")]
    UsernameTaken,
    /// Something that it collides with was created or deleted at the same moment.
    #[error("collides with an account that is being changed: import it again")]
    Collision,
}

/// Lines for one transaction: at most one of each address, because the first decides about the second.
#[derive(Default)]
pub struct Batch {
    users: Vec<(u64, ImportedUser)>,
    addresses: HashSet<String>,
}

impl Batch {
    /// Whether `user` must wait for the next batch.
    pub fn is_full_for(&self, user: &ImportedUser) -> bool {
        self.users.len() >= BATCH || self.addresses.contains(user.email.canonical())
    }

    pub fn push(&mut self, line: u64, user: ImportedUser) {
        self.addresses.insert(user.email.canonical().to_owned());
        self.users.push((line, user));
    }

    /// The numbers of its lines.
    pub fn lines(&self) -> impl Iterator<Item = u64> {
        self.users.iter().map(|(line, _)| *line)
    }
}
