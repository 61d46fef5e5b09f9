//! Everything that can be done to an account, by its owner, an admin, an import or the service itself. No HTTP.
//!
//! Each operation is one function here, called by flows, commands and the import alike. In this order: refuse callers
//! that tried too often, hash (outside of any transaction), then do everything else in one transaction: the change, the end
//! of sessions, the mails, the event. So a caller who goes away, or a crash, leaves nothing half done.

mod admin;
mod confirm;
mod create;
mod delete;
mod email;
pub mod export;
pub mod import;
mod password;
mod queries;
mod reauth;
mod session;
mod sign_in;
mod username;

pub use admin::AccountSummary;
pub use confirm::{LinkState, Proof, Resend};
pub use create::{Created, NewAccount};
pub use queries::{AccountRecord, Page};
pub use reauth::Reauthenticated;
pub use sign_in::SignInName;

use crate::clock::Clock;
use crate::config::{Limits, SessionConfig, Settings};
use crate::db::{Connection, Db, DbError};
use crate::mail::MailWaker;
use crate::password::{
    HashParameters, HashPermit, Hasher, Password, PasswordHash, PasswordPolicy, QueueFull, WeakPassword,
};
use crate::throttle::{Refusals, Wait};
use crate::user::users::{CONFIRMED_EMAIL_KEY, USERNAME_KEY};

/// How often a password is hashed again because the parameters of its address changed meanwhile.
const HASH_TRIES: usize = 3;

/// The operations, and what they need.
#[derive(Clone)]
pub struct Accounts {
    pub db: Db,
    pub clock: Clock,
    pub hasher: Hasher,
    pub password_policy: PasswordPolicy,
    pub bcrypt_cost: u32,
    pub session_config: SessionConfig,
    /// `None` without limits.
    pub limits: Option<Limits>,
    pub refusals: Refusals,
    pub mail_waker: MailWaker,
}

/// A hash, and the parameters that it was computed under.
struct HashedPassword {
    hash: PasswordHash,
    parameters: HashParameters,
}

impl Accounts {
    /// The operations for a command beside a running service, whose worker sends the mails.
    pub fn for_commands(settings: &Settings, db: Db) -> std::io::Result<Self> {
        Ok(Self {
            db,
            clock: Clock::default(),
            hasher: Hasher::start(1)?,
            password_policy: PasswordPolicy { min_length: settings.password_min_length.into() },
            bcrypt_cost: settings.bcrypt_cost,
            session_config: SessionConfig::new(settings, false),
            limits: Limits::new(settings),
            refusals: Refusals::default(),
            mail_waker: MailWaker::default(),
        })
    }

    async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.db.transaction(work).await
    }

    /// Hashes a password under `parameters`, and stores it in a transaction. If `store` finds that the address has other
    /// parameters by now ([`Error::ParametersChanged`]), the password is hashed under those: a hash under others would
    /// never match again.
    async fn hash_and_store<T>(
        &self,
        permit: &HashPermit,
        password: &Password,
        mut parameters: HashParameters,
        store: impl AsyncFn(&mut Connection<'_>, &HashedPassword) -> Result<T, Error>,
    ) -> Result<T, Error> {
        for _ in 0..HASH_TRIES {
            let hash = permit.hash(password, &parameters).await?;
            let hashed = HashedPassword { hash, parameters };
            match self.transaction(async |conn| store(conn, &hashed).await).await {
                Err(Error::ParametersChanged(current)) => parameters = current,
                result => return result,
            }
        }
        Err(Error::Conflict)
    }
}

/// Why an operation was refused; then it changed nothing.
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
    /// Nothing proves that the link is spent by the person who registered.
    #[error("the link needs the password of the registration")]
    PasswordRequired,
    /// A wrong, used or expired code, or one that was tried too often; which of them is not told.
    #[error("the code is not right for this registration")]
    CodeInvalid,
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
