//! Failed sign-ins in a row, by the name that was typed, whether it exists or not.
//!
//! A client from which the account was signed in to has a counter of its own, so that strangers cannot lock its owner out.
//! All other clients share one. A sign-in takes back the failures of its own client and nothing else: a stranger must not
//! learn from the counter that the owner signed in.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use ipnet::{IpNet, Ipv4Net};
use sha2::{Digest as _, Sha256};

use crate::db::Connection;
use crate::db::schema::login_throttles;
use crate::user::{User, UserId, Username};

use super::{LOCKED_AT, LOCKED_RETRY_AFTER, Wait, forgotten_at, wait_until};

/// Failed sign-ins without a wait.
const FREE_FAILURES: i32 = 5;
/// The first wait; each further one is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::seconds(30);
const LONGEST_WAIT: Duration = Duration::hours(1);
/// How long a client is known after a sign-in.
const KNOWN_TTL: Duration = Duration::days(90);

/// A sign-in name as the counters know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName([u8; 32]);

impl LoginName {
    pub fn of_email(canonical: &str) -> Self {
        Self::new("email", canonical)
    }

    pub fn of_username(username: &Username) -> Self {
        Self::new("username", &username.canonical())
    }

    /// Not a public name: for the current password, asked of a user who is signed in.
    pub fn of_account(id: UserId) -> Self {
        Self::new("account", &id.to_string())
    }

    /// The names that an account can be signed in to with.
    pub(super) fn public_of(user: &User) -> Vec<Self> {
        let username = user.username.as_ref().map(|name| Self::new("username", &name.to_ascii_lowercase()));
        std::iter::once(Self::of_email(&user.email_canonical)).chain(username).collect()
    }

    /// The public names, and the one for tries of a user who is signed in.
    pub fn all_of(user: &User) -> Vec<Self> {
        let mut all = Self::public_of(user);
        all.push(Self::of_account(user.id()));
        all
    }

    fn new(kind: &str, canonical: &str) -> Self {
        Self(Sha256::digest(format!("{kind}:{canonical}").as_bytes()).into())
    }
}

/// Stands for all clients that are strangers to a name.
fn strangers() -> IpNet {
    IpNet::from(Ipv4Net::default())
}

/// A counter of a name: of all strangers, or of one client.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = login_throttles, check_for_backend(diesel::pg::Pg))]
struct Failures {
    #[diesel(column_name = failures)]
    count: i32,
    blocked_until: Option<DateTime<Utc>>,
    last_at: DateTime<Utc>,
    known_until: Option<DateTime<Utc>>,
}

