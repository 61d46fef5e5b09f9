//! Who may try again when: sign-ins by name and by client, registrations and requests for mails by client.
//!
//! The counters are rows, so that instances share them and a restart forgets nothing. They are locked, judged and raised
//! before the password is looked at, so that fifty tries at once get no further than fifty tries in a row. Limits by
//! spelling, in memory, or only for names that exist would be no limits, or would reveal who has an account.

mod clients;
mod failures;
mod names;
mod refusals;

pub use clients::{Action, count};
pub use names::{LoginName, clear};
pub use refusals::Refusals;

use chrono::{DateTime, Duration, Utc};
use diesel::QueryResult;

use crate::audit::{self, EventKind};
use crate::config::Limits;
use crate::db::Connection;
use crate::request::Client;
use crate::user::User;

use names::CountedName;

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

/// A try with a password that was counted as a failure before the password was looked at.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    client: Client,
    name: LoginName,
    counted: CountedName,
}

impl LoginAttempt {
    /// Whether this was the last try: if it fails, the name is locked.
    pub fn is_last(&self) -> bool {
        self.counted.is_last
    }
}

/// A try that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub wait: Wait,
    /// How long the client must wait with any name, if it must.
    pub of_client: Option<Wait>,
}

/// Counts a try of this client with this name as a failure, or says how long to wait; then the caller rolls back. Rows are
/// always locked in the same order, client before name, so that no two sign-ins wait for each other.
pub async fn begin_login(
    conn: &mut Connection<'_>,
    client: &Client,
    name: &LoginName,
    limits: &Limits,
    now: DateTime<Utc>,
) -> QueryResult<Result<LoginAttempt, Refused>> {
    let [mut first, mut second] = [*conn; 2];
    let (of_client, of_name) = tokio::join!(biased;
        clients::count(&mut first, client, &[Action::SignIn, Action::FailedSignIn], limits, now),
        names::count(&mut second, name, client.network(), now));
    Ok(match (of_client?, of_name?) {
        (Ok(()), Ok(counted)) => Ok(LoginAttempt { client: client.clone(), name: name.clone(), counted }),
        (Err(wait), Ok(_)) => Err(Refused { wait, of_client: Some(wait) }),
        (Ok(()), Err(wait)) => Err(Refused { wait, of_client: None }),
        // Both refuse; the longer wait is the true one.
        (Err(one), Err(other)) => {
            Err(Refused { wait: if one.seconds > other.seconds { one } else { other }, of_client: Some(one) })
        }
    })
}

/// The password was right, and `user` is confirmed: takes back what this client failed with the names of the
/// account. Its other failures stay: they concerned other accounts.
pub async fn finish_login(
    conn: &mut Connection<'_>,
    attempt: &LoginAttempt,
    user: &User,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let mut names = LoginName::public_of(user);
    if !names.contains(&attempt.name) {
        names = vec![attempt.name.clone()];
    }
    let [mut first, mut second] = [*conn; 2];
    let (of_client, of_names) = tokio::join!(biased;
        clients::take_back_failure(&mut first, &attempt.client),
        names::succeed(&mut second, &names, attempt.client.network(), &attempt.counted, now));
    of_client.and(of_names)
}

/// The password was right, but `user` is not confirmed: takes back this try and nothing else.
pub async fn take_back_login(conn: &mut Connection<'_>, attempt: &LoginAttempt) -> QueryResult<()> {
    let [mut first, mut second] = [*conn; 2];
    let (of_client, of_name) = tokio::join!(biased;
        clients::take_back_failure(&mut first, &attempt.client),
        names::take_back(&mut second, &attempt.name, attempt.client.network(), &attempt.counted));
    of_client.and(of_name)
}

/// How long an account must wait before it does once more what is recorded as `kind`, if it must.
pub async fn wait_of_account(
    conn: &mut Connection<'_>,
    user: &User,
    kind: EventKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<Wait>> {
    let earlier = audit::nth_latest(conn, user.id(), kind, PER_ACCOUNT, now - ACCOUNT_WINDOW).await?;
    let is_ahead = |until: &DateTime<Utc>| *until > now && *until <= now + ACCOUNT_WINDOW;
    Ok(earlier.map(|at| at + ACCOUNT_WINDOW).filter(is_ahead).map(|until| wait_until(until, now)))
}
