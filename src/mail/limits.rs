//! How many letters an address gets: what exceeds waits.
//!
//! If there were no limit, anybody could have this service fill somebody's inbox; if a letter were dropped instead of
//! delayed, a promise would be broken.

use chrono::{DateTime, Duration, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::schema::{departures, mails, users};
use crate::db::{CLEANING_BATCH, Connection};

use super::LetterKind;

/// Between two letters to one address.
const APART: Duration = Duration::seconds(60);
/// Letters to one address within an hour.
const PER_HOUR: usize = 10;
/// Letters to one address within a day.
const PER_DAY: usize = 30;
/// Between two "you already have an account" to one address.
const NOTICES_APART: Duration = Duration::hours(1);

/// How long a departure is remembered.
pub(super) const MEMORY: Duration = Duration::days(1);

/// Lets a letter leave `now`, and remembers it; or says when it may. Letters to one address come one after the other,
/// on all instances.
///
/// # Errors
/// Those of the database.
pub(super) async fn depart(
    conn: &mut Connection,
    mail_id: Uuid,
    canonical: &str,
    letter: LetterKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    lock(conn, canonical).await?;
    let departed: Vec<(DateTime<Utc>, String)> = departures::table
        .filter(departures::canonical.eq(canonical))
        .filter(departures::left_at.gt(now - MEMORY))
        // A second try of the same letter is no second letter.
        .filter(departures::mail_id.ne(mail_id))
        .order(departures::left_at.desc())
        .select((departures::left_at, departures::letter))
        .load(conn)
        .await?;
    let may_leave_at = earliest(&departed, letter).unwrap_or(now);
    if may_leave_at > now {
        return Ok(Some(may_leave_at));
    }
    if letter == LetterKind::ConfirmEmail && is_after_another(conn, mail_id, canonical, now).await? {
        return Ok(Some(now + APART));
    }
    diesel::insert_into(departures::table)
        .values((
            departures::mail_id.eq(mail_id),
            departures::canonical.eq(canonical),
            departures::letter.eq(letter.name()),
            departures::left_at.eq(now),
        ))
        .on_conflict(departures::mail_id)
        .do_update()
        .set(departures::left_at.eq(now))
        .execute(conn)
        .await?;
    Ok(None)
}

/// Locks the departures of an address until the transaction ends. Not the row of the address: the target of a change and
/// the address of an account that is gone have none. Whoever has this lock waits for no other but that of their own
/// departure, which is held by nobody who waits for this one.
async fn lock(conn: &mut Connection, canonical: &str) -> QueryResult<()> {
    let lock = diesel::sql_query("select pg_advisory_xact_lock(hashtextextended($1, 0))");
    lock.bind::<Text, _>(canonical).execute(conn).await.map(drop)
}

/// Whether another account of the address was promised its confirmation earlier, and that is due as well: it is claimed
/// at the same moment, and whichever came first to the lock would leave first.
async fn is_after_another(
    conn: &mut Connection,
    mail_id: Uuid,
    canonical: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let earlier = mails::table
        .inner_join(users::table)
        .filter(users::email_canonical.eq(canonical))
        .filter(mails::letter.eq(LetterKind::ConfirmEmail.name()))
        .filter(mails::state.eq("queued"))
        .filter(mails::due_at.le(now))
        .filter(mails::id.lt(mail_id));
    diesel::select(exists(earlier)).get_result(conn).await
}

/// When the next letter may leave, after those that `departed`, the latest first.
fn earliest(departed: &[(DateTime<Utc>, String)], letter: LetterKind) -> Option<DateTime<Utc>> {
    let at = |index: usize| departed.get(index).map(|(left_at, _)| *left_at);
    let mut bounds = vec![
        at(0).map(|left_at| left_at + APART),
        at(PER_HOUR - 1).map(|left_at| left_at + Duration::hours(1)),
        at(PER_DAY - 1).map(|left_at| left_at + Duration::days(1)),
    ];
    if letter == LetterKind::AlreadyRegistered {
        let last = departed.iter().find(|(_, name)| name == letter.name());
        bounds.push(last.map(|(left_at, _)| *left_at + NOTICES_APART));
    }
    bounds.into_iter().flatten().max()
}

/// Forgets a departure that came to nothing.
///
/// # Errors
/// Those of the database.
pub(super) async fn stay(conn: &mut Connection, mail_id: Uuid) -> QueryResult<usize> {
    diesel::delete(departures::table.find(mail_id)).execute(conn).await
}

/// Forgets some of the departures before `before`.
///
/// # Errors
/// Those of the database.
pub(super) async fn delete_before(conn: &mut Connection, before: DateTime<Utc>) -> QueryResult<usize> {
    let old = departures::table.filter(departures::left_at.lt(before));
    let some: Vec<Uuid> = old.select(departures::mail_id).limit(CLEANING_BATCH).load(conn).await?;
    diesel::delete(departures::table.filter(departures::mail_id.eq_any(some))).execute(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departed(seconds_ago: &[i64], now: DateTime<Utc>) -> Vec<(DateTime<Utc>, String)> {
        let left = |ago: &i64| (now - Duration::seconds(*ago), LetterKind::ConfirmEmail.name().to_owned());
        seconds_ago.iter().map(left).collect()
    }

    fn wait(seconds_ago: &[i64]) -> i64 {
        let now = Utc::now();
        earliest(&departed(seconds_ago, now), LetterKind::ConfirmEmail).map_or(0, |at| (at - now).num_seconds())
    }

    #[test]
    fn letters_to_an_address_keep_their_distance() {
        assert_eq!(wait(&[]), 0);
        assert_eq!(wait(&[20]), 40);
        assert!(wait(&[60]) <= 0);
        let ten: Vec<i64> = (1..=10).map(|n| n * 100).collect();
        assert_eq!(wait(&ten), 3600 - 1000);
        assert!(wait(&ten[..9]) <= 0);
        let thirty: Vec<i64> = (1..=30).map(|n| n * 1000).collect();
        assert_eq!(wait(&thirty), 86_400 - 30_000);
    }

    #[test]
    fn word_to_an_owner_goes_once_an_hour() {
        let now = Utc::now();
        let notice = |ago| (now - Duration::seconds(ago), LetterKind::AlreadyRegistered.name().to_owned());
        let at = earliest(&[notice(600)], LetterKind::AlreadyRegistered);
        assert_eq!(at, Some(now + Duration::seconds(3000)));
        assert!(earliest(&[notice(600)], LetterKind::ConfirmEmail) < Some(now));
    }
}