impl Failures {
    /// Counts one more try, as a failure until it succeeds. A time further ahead than the longest wait is no time: the clock
    /// was wrong when it was written.
    fn one_more(&self, now: DateTime<Utc>) -> Result<Self, Wait> {
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

    /// Takes back failures, of which the latest was counted at `at`. The wait after it ends, unless there were others since.
    fn without(&self, failures: i32, at: DateTime<Utc>) -> Self {
        let is_latest = self.last_at == at;
        let blocked_until = self.blocked_until.filter(|_| !is_latest);
        Self { count: (self.count - failures).max(0), blocked_until, ..self.clone() }
    }

    fn is_known(&self, now: DateTime<Utc>) -> bool {
        self.known_until.is_some_and(|until| until > now && until <= now + KNOWN_TTL)
    }
}

/// A try that was counted.
#[derive(Clone, Debug)]
pub(super) struct CountedName {
    /// Whether only the client's own counter counts it.
    is_known: bool,
    /// Whether it was the last one: if it fails, only a reset helps.
    pub(super) is_last: bool,
    at: DateTime<Utc>,
}

/// Counts a try with this name by a client, or says how long to wait; then the caller rolls back.
pub(super) async fn count(
    conn: &mut Connection,
    name: &LoginName,
    client: IpNet,
    now: DateTime<Utc>,
) -> QueryResult<Result<CountedName, Wait>> {
    let [shared, own] = lock(conn, name, client, now).await?;
    let is_known = own.is_known(now);
    // What the client failed while it was known was not counted for strangers, and what it failed as a stranger does not
    // count for itself.
    let judged = if is_known { &own } else { &shared };
    let counted = match judged.one_more(now) {
        Ok(counted) => counted,
        Err(wait) => return Ok(Err(wait)),
    };
    let is_last = counted.count >= LOCKED_AT;
    if is_known {
        set(conn, name, client, &counted).await?;
    } else {
        set(conn, name, strangers(), &counted).await?;
        let count = if own.known_until.is_some() { 1 } else { own.count + 1 };
        set(conn, name, client, &Failures { count, known_until: None, last_at: now, ..own }).await?;
    }
    Ok(Ok(CountedName { is_known, is_last, at: now }))
}

/// Takes back what a client failed, because it signed in. The owner's client is known from now on, under each name.
pub(super) async fn succeed(
    conn: &mut Connection,
    names: &[LoginName],
    client: IpNet,
    counted: &CountedName,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    // Always in the same order, so that no two sign-ins wait for each other.
    let mut names = names.to_vec();
    names.sort_unstable();
    for name in &names {
        let [shared, own] = lock(conn, name, client, now).await?;
        if own.known_until.is_none() && own.count > 0 {
            set(conn, name, strangers(), &shared.without(own.count, counted.at)).await?;
        }
        let known = Failures { count: 0, blocked_until: None, last_at: now, known_until: Some(now + KNOWN_TTL) };
        set(conn, name, client, &known).await?;
    }
    Ok(())
}

/// Takes back one try, because the password was right: of an unconfirmed account, so it lifts nothing else.
/// Otherwise, registering an address with a guessed password would lift the limit on guessing its owner's.
pub(super) async fn take_back(
    conn: &mut Connection,
    name: &LoginName,
    client: IpNet,
    counted: &CountedName,
) -> QueryResult<()> {
    let [shared, own] = lock(conn, name, client, counted.at).await?;
    if !counted.is_known {
        set(conn, name, strangers(), &shared.without(1, counted.at)).await?;
    }
    set(conn, name, client, &own.without(1, counted.at)).await
}

/// Forgets the failures of an account under all its names, locks and known clients included.
pub async fn clear(conn: &mut Connection, user: &User) -> QueryResult<()> {
    let names = LoginName::all_of(user);
    let names: Vec<&[u8]> = names.iter().map(|name| name.0.as_slice()).collect();
    diesel::delete(login_throttles::table.filter(login_throttles::name_sha256.eq_any(names))).execute(conn).await?;
    Ok(())
}

/// The counters of strangers and of the client, locked until the transaction ends; both looked up alike for every name.
async fn lock(
    conn: &mut Connection,
    name: &LoginName,
    client: IpNet,
    now: DateTime<Utc>,
) -> QueryResult<[Failures; 2]> {
    let row = |client: IpNet| {
        (
            login_throttles::name_sha256.eq(name.0.as_slice()),
            login_throttles::client.eq(client),
            login_throttles::failures.eq(0),
            login_throttles::last_at.eq(now),
            login_throttles::forgotten_at.eq(forgotten_at(0, now, None)),
        )
    };
    let rows: Vec<(IpNet, Failures)> = diesel::insert_into(login_throttles::table)
        .values(vec![row(strangers()), row(client)])
        .on_conflict((login_throttles::name_sha256, login_throttles::client))
        // Changes nothing, but locks and returns the existing rows.
        .do_update()
        .set(login_throttles::name_sha256.eq(excluded(login_throttles::name_sha256)))
        .returning((login_throttles::client, Failures::as_returning()))
        .get_results(conn)
        .await?;
    let of = |wanted: IpNet| {
        let found = rows.iter().find(|(client, _)| *client == wanted).map(|(_, failures)| failures.clone());
        found.ok_or(diesel::result::Error::NotFound)
    };
    Ok([of(strangers())?, of(client)?])
}

async fn set(conn: &mut Connection, name: &LoginName, client: IpNet, failures: &Failures) -> QueryResult<()> {
    diesel::update(login_throttles::table.find((name.0.as_slice(), client)))
        .set((
            login_throttles::failures.eq(failures.count),
            login_throttles::blocked_until.eq(failures.blocked_until),
            login_throttles::last_at.eq(failures.last_at),
            login_throttles::known_until.eq(failures.known_until),
            login_throttles::forgotten_at.eq(forgotten_at(failures.count, failures.last_at, failures.known_until)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::user::Email;

    use super::*;

    const NONE: Failures = Failures { count: 0, blocked_until: None, last_at: DateTime::UNIX_EPOCH, known_until: None };

    #[test]
    fn spellings_of_a_name_are_one_name() {
        let email = |text| LoginName::of_email(Email::parse(text).unwrap().canonical());
        assert!(email("Ada@Example.com") == email("ada@example.com"));
        let username = |text| LoginName::of_username(&Username::parse(text).unwrap());
        assert!(username("Ada") == username("aDA"));
        assert!(username("ada") != username("eve"));
    }

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

    #[test]
    fn taking_a_try_back_ends_its_own_wait_only() {
        let now = Utc::now();
        let fourth = Failures { count: 4, ..NONE };
        let fifth = fourth.one_more(now).unwrap();
        assert_eq!(fifth.without(1, now), Failures { last_at: now, ..fourth });
        assert!(fifth.without(1, now - Duration::seconds(1)).blocked_until.is_some());
    }
}
