//! Proving a password: at the login, and wherever the current one is asked for again.
//!
//! One counter for all of them: a side door without it would be where passwords are guessed.

use crate::app::App;
use crate::client::Occasion;
use crate::db::{Connection, DbError};
use crate::event::{self, EventKind};
use crate::password::{HashParameters, HashPermit, Password};
use crate::problem::{Code, Problem};
use crate::throttle::{self, LoginAttempt, LoginName};
use crate::user::{self, User};

use chrono::{DateTime, Utc};
use diesel::QueryResult;

/// A try to prove a password, counted as a failure until it is settled.
pub struct Attempt {
    counted: Option<LoginAttempt>,
    _permit: HashPermit,
}

impl Attempt {
    /// Reserves the hash, and counts a try of this client with this name.
    ///
    /// # Errors
    /// `overloaded`, before anything else: then it was no try. `rate_limited`, before any password is looked at.
    pub async fn begin(app: &App, occasion: &Occasion, name: &LoginName) -> Result<Self, Problem> {
        let permit = app.hasher.reserve()?;
        if !app.config.has_rate_limits {
            return Ok(Self { counted: None, _permit: permit });
        }
        let (ip, now) = (occasion.client.ip, occasion.at);
        let begun = app.db.transaction(async |conn| throttle::begin_login(conn, ip, name, now).await).await?;
        Ok(Self { counted: Some(begun?), _permit: permit })
    }

    /// Forgets the failures, as the password was right; part of the flow's transaction.
    ///
    /// An unconfirmed account ends no failures: else registering somebody's address with a guessed password, and signing
    /// in, would lift the limit on guessing theirs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn settle(&self, conn: &mut Connection, user: &User) -> QueryResult<()> {
        match &self.counted {
            Some(attempt) if user.is_confirmed() => throttle::settle_login_success(conn, attempt, user).await,
            _ => Ok(()),
        }
    }
}

/// Locks an account for what it may do ten times an hour, and what is written down as `kind`; or says why not.
///
/// # Errors
/// Those of the database; inside, `unauthenticated` where the account is not any more the one that was proved, and
/// `rate_limited`.
pub async fn begin_change(
    conn: &mut Connection,
    app: &App,
    user: &User,
    kind: EventKind,
    now: DateTime<Utc>,
) -> QueryResult<Result<(), Problem>> {
    if !user::changes::lock_unchanged(conn, user).await? {
        return Ok(Err(Problem::new(Code::Unauthenticated)));
    }
    let wait = match app.config.has_rate_limits {
        true => throttle::wait_of_account(conn, user, kind, now).await?,
        false => None,
    };
    Ok(wait.map_or(Ok(()), |wait| Err(wait.into())))
}

/// The current password of somebody who is signed in, proved again.
pub struct Proved {
    /// To be settled in the flow's transaction.
    pub attempt: Attempt,
    /// The parameters that a new password of the account is hashed under.
    pub parameters: HashParameters,
}

/// Proves the current password of `user`.
///
/// # Errors
/// `wrong_password`; `rate_limited` and `overloaded`, before it is looked at; `unauthenticated` if the account is gone.
pub async fn current_password(
    app: &App,
    occasion: &Occasion,
    user: &User,
    typed: &Password,
) -> Result<Proved, Problem> {
    let attempt = Attempt::begin(app, occasion, &LoginName::of_user(user)).await?;
    let id = user.id();
    let found = app.db.run(async |conn| user::changes::find_password(conn, id).await).await?;
    let (parameters, stored) = found.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    let hash = app.hasher.hash(typed, &parameters).await?;
    if !stored.matches(&hash) {
        let refused = async |conn: &mut Connection| event::record(conn, id, EventKind::PasswordRefused, occasion).await;
        return Err(match app.db.transaction(refused).await {
            // It was deleted meanwhile.
            Err(DbError::Constraint(_)) => Problem::new(Code::Unauthenticated),
            Err(error) => error.into(),
            Ok(()) => Problem::new(Code::WrongPassword),
        });
    }
    Ok(Proved { attempt, parameters })
}
