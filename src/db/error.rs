//! What can go wrong with the database, as far as callers care.

use diesel::result::{DatabaseErrorKind, Error};

/// Work on the database failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The database is away, slow or read-only. Trying again later helps.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// It is no database that the service can use.
    #[error("DATABASE_URL: {0}")]
    Unsupported(String),
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

impl DbError {
    /// The database is away. Adds what an admin can do about a lost statement.
    pub(super) fn unavailable(reason: String) -> Self {
        Self::Unavailable(if is_lost_statement(&reason) { format!("{reason} ({POOLER})") } else { reason })
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
            (DatabaseErrorKind::Unknown, _) if is_lost_statement(information.message()) => {
                Self::unavailable(information.message().to_owned())
            }
            // Diesel keeps no SQLSTATE for these; the server's texts, in the English that we ask for, are stable.
            (DatabaseErrorKind::Unknown, _) if is_passing(information.message()) => {
                Self::Unavailable(information.message().to_owned())
            }
            _ => Self::Query(error),
        }
    }
}

/// What an admin reads when statements get lost.
const POOLER: &str = "is there a pooler in transaction mode before the database? Only its session mode is supported";

/// Whether the text of an error says that the server does not have the prepared statements of this connection (SQLSTATE
/// 26000, 42P05, 08P01 and 34000): the next transaction was sent to another one, or they were deallocated.
pub(super) fn is_lost_statement(text: &str) -> bool {
    let of_statement = text.contains("prepared statement \"") || text.contains("portal \"");
    let is_unknown = text.contains("\" does not exist") || text.contains("\" already exists");
    (of_statement && is_unknown) || text.contains("bind message supplies") || text.contains("bind message has")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str) -> DbError {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())).into()
    }

    #[test]
    fn a_statement_that_a_pooler_lost_is_an_outage_and_says_so() {
        for message in [
            "prepared statement \"s17\" does not exist",
            "prepared statement \"s17\" already exists",
            "portal \"\" does not exist",
            "bind message supplies 1 parameters, but prepared statement \"s17\" requires 2",
        ] {
            let DbError::Unavailable(reason) = error(message) else { panic!("{message}") };
            assert!(reason.starts_with(message) && reason.contains("transaction mode"), "{reason}");
        }
        for message in ["relation \"users\" does not exist", "constraint \"x\" already exists", "syntax error"] {
            assert!(matches!(error(message), DbError::Query(_)), "{message}");
        }
    }
}
