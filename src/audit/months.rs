//! The months of the events: partitions of `account_events`, by the time that their ids begin with. To forget a month, its
//! table is dropped: that takes a moment, however many events it has.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

use crate::db::{Connection, Db, DbError};

use super::first_id;

const PREFIX: &str = "account_events_";
/// How many months exist before they begin.
const AHEAD: u32 = 3;
/// How many events move to a month that is created: all writes wait for it.
const MOST_MOVED: usize = 10_000;

/// The events table takes part in nearly every request, and so does the table of users, which its foreign key locks too.
/// Both are locked at once and in the order in which operations use them. Who waits for a lock makes all requests wait
/// behind it, so this gives up early: before PostgreSQL looks for deadlocks (1 s), so that no request ever pays for one.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '500ms'";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    fn of(at: DateTime<Utc>) -> Self {
        let day = at.date_naive();
        Self(day.with_day(1).unwrap_or(day))
    }

    fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(NaiveDate::MAX))
    }

    /// The months that must exist, the last one first: only the current one can fail because of events in the default
    /// partition, and must not keep the others from being created.
    fn needed(now: DateTime<Utc>) -> Vec<Self> {
        let mut months: Vec<Self> =
            std::iter::successors(Some(Self::of(now)), |month| Some(month.next())).take(1 + AHEAD as usize).collect();
        months.reverse();
        months
    }

    /// Whether all of its events are from before `at`.
    pub fn is_before(self, at: DateTime<Utc>) -> bool {
        self.next().begins_at() <= at
    }

    fn begins_at(self) -> DateTime<Utc> {
        self.0.and_time(NaiveTime::MIN).and_utc()
    }

    /// Its partition.
    pub fn table(self) -> String {
        format!("{PREFIX}{}", self.0.format("%Y_%m"))
    }

    fn parse(table: &str) -> Option<Self> {
        let month = table.strip_prefix(PREFIX)?;
        NaiveDate::parse_from_str(&format!("{month}_01"), "%Y_%m_%d").ok().map(Self)
    }
}

#[derive(diesel::QueryableByName)]
struct Partition {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The months that exist.
pub async fn list(conn: &mut Connection<'_>) -> QueryResult<Vec<Month>> {
    let partitions: Vec<Partition> = diesel::sql_query(
        "select relname::text as name from pg_inherits join pg_class on pg_class.oid = inhrelid \
         where inhparent = 'account_events'::regclass",
    )
    .load(conn)
    .await?;
    Ok(partitions.iter().filter_map(|partition| Month::parse(&partition.name)).collect())
}

/// Creates the months that will be needed. What fails is logged, and tried again at the next clean-up: until then, the
/// default partition takes the events.
///
/// # Errors
/// The database is away.
pub async fn create_missing(db: &Db, now: DateTime<Utc>) -> Result<(), DbError> {
    let existing = db.run(async |conn| list(conn).await).await?;
    for month in Month::needed(now).into_iter().filter(|month| !existing.contains(month)) {
        match db.transaction::<_, diesel::result::Error, DbError>(async |conn| create(conn, month).await).await {
            Ok(true) => {}
            Ok(false) => log::warn!("{PREFIX}default has too many events for {} to be created", month.table()),
            Err(error) => log::warn!("creating {} failed, trying again later: {error}", month.table()),
        }
    }
    Ok(())
}

/// Creates a month, inside of a transaction. Its events that went to the default partition move: PostgreSQL accepts no month
/// otherwise. `false` if that would take too long; then they stay, and are deleted one by one when they are old.
async fn create(conn: &mut Connection<'_>, month: Month) -> QueryResult<bool> {
    let (table, from, to) = (month.table(), first_id(month.begins_at()), first_id(month.next().begins_at()));
    let many: Vec<Partition> = diesel::sql_query(format!(
        "select 'default' as name from {PREFIX}default where id >= '{from}' and id < '{to}' offset {MOST_MOVED} limit 1"
    ))
    .load(conn)
    .await?;
    if !many.is_empty() {
        return Ok(false);
    }
    conn.batch_execute(&format!(
        "{LOCK_TIMEOUT}; \
         lock table users, account_events in share row exclusive mode; \
         create table {table} (like account_events including all); \
         with moved as (delete from {PREFIX}default where id >= '{from}' and id < '{to}' returning *) \
         insert into {table} select * from moved; \
         alter table account_events attach partition {table} for values from ('{from}') to ('{to}')"
    ))
    .await?;
    Ok(true)
}

/// Forgets a month with all its events, inside of a transaction.
pub async fn drop(conn: &mut Connection<'_>, month: Month) -> QueryResult<()> {
    let table = month.table();
    conn.batch_execute(&format!(
        "{LOCK_TIMEOUT}; lock table users, account_events in access exclusive mode; drop table {table}"
    ))
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_each_other_and_are_named_by_their_time() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let months = Month::needed(at("2026-11-30T23:59:59.999Z"));
        let tables: Vec<String> = months.iter().map(|month| month.table()).collect();
        let expected =
            ["account_events_2027_02", "account_events_2027_01", "account_events_2026_12", "account_events_2026_11"];
        assert_eq!(tables, expected);
        for month in months {
            assert_eq!(Month::parse(&month.table()), Some(month));
        }
        assert_eq!(Month::parse("account_events_default"), None);
        let december = Month::of(at("2026-12-01T00:00:00Z"));
        assert!(!december.is_before(at("2026-12-31T23:59:59Z")) && december.is_before(at("2027-01-01T00:00:00Z")));
    }
}
