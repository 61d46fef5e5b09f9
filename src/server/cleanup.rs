//! Deletes what is past its time: unconfirmed accounts, ended sessions, old mails, counters and events.
//!
//! One instance at a time does each task: the one that sets when the task is due again. If it dies halfway, the rest waits
//! until then. No statement reads a whole table: each follows an index, or reads a slice of a primary key.

use std::time::Duration;

use chrono::{DateTime, Duration as Span, Utc};
use diesel::prelude::*;
use diesel::query_dsl::methods::FilterDsl;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::app::App;
use crate::audit::months;
use crate::db::schema::cleanup_runs;
use crate::db::{self, Connection, DbError};
use crate::session::store;
use crate::user;

/// How often an instance asks what is due.
const INTERVAL: Duration = Duration::from_secs(600);
/// How long a registration may take between its two looks at its address, generously.
const UNUSED_ADDRESS_TTL: Span = Span::hours(1);

/// What one instance does at a time. The names are in the table `cleanup_runs`.
#[derive(Clone, Copy, Debug, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
enum Task {
    /// Creates the next months of events, and drops the old ones.
    Months,
    /// Deletes what an index finds.
    ExpiredRows,
    /// Walks over all sessions. Nothing waits for it: the guard refuses idle sessions anyway.
    IdleSessions,
    /// Walks over all addresses.
    UnusedAddresses,
}

impl Task {
    /// Months come first: requests want to insert events.
    const ALL: [Self; 4] = [Self::Months, Self::ExpiredRows, Self::IdleSessions, Self::UnusedAddresses];

    fn interval(self) -> Span {
        match self {
            Self::ExpiredRows => Span::minutes(10),
            Self::Months | Self::IdleSessions => Span::hours(1),
            Self::UnusedAddresses => Span::days(1),
        }
    }

    async fn run(self, app: &App, now: DateTime<Utc>) {
        let oldest_event = now - app.config.event_ttl;
        match self {
            Self::Months => renew_months(app, now, oldest_event).await,
            Self::ExpiredRows => {
                for expired in Expired::all(now - oldest_event) {
                    delete_expired(app, &expired, now - expired.ttl).await;
                }
            }
            Self::IdleSessions => {
                let slice = async |conn: &mut Connection<'_>, after: &Uuid| store::delete_idle(conn, now, *after).await;
                walk(app, "idle sessions", Uuid::nil(), slice).await;
            }
            Self::UnusedAddresses => {
                let before = now - UNUSED_ADDRESS_TTL;
                let slice = async |conn: &mut Connection<'_>, after: &String| {
                    user::addresses::delete_unused(conn, before, after).await
                };
                walk(app, "unused addresses", String::new(), slice).await;
            }
        }
    }
}

