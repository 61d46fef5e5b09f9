//! What can go wrong with the database, as far as callers care.

use diesel::result::{DatabaseErrorKind, Error};

/// Work on the database failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database is away, slow or read-only. Trying again later helps.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// A constraint refused the change.
    #[error("refused by constraint {0}")]
    Constraint(String),
    /// A bug.
    #[error("the database refused a query: {0}")]
    Query(Error),
}

impl DbError {
    pub fn is_constraint(&self, name: &str) -> bool {
        matches!(self, Self::Constraint(constraint) if constraint == name)
    }
}

impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        let Error::DatabaseError(kind, information) = &error else {
            return match error {
                Error::BrokenTransactionManager => Self::Unavailable("the connection broke".into()),
                error => Self::Query(error),
            };
        };
        match (kind, information.constraint_name()) {
            (_, Some(constraint)) => Self::Constraint(constraint.to_owned()),
            (
                DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::SerializationFailure,
                _,
            ) => Self::Unavailable(information.message().to_owned()),
            // Diesel keeps no SQLSTATE for these; the server's texts, in the English that we ask for, are stable.
            (DatabaseErrorKind::Unknown, _) if is_passing(information.message()) => {
                Self::Unavailable(information.message().to_owned())
            }
            _ => Self::Query(error),
        }
    }
}

/// Whether the server's text says that it stops, starts, is full or out of time, or ended a deadlock.
fn is_passing(message: &str) -> bool {
    const TEXTS: [&str; 11] = [
        "terminating connection",
        "the database system is",
        "too many clients",
        "too many connections",
        "remaining connection slots",
        "statement timeout",
        "lock timeout",
        "deadlock detected",
        "No space left on device",
        "out of memory",
        "out of shared memory",
    ];
    TEXTS.iter().any(|text| message.contains(text))
}
