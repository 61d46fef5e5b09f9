//! How many mails an address gets. What exceeds the limits is sent later.
//!
//! Without limits anyone could flood an inbox through this service. If mails were dropped instead, a person who was told
//! that a mail is coming would wait for nothing.

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
const MIN_INTERVAL: Duration = Duration::seconds(60);
const MAX_PER_HOUR: usize = 10;
const MAX_PER_DAY: usize = 30;
/// Between two "you already have an account" to one address.
const MIN_NOTICE_INTERVAL: Duration = Duration::hours(1);

/// How long `sent_mails` keeps a row.
pub const SENT_MAILS_TTL: Duration = Duration::days(1);

/// Permits a mail to be sent now, and counts it; or returns when it may be sent. One mail per address at a time, across
/// all instances.
pub(super) async fn reserve_send(
    conn: &mut Connection,
    mail_id: Uuid,
    canonical: &str,
    kind: MailKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    lock(conn, canonical).await?;
    let sent: Vec<(DateTime<Utc>, String)> = sent_mails::table
        .filter(sent_mails::canonical.eq(canonical))
        .filter(sent_mails::sent_at.gt(now - SENT_MAILS_TTL))
        // Another attempt at the same mail does not count twice.
        .filter(sent_mails::mail_id.ne(mail_id))
        .order(sent_mails::sent_at.desc())
        .select((sent_mails::sent_at, sent_mails::kind))
        .load(conn)
        .await?;
    if let Some(at) = earliest(&sent, kind).filter(|at| *at > now) {
        return Ok(Some(at));
    }
    if kind == MailKind::ConfirmEmail && is_after_another(conn, mail_id, canonical, now).await? {
        return Ok(Some(now + MIN_INTERVAL));
    }
    diesel::insert_into(sent_mails::table)
        .values((
            sent_mails::mail_id.eq(mail_id),
            sent_mails::canonical.eq(canonical),
            sent_mails::kind.eq(kind.name()),
            sent_mails::sent_at.eq(now),
        ))
        .on_conflict(sent_mails::mail_id)
        .do_update()
        .set(sent_mails::sent_at.eq(now))
        .execute(conn)
        .await?;
    Ok(None)
}

/// Takes back what [`reserve_send`] counted, because the mail was not sent.
pub(super) async fn release_send(conn: &mut Connection, mail_id: Uuid) -> QueryResult<usize> {
    diesel::delete(sent_mails::table.find(mail_id)).execute(conn).await
}

/// Until the transaction ends. Not a lock on the row in `addresses`: the new address of a change and the address of a
/// deleted account may have none. No deadlock: while holding this lock, a transaction waits only for the `sent_mails` row
/// of its own mail, and no transaction that holds that row waits for this lock.
async fn lock(conn: &mut Connection, canonical: &str) -> QueryResult<()> {
    let lock = diesel::sql_query("select pg_advisory_xact_lock(hashtextextended($1, 0))");
    lock.bind::<Text, _>(canonical).execute(conn).await.map(drop)
}

/// Whether an earlier confirmation mail for another account of the address is due as well. Both were claimed at the same
/// moment, and without this, the one that gets the lock first would be sent first.
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

/// When the next mail may be sent, after those that were `sent`, the latest first.
fn earliest(sent: &[(DateTime<Utc>, String)], kind: MailKind) -> Option<DateTime<Utc>> {
    let at = |index: usize| sent.get(index).map(|(sent_at, _)| *sent_at);
    let mut bounds = vec![
        at(0).map(|sent_at| sent_at + MIN_INTERVAL),
        at(MAX_PER_HOUR - 1).map(|sent_at| sent_at + Duration::hours(1)),
        at(MAX_PER_DAY - 1).map(|sent_at| sent_at + Duration::days(1)),
    ];
    if kind == MailKind::AlreadyRegistered {
        let last = sent.iter().find(|(_, name)| name == kind.name());
        bounds.push(last.map(|(sent_at, _)| *sent_at + MIN_NOTICE_INTERVAL));
    }
    bounds.into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(seconds_ago: &[i64]) -> i64 {
        let now = Utc::now();
        let sent = |ago: &i64| (now - Duration::seconds(*ago), MailKind::ConfirmEmail.name().to_owned());
        let sent: Vec<_> = seconds_ago.iter().map(sent).collect();
        earliest(&sent, MailKind::ConfirmEmail).map_or(0, |at| (at - now).num_seconds())
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
    fn an_owner_gets_one_notice_an_hour() {
        let now = Utc::now();
        let notice = |ago| (now - Duration::seconds(ago), MailKind::AlreadyRegistered.name().to_owned());
        let at = earliest(&[notice(600)], MailKind::AlreadyRegistered);
        assert_eq!(at, Some(now + Duration::seconds(3000)));
        assert!(earliest(&[notice(600)], MailKind::ConfirmEmail) < Some(now));
    }
}
