//! The numbers, and what follows from a counter. Pure: no database, no clock.

use chrono::{DateTime, Duration, Utc};
use strum::IntoStaticStr;

/// Failed sign-ins without a wait.
const FREE_FAILURES: i32 = 5;
/// The first wait; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::seconds(30);
const LONGEST_WAIT: Duration = Duration::hours(1);
/// Failed sign-ins in a row after which only a reset helps (NIST SP 800-63B-4, section 3.2.2, asks for 100 at most).
pub const LOCKED_AT: i32 = 100;
/// What `Retry-After` says then, in seconds: waiting does not help.
const LOCKED_RETRY_AFTER: u32 = 86_400;
/// How long failures count when nobody tries any more, unless the name is locked.
pub const FAILURES_TTL: Duration = Duration::days(30);

/// How often an account may do within [`ACCOUNT_WINDOW`] what costs others something: an email to a stranger, or an event
/// that is kept for a year.
pub(super) const PER_ACCOUNT: i64 = 10;
pub(super) const ACCOUNT_WINDOW: Duration = Duration::hours(1);

/// What a client does that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Action {
    /// A sign-in that fails.
    Login,
    Register,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    /// How many within which time.
    fn limit(self) -> (i32, Duration) {
        match self {
            Self::Login => (50, Duration::minutes(15)),
            Self::Register => (20, Duration::hours(1)),
        }
    }
}

/// Too many tries; the next one may come after these seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub seconds: u32,
}

/// The counter of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: i32,
    pub(super) blocked_until: Option<DateTime<Utc>>,
}

impl Failures {
    /// Counts one more try, as a failure until it succeeds.
    pub(super) fn one_more(self, now: DateTime<Utc>) -> Result<Self, Wait> {
        if self.count >= LOCKED_AT {
            return Err(Wait { seconds: LOCKED_RETRY_AFTER });
        }
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return Err(wait_until(until, now));
        }
        let count = self.count + 1;
        let blocked_until = (count >= FREE_FAILURES).then(|| {
            let doublings = u32::try_from(count - FREE_FAILURES).unwrap_or(0).min(16);
            now + (FIRST_WAIT * 2i32.pow(doublings)).min(LONGEST_WAIT)
        });
        Ok(Self { count, blocked_until })
    }
}

/// The counter of a client and an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) count: i32,
    pub(super) ends_at: DateTime<Utc>,
}

impl Window {
    /// Counts one more.
    pub(super) fn one_more(self, action: Action, now: DateTime<Utc>) -> Result<Self, Wait> {
        let (limit, length) = action.limit();
        if self.ends_at <= now {
            return Ok(Self { count: 1, ends_at: now + length });
        }
        if self.count >= limit {
            return Err(wait_until(self.ends_at, now));
        }
        Ok(Self { count: self.count + 1, ..self })
    }
}

/// Rounded up: a client that waits so long must not be refused again.
pub(super) fn wait_until(until: DateTime<Utc>, now: DateTime<Utc>) -> Wait {
    let milliseconds = (until - now).num_milliseconds().max(1);
    Wait { seconds: u32::try_from((milliseconds + 999) / 1000).unwrap_or(LOCKED_RETRY_AFTER) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_free_and_then_waits_double_to_an_hour() {
        let mut now = Utc::now();
        let mut failures = Failures { count: 0, blocked_until: None };
        for _ in 0..5 {
            failures = failures.one_more(now).unwrap();
        }
        let mut waits = Vec::new();
        while let Err(wait) = failures.one_more(now) {
            waits.push(wait.seconds);
            if failures.count >= LOCKED_AT {
                break;
            }
            now += Duration::seconds(wait.seconds.into());
            failures = failures.one_more(now).unwrap();
        }
        assert_eq!(&waits[..9], [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(waits.last(), Some(&86_400));
        assert_eq!(failures.count, 100);
    }

    #[test]
    fn a_lock_does_not_end_by_itself() {
        let locked = Failures { count: 100, blocked_until: None };
        assert_eq!(locked.one_more(Utc::now() + Duration::days(400)), Err(Wait { seconds: 86_400 }));
    }

    #[test]
    fn a_window_lets_so_many_pass_and_starts_again() {
        let now = Utc::now();
        let mut window = Window { count: 0, ends_at: now };
        for _ in 0..20 {
            window = window.one_more(Action::Register, now).unwrap();
        }
        assert_eq!(window.one_more(Action::Register, now), Err(Wait { seconds: 3600 }));
        assert_eq!(window.one_more(Action::Register, now + Duration::hours(1)).unwrap().count, 1);
    }
}
