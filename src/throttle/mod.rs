//! Who may try again when: failed sign-ins by name and by client, registrations by client.
//!
//! The counters are rows, so that instances share them and a restart forgets nothing. They are locked, judged and raised
//! before the password is looked at, so that fifty tries at once get no further than fifty tries in a row. Limits by
//! spelling, in memory, or only for names that exist would be no limits, or would reveal who has an account.

mod clients;
mod names;

pub use clients::count_registration;
pub use names::{FAILURES_TTL, LOCKED_AT, LoginName, clear};

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use diesel::QueryResult;

use crate::audit::{self, EventKind};
use crate::db::Connection;
use crate::user::User;

use clients::Action;

/// What `Retry-After` says for a locked name, in seconds: waiting does not help.
const LOCKED_RETRY_AFTER: u32 = 86_400;
/// How often an account may do within [`ACCOUNT_WINDOW`] what costs others something: an email to a stranger, or an event
/// that is kept for a year.
const PER_ACCOUNT: i64 = 10;
const ACCOUNT_WINDOW: Duration = Duration::hours(1);

/// Too many tries; the next one may come after these seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub seconds: u32,
}

/// Rounded up: a client that waits so long must not be refused again.
fn wait_until(until: DateTime<Utc>, now: DateTime<Utc>) -> Wait {
    let milliseconds = (until - now).num_milliseconds().max(1);
    Wait { seconds: u32::try_from((milliseconds + 999) / 1000).unwrap_or(LOCKED_RETRY_AFTER) }
}

/// A sign-in that was counted as a failure before its password was looked at.
#[derive(Clone)]
pub struct LoginAttempt {
    client: IpAddr,
}

/// Counts a sign-in of this client with this name as a failure, or says how long to wait; then nothing is counted. Rows are
/// always locked in the same order, client before name, so that no two sign-ins wait for each other.
pub async fn begin_login(
    conn: &mut Connection,
    client: IpAddr,
    name: &LoginName,
    now: DateTime<Utc>,
) -> QueryResult<Result<LoginAttempt, Wait>> {
    let window = match clients::lock(conn, client, Action::Login, now).await?.one_more(Action::Login, now) {
        Ok(window) => window,
        // No row for a name whose try does not count: anybody can invent names, and rows cost space.
        Err(wait) => {
            let known = names::find(conn, name).await?;
            let other = known.and_then(|failures| failures.one_more(now).err());
            // Both refuse; the longer wait is the true one.
            return Ok(Err(other.filter(|other| other.seconds > wait.seconds).unwrap_or(wait)));
        }
    };
    let failures = match names::lock(conn, name, now).await?.one_more(now) {
        Ok(failures) => failures,
        Err(wait) => return Ok(Err(wait)),
    };
    clients::set(conn, client, Action::Login, window).await?;
    names::set(conn, name, failures, now).await?;
    Ok(Ok(LoginAttempt { client }))
}

/// Forgets the failures of an account whose password was right, and no longer counts this attempt against its client.
/// The client's other failures stay: they concerned other accounts.
pub async fn finish_login(conn: &mut Connection, attempt: &LoginAttempt, user: &User) -> QueryResult<()> {
    clients::take_back_login(conn, attempt.client).await?;
    clear(conn, user).await
}

/// How long an account must wait before it does once more what is recorded as `kind`, if it must.
pub async fn wait_of_account(
    conn: &mut Connection,
    user: &User,
    kind: EventKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<Wait>> {
    let earlier = audit::nth_latest(conn, user.id(), kind, PER_ACCOUNT).await?;
    Ok(earlier.map(|at| at + ACCOUNT_WINDOW).filter(|until| *until > now).map(|until| wait_until(until, now)))
}
