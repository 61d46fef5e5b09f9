//! Failed sign-ins in a row, by the name that was typed, whether it exists or not.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use sha2::{Digest as _, Sha256};

use crate::db::Connection;
use crate::db::schema::login_throttles;
use crate::user::{Email, User, Username};

use super::{LOCKED_RETRY_AFTER, Wait, wait_until};

/// Failed sign-ins without a wait.
const FREE_FAILURES: i32 = 5;
/// The first wait; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::seconds(30);
const LONGEST_WAIT: Duration = Duration::hours(1);
/// Failed sign-ins in a row after which only a reset helps (NIST SP 800-63B-4, section 3.2.2, asks for 100 at most).
pub const LOCKED_AT: i32 = 100;
/// How long failures count when nobody tries any more, unless the name is locked.
pub const FAILURES_TTL: Duration = Duration::days(30);

/// A sign-in name as the counters know it.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginName([u8; 32]);

impl LoginName {
    pub fn of_email(email: &Email) -> Self {
        Self::new("email", email.canonical())
    }

    pub fn of_username(username: &Username) -> Self {
        Self::new("username", &username.canonical())
    }

    /// The address of an account.
    pub fn of_user(user: &User) -> Self {
        Self::new("email", &user.email_canonical)
    }

    /// Address and username of an account.
    pub fn all_of(user: &User) -> Vec<Self> {
        let username = user.username.as_ref().map(|name| Self::new("username", &name.to_ascii_lowercase()));
        std::iter::once(Self::of_user(user)).chain(username).collect()
    }

    fn new(kind: &str, canonical: &str) -> Self {
        Self(Sha256::digest(format!("{kind}:{canonical}").as_bytes()).into())
    }
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

/// Forgets the failures of an account under all its names, a lock included.
pub async fn clear(conn: &mut Connection, user: &User) -> QueryResult<()> {
    let names = LoginName::all_of(user);
    let names: Vec<&[u8]> = names.iter().map(|name| name.0.as_slice()).collect();
    diesel::delete(login_throttles::table.filter(login_throttles::name_sha256.eq_any(names))).execute(conn).await?;
    Ok(())
}

pub(super) async fn find(conn: &mut Connection, name: &LoginName) -> QueryResult<Option<Failures>> {
    let found = login_throttles::table
        .find(name.0.as_slice())
        .select((login_throttles::failures, login_throttles::blocked_until))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(count, blocked_until)| Failures { count, blocked_until }))
}

pub(super) async fn lock(conn: &mut Connection, name: &LoginName, now: DateTime<Utc>) -> QueryResult<Failures> {
    let (count, blocked_until) = diesel::insert_into(login_throttles::table)
        .values((
            login_throttles::name_sha256.eq(name.0.as_slice()),
            login_throttles::failures.eq(0),
            login_throttles::last_at.eq(now),
        ))
        .on_conflict(login_throttles::name_sha256)
        .do_update()
        .set(login_throttles::name_sha256.eq(excluded(login_throttles::name_sha256)))
        .returning((login_throttles::failures, login_throttles::blocked_until))
        .get_result(conn)
        .await?;
    Ok(Failures { count, blocked_until })
}

pub(super) async fn set(
    conn: &mut Connection,
    name: &LoginName,
    failures: Failures,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(login_throttles::table.find(name.0.as_slice()))
        .set((
            login_throttles::failures.eq(failures.count),
            login_throttles::blocked_until.eq(failures.blocked_until),
            login_throttles::last_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_name() {
        let email = |text| LoginName::of_email(&Email::parse(text).unwrap());
        assert!(email("Ada@Example.com") == email("ada@example.com"));
        let username = |text| LoginName::of_username(&Username::parse(text).unwrap());
        assert!(username("Ada") == username("aDA"));
        assert!(username("ada") != username("eve"));
    }

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
}