/// Cleans up until the future is dropped.
pub(super) async fn run(app: &App) {
    app.db.wait_until_migrated().await;
    loop {
        for task in Task::ALL {
            let now = app.clock.now();
            match app.db.run(async |conn| take(conn, task, now).await).await {
                Ok(true) => task.run(app, now).await,
                Ok(false) => {}
                Err(error) => report(task.into(), 0, Err(error)),
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Whether a task is due and this instance is the one to do it. A time too far ahead is no time: the clock was wrong when
/// it was written. Twice the interval, because the clocks of two instances differ.
async fn take(conn: &mut Connection<'_>, task: Task, now: DateTime<Utc>) -> QueryResult<bool> {
    let is_due = cleanup_runs::next_at.le(now).or(cleanup_runs::next_at.gt(now + task.interval() * 2));
    let taking = diesel::insert_into(cleanup_runs::table)
        .values((cleanup_runs::task.eq(<&str>::from(task)), cleanup_runs::next_at.eq(now + task.interval())))
        .on_conflict(cleanup_runs::task)
        .do_update()
        .set(cleanup_runs::next_at.eq(excluded(cleanup_runs::next_at)));
    Ok(FilterDsl::filter(taking, is_due).execute(conn).await? == 1)
}

/// Rows to delete: those with a time before `ttl` ago in an indexed column.
struct Expired {
    what: &'static str,
    rows: db::Expired,
    ttl: Span,
}

impl Expired {
    const fn new(what: &'static str, table: &'static str, column: &'static str, ttl: Span) -> Self {
        Self { what, rows: db::Expired { table, column, only: "true", is_ahead: false }, ttl }
    }

    /// With a time later than `after` from now.
    fn ahead(what: &'static str, table: &'static str, column: &'static str, after: Span) -> Self {
        let rows = db::Expired { table, column, only: "true", is_ahead: true };
        Self { what, rows, ttl: -after }
    }

    const fn only(mut self, condition: &'static str) -> Self {
        self.rows.only = condition;
        self
    }

    fn all(event_ttl: Span) -> [Self; 10] {
        let now = Span::zero();
        [
            Self::new("unconfirmed accounts", "users", "created_at", user::UNCONFIRMED_TTL)
                .only("confirmed_at is null"),
            Self::new("old registrations", "registrations", "created_at", user::UNCONFIRMED_TTL),
            Self::new("ended sessions", "sessions", "expires_at", now),
            Self::new("old mails", "outbox", "queued_at", Span::days(30)).only("state <> 'queued'"),
            Self::new("budgets of addresses", "mail_budgets", "full_at", Span::hours(1)),
            Self::new("counters of names", "login_throttles", "forgotten_at", now),
            Self::new("counters of clients", "client_throttles", "window_ends_at", now),
            Self::new("old events of no month", "account_events_default", "at", event_ttl),
            Self::ahead("events of a wrong clock", "account_events_default", "at", event_ttl),
            // They can be undone for seven days.
            Self::new("old changes of address", "email_changes", "requested_at", Span::days(30)),
        ]
    }
}

/// Batch by batch: all at once could take longer than a statement may.
async fn delete_expired(app: &App, Expired { what, rows, .. }: &Expired, before: DateTime<Utc>) {
    let mut total = 0;
    let result = loop {
        match app.db.run(async |conn| db::delete_batch(conn, rows, before).await).await {
            Ok(0) => break Ok(()),
            Ok(count) => total += count,
            Err(error) => break Err(error),
        }
    };
    report(what, total, result);
}

/// Goes through a table, a slice at a time. `slice` returns how many rows it deleted and where to continue.
async fn walk<K>(
    app: &App,
    what: &str,
    first: K,
    slice: impl AsyncFn(&mut Connection<'_>, &K) -> QueryResult<(usize, Option<K>)>,
) {
    let (mut total, mut after) = (0, Some(first));
    let mut result = Ok(());
    while let Some(from) = after.take() {
        match app.db.run(async |conn| slice(conn, &from).await).await {
            Ok((count, next)) => (total, after) = (total + count, next),
            Err(error) => result = Err(error),
        }
    }
    report(what, total, result);
}

/// Creates the months of events that will be needed, and drops those with nothing from `since` on.
async fn renew_months(app: &App, now: DateTime<Utc>, since: DateTime<Utc>) {
    if let Err(error) = months::create_missing(&app.db, now).await {
        report("months of events", 0, Err(error));
    }
    let old = match app.db.run(async |conn| months::list(conn).await).await {
        Ok(months) => months.into_iter().filter(|month| month.is_before(since)),
        Err(error) => return report("months of events", 0, Err(error)),
    };
    for month in old {
        let dropping = async |conn: &mut Connection<'_>| months::drop(conn, month).await;
        let dropped = app.db.transaction::<_, diesel::result::Error, DbError>(dropping).await;
        report("month of events", dropped.is_ok().into(), dropped);
    }
}

fn report(what: &str, total: usize, result: Result<(), DbError>) {
    if total > 0 {
        log::info!("cleaned up {total} {what}");
    }
    if let Err(error) = result {
        log::warn!("cleaning up {what} failed, trying again later: {error}");
    }
}
