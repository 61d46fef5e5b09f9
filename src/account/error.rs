//! Why an operation was refused; then it changed nothing.

use crate::db::DbError;
use crate::password::{HashParameters, QueueFull, WeakPassword};
use crate::throttle::Wait;
use crate::user::users::{CONFIRMED_EMAIL_KEY, USERNAME_KEY};

use super::AccountSummary;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Database(DbError),
    #[error(transparent)]
    Overloaded(#[from] QueueFull),
    #[error("too many tries: wait for {} s", .0.seconds)]
    RateLimited(Wait),
    #[error("the password {0}")]
    WeakPassword(#[from] WeakPassword),
    /// An unknown name or a wrong password; which of them is not told.
    #[error("no account has this name and password")]
    InvalidCredentials,
    #[error("the current password is wrong")]
    WrongPassword,
    /// The account was deleted or disabled, or its credentials changed, since the caller was authenticated.
    #[error("the account changed at the same time")]
    Outdated,
    /// The link was used or replaced, or its account is gone.
    #[error("the link does nothing any more")]
    LinkUsed,
    #[error("the username belongs to another account")]
    UsernameTaken,
    #[error("the address belongs to another account")]
    AddressTaken,
    #[error("there is no such account")]
    NotFound,
    /// Several people registered the address, and nobody confirmed it.
    #[error("several accounts have this address")]
    Ambiguous(Vec<AccountSummary>),
    /// The address has other hash parameters by now. Handled by hashing again.
    #[error("the address has other hash parameters by now")]
    ParametersChanged(HashParameters),
    #[error("the account is being changed by others: try again")]
    Conflict,
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        if error.is_constraint(USERNAME_KEY) {
            Self::UsernameTaken
        } else if error.is_constraint(CONFIRMED_EMAIL_KEY) {
            Self::AddressTaken
        } else {
            Self::Database(error)
        }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}
