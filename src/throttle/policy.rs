//! The numbers, and what follows from a counter. Pure: no database, no clock.

use chrono::{DateTime, Duration, Utc};

/// Failed logins without a wait.
const FREE_FAILURES: i32 = 5;
/// The first wait; the next ones double.
const FIRST_WAIT: Duration = Duration::seconds(30);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::hours(1);
/// Failed logins in a row after which only a reset helps (NIST SP 800-63B-4, section 3.2.2, asks for 100 at most).
pub(super) const LOCKED_AT: i32 = 100;
/// What `Retry-After` says then, in seconds: there is no time after which it helps.
const LOCKED_RETRY_AFTER: u32 = 86_400;

/// What a client does that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A login that fails.
    Login,
    /// A registration.
    Register,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Register => "register",
        }
    }

    /// How many within which time.
    fn limit(self) -> (i32, Duration) {
        match self {
            Self::Login => (50, Duration::minutes(15)),
            Self::Register => (20, Duration::hours(1)),
        }
    }
}

/// How often an account may do what costs others something, a letter to a stranger or a row that stays for a year, within
/// [`ACCOUNT_WINDOW`].
pub(super) const OF_ACCOUNT: i64 = 10;
pub(super) const ACCOUNT_WINDOW: Duration = Duration::hours(1);

/// Too many; trying again helps after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Seconds.
    pub seconds: u32,
}

/// The counter of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: i32,
    pub(super) blocked_until: Option<DateTime<Utc>>,
}

impl Failures {
    /// One try more, counted as a failure until it turns out to be none.
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
    /// One more of the action.
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

/// Rounded up: who waits as long as told must not be refused again.
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
    fn a_window_lets_so_many_pass_and_begins_anew() {
        let now = Utc::now();
        let mut window = Window { count: 0, ends_at: now };
        for _ in 0..20 {
            window = window.one_more(Action::Register, now).unwrap();
        }
        assert_eq!(window.one_more(Action::Register, now), Err(Wait { seconds: 3600 }));
        assert_eq!(window.one_more(Action::Register, now + Duration::hours(1)).unwrap().count, 1);
    }
}
