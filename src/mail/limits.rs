//! How many mails a stranger can cause to an address. What exceeds the budget is sent later.
//!
//! Without limits anyone could flood an inbox through this service. If mails were dropped instead, a person who was told
//! that a mail is coming would wait for nothing. The budget refills evenly: also if strangers spent it, the next mail leaves within
//! [`REFILL`]. Each kind has its own, so that the mails of one do not wait for those of another.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use crate::db::Connection;
use crate::db::schema::mail_budgets;
use crate::user::mailbox_of;

use super::MailKind;
use super::outbox::OutboxMail;

/// Between two mails to one address.
const MIN_INTERVAL: Duration = Duration::seconds(60);
/// In what time one more mail may be sent.
const REFILL: Duration = Duration::minutes(48);

/// How many mails of a kind an address may get at once. `None` for those that only the password or the mailbox can cause:
/// nobody else can delay what an owner must hear of.
fn burst(kind: MailKind) -> Option<i32> {
    match kind {
        MailKind::ConfirmEmail | MailKind::ResetPassword | MailKind::ChangeEmail => Some(5),
        MailKind::AlreadyRegistered => Some(1),
        MailKind::PasswordChanged
        | MailKind::EmailChangeNotice
        | MailKind::EmailChangeUndone
        | MailKind::SignInLocked
        | MailKind::AccountDeleted
        | MailKind::Test => None,
    }
}

/// The budget of an address for a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    sent_at: DateTime<Utc>,
    /// When it is full again.
    full_at: DateTime<Utc>,
}

impl Budget {
    /// Takes one mail out of it, or says when it has one. Times further ahead than they can be are no times: the clock was
    /// wrong when they were written.
    fn take(self, burst: i32, now: DateTime<Utc>) -> Result<Self, DateTime<Utc>> {
        let is_possible = self.sent_at <= now && self.full_at <= now + REFILL * burst;
        if is_possible {
            let earliest = (self.full_at - REFILL * (burst - 1)).max(self.sent_at + MIN_INTERVAL);
            if earliest > now {
                return Err(earliest);
            }
        }
        let full_at = if is_possible { self.full_at.max(now) } else { now };
        Ok(Self { sent_at: now, full_at: full_at + REFILL })
    }
}

/// Takes a mail of this kind out of the budget of its address, or returns when it may be sent. The first attempt
/// at a mail pays for all. Belongs in one transaction.
pub(super) async fn pay(
    conn: &mut Connection<'_>,
    mail: &OutboxMail,
    canonical: &str,
    kind: MailKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    let Some(burst) = burst(kind).filter(|_| mail.attempts == 1) else {
        return Ok(None);
    };
    let mailbox = mailbox_of(canonical);
    let budget = lock(conn, &mailbox, kind, now).await?;
    let rest = match budget.take(burst, now) {
        Ok(rest) => rest,
        Err(at) => return Ok(Some(at)),
    };
    diesel::update(mail_budgets::table.find((&mailbox, kind.name())))
        .set((mail_budgets::sent_at.eq(rest.sent_at), mail_budgets::full_at.eq(rest.full_at)))
        .execute(conn)
        .await?;
    Ok(None)
}

/// The budget, locked until the transaction ends; a full one for a new address.
async fn lock(conn: &mut Connection<'_>, mailbox: &str, kind: MailKind, now: DateTime<Utc>) -> QueryResult<Budget> {
    let (sent_at, full_at) = diesel::insert_into(mail_budgets::table)
        .values((
            mail_budgets::mailbox.eq(mailbox),
            mail_budgets::kind.eq(kind.name()),
            mail_budgets::sent_at.eq(now - MIN_INTERVAL),
            mail_budgets::full_at.eq(now),
        ))
        .on_conflict((mail_budgets::mailbox, mail_budgets::kind))
        // Changes nothing, but locks and returns the existing row.
        .do_update()
        .set(mail_budgets::mailbox.eq(excluded(mail_budgets::mailbox)))
        .returning((mail_budgets::sent_at, mail_budgets::full_at))
        .get_result(conn)
        .await?;
    Ok(Budget { sent_at, full_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_mails_may_come_a_minute_apart_and_then_one_every_48_minutes() {
        let start = Utc::now();
        let mut now = start;
        let mut budget = Budget { sent_at: now - MIN_INTERVAL, full_at: now };
        let mut minutes = Vec::new();
        for _ in 0..8 {
            budget = match budget.take(5, now) {
                Ok(budget) => budget,
                Err(at) => {
                    now = at;
                    budget.take(5, now).unwrap()
                }
            };
            minutes.push((now - start).num_minutes());
        }
        assert_eq!(minutes, [0, 1, 2, 3, 4, 48, 96, 144]);
    }

    #[test]
    fn nobody_waits_longer_than_a_refill() {
        let now = Utc::now();
        for burst in [1, 5] {
            let mut budget = Budget { sent_at: now - MIN_INTERVAL, full_at: now };
            let mut at = now;
            for _ in 0..100 {
                match budget.take(burst, at) {
                    Ok(rest) => budget = rest,
                    Err(next) => {
                        assert!(next - at <= REFILL);
                        at = next;
                    }
                }
            }
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_no_reason_to_wait() {
        let now = Utc::now();
        let ahead = Budget { sent_at: now + Duration::days(365), full_at: now + Duration::days(365) };
        assert_eq!(ahead.take(5, now), Ok(Budget { sent_at: now, full_at: now + REFILL }));
    }
}
