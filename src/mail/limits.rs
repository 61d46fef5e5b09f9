//! How many mails an address gets: what exceeds waits.
//!
//! If there were no limit, anybody could have this service fill somebody's inbox; if a mail were dropped instead of
//! delayed, a promise would be broken.

use chrono::{DateTime, Duration, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{outbox, sent_mails, users};

use super::MailKind;

/// Between two mails to one address.
const APART: Duration = Duration::seconds(60);
/// Mails to one address within an hour.
const PER_HOUR: usize = 10;
/// Mails to one address within a day.
const PER_DAY: usize = 30;
/// Between two "you already have an account" to one address.
const NOTICES_APART: Duration = Duration::hours(1);

/// How long a departure is remembered.
pub const SENT_MAILS_TTL: Duration = Duration::days(1);

/// Lets a mail leave `now`, and remembers it; or says when it may. Mails to one address come one after the other,
/// on all instances.
///
/// # Errors
/// Those of the database.
pub(super) async fn reserve_send(
    conn: &mut Connection,
    mail_id: Uuid,
    canonical: &str,
    mail: MailKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    lock(conn, canonical).await?;
    let departed: Vec<(DateTime<Utc>, String)> = sent_mails::table
        .filter(sent_mails::canonical.eq(canonical))
        .filter(sent_mails::sent_at.gt(now - SENT_MAILS_TTL))
        // A second try of the same mail is no second mail.
        .filter(sent_mails::mail_id.ne(mail_id))
        .order(sent_mails::sent_at.desc())
        .select((sent_mails::sent_at, sent_mails::kind))
        .load(conn)
        .await?;
    let may_leave_at = earliest(&departed, mail).unwrap_or(now);
    if may_leave_at > now {
        return Ok(Some(may_leave_at));
    }
    if mail == MailKind::ConfirmEmail && is_after_another(conn, mail_id, canonical, now).await? {
        return Ok(Some(now + APART));
    }
    diesel::insert_into(sent_mails::table)
        .values((
            sent_mails::mail_id.eq(mail_id),
            sent_mails::canonical.eq(canonical),
            sent_mails::kind.eq(mail.name()),
            sent_mails::sent_at.eq(now),
        ))
        .on_conflict(sent_mails::mail_id)
        .do_update()
        .set(sent_mails::sent_at.eq(now))
        .execute(conn)
        .await?;
    Ok(None)
}

/// Locks the sent_mails of an address until the transaction ends. Not the row of the address: the target of a change and
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
    let earlier = outbox::table
        .inner_join(users::table)
        .filter(users::email_canonical.eq(canonical))
        .filter(outbox::kind.eq(MailKind::ConfirmEmail.name()))
        .filter(outbox::state.eq("queued"))
        .filter(outbox::due_at.le(now))
        .filter(outbox::id.lt(mail_id));
    diesel::select(exists(earlier)).get_result(conn).await
}

/// When the next mail may leave, after those that `departed`, the latest first.
fn earliest(departed: &[(DateTime<Utc>, String)], mail: MailKind) -> Option<DateTime<Utc>> {
    let at = |index: usize| departed.get(index).map(|(sent_at, _)| *sent_at);
    let mut bounds = vec![
        at(0).map(|sent_at| sent_at + APART),
        at(PER_HOUR - 1).map(|sent_at| sent_at + Duration::hours(1)),
        at(PER_DAY - 1).map(|sent_at| sent_at + Duration::days(1)),
    ];
    if mail == MailKind::AlreadyRegistered {
        let last = departed.iter().find(|(_, name)| name == mail.name());
        bounds.push(last.map(|(sent_at, _)| *sent_at + NOTICES_APART));
    }
    bounds.into_iter().flatten().max()
}

/// Forgets a departure that came to nothing.
///
/// # Errors
/// Those of the database.
pub(super) async fn release_send(conn: &mut Connection, mail_id: Uuid) -> QueryResult<usize> {
    diesel::delete(sent_mails::table.find(mail_id)).execute(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departed(seconds_ago: &[i64], now: DateTime<Utc>) -> Vec<(DateTime<Utc>, String)> {
        let left = |ago: &i64| (now - Duration::seconds(*ago), MailKind::ConfirmEmail.name().to_owned());
        seconds_ago.iter().map(left).collect()
    }

    fn wait(seconds_ago: &[i64]) -> i64 {
        let now = Utc::now();
        earliest(&departed(seconds_ago, now), MailKind::ConfirmEmail).map_or(0, |at| (at - now).num_seconds())
    }

    #[test]
    fn mails_to_an_address_keep_their_distance() {
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
        let notice = |ago| (now - Duration::seconds(ago), MailKind::AlreadyRegistered.name().to_owned());
        let at = earliest(&[notice(600)], MailKind::AlreadyRegistered);
        assert_eq!(at, Some(now + Duration::seconds(3000)));
        assert!(earliest(&[notice(600)], MailKind::ConfirmEmail) < Some(now));
    }
}
