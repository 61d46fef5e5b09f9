//! One counter of failed sign-ins: how many are free, and how long to wait after more.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;

use crate::db::schema::login_throttles;

use super::{LOCKED_RETRY_AFTER, Wait, wait_until};

/// Failed sign-ins without a wait.
const FREE_FAILURES: i32 = 5;
/// The first wait; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::seconds(30);
const LONGEST_WAIT: Duration = Duration::hours(1);
/// Failed sign-ins in a row after which only a reset helps (NIST SP 800-63B-4, section 3.2.2, asks for 100 at most).
pub(super) const LOCKED_AT: i32 = 100;
/// How long failures count when nobody tries any more, unless the name is locked.
const FAILURES_TTL: Duration = Duration::days(30);
/// How long a client is known after a sign-in.
pub(super) const KNOWN_TTL: Duration = Duration::days(90);

/// When the counter of a name may go: once its failures and the knowledge of its client are past. Never while it is locked.
pub(super) fn forgotten_at(
    failures: i32,
    last_at: DateTime<Utc>,
    known_until: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    (failures < LOCKED_AT).then(|| known_until.into_iter().fold(last_at + FAILURES_TTL, DateTime::max))
}

/// A counter of a name: of all strangers, or of one client.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
#[diesel(table_name = login_throttles, check_for_backend(diesel::pg::Pg))]
pub(super) struct Failures {
    #[diesel(column_name = failures)]
    pub(super) count: i32,
    pub(super) blocked_until: Option<DateTime<Utc>>,
    pub(super) last_at: DateTime<Utc>,
    pub(super) known_until: Option<DateTime<Utc>>,
}

impl Failures {
    /// Counts one more try, as a failure until it succeeds. A time further ahead than the longest wait is no time: the clock
    /// was wrong when it was written.
    pub(super) fn one_more(&self, now: DateTime<Utc>) -> Result<Self, Wait> {
        if self.count >= LOCKED_AT {
            return Err(Wait { seconds: LOCKED_RETRY_AFTER });
        }
        if let Some(until) = self.blocked_until.filter(|until| *until > now && *until <= now + LONGEST_WAIT) {
            return Err(wait_until(until, now));
        }
        let count = self.count + 1;
        let blocked_until = (count >= FREE_FAILURES).then(|| {
            let doublings = u32::try_from(count - FREE_FAILURES).unwrap_or(0).min(16);
            now + (FIRST_WAIT * 2i32.pow(doublings)).min(LONGEST_WAIT)
        });
        Ok(Self { count, blocked_until, last_at: now, ..self.clone() })
    }

    pub(super) fn is_known(&self, now: DateTime<Utc>) -> bool {
        self.known_until.is_some_and(|until| until > now && until <= now + KNOWN_TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Failures = Failures { count: 0, blocked_until: None, last_at: DateTime::UNIX_EPOCH, known_until: None };

    #[test]
    fn five_failures_are_free_and_then_waits_double_to_an_hour() {
        let mut now = Utc::now();
        let mut failures = NONE;
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
        let locked = Failures { count: 100, ..NONE };
        assert_eq!(locked.one_more(Utc::now() + Duration::days(400)), Err(Wait { seconds: 86_400 }));
    }

    #[test]
    fn a_wait_that_cannot_be_is_over() {
        let now = Utc::now();
        let blocked = |until| Failures { count: 5, blocked_until: Some(until), ..NONE };
        assert!(blocked(now + Duration::hours(1)).one_more(now).is_err());
        assert!(blocked(now + Duration::days(365)).one_more(now).is_ok());
    }
}
