//! Deletes what is past its time: unconfirmed accounts, ended sessions, old mails, counters and events.

use std::time::Duration;

use chrono::{DateTime, Duration as Span, Utc};

use crate::app::App;
use crate::db::{self, DbError};
use crate::throttle::{FAILURES_TTL, LOCKED_AT};
use crate::user;

/// How often.
const INTERVAL: Duration = Duration::from_secs(600);
/// How long a registration may take between its two looks at its address, generously.
const UNUSED_ADDRESS_TTL: Span = Span::hours(1);

/// Rows to delete.
struct Stale {
    what: &'static str,
    table: &'static str,
    /// In SQL, where `$1` is `ttl` ago.
    condition: String,
    ttl: Span,
}

impl Stale {
    fn new(what: &'static str, table: &'static str, condition: impl Into<String>, ttl: Span) -> Self {
        Self { what, table, condition: condition.into(), ttl }
    }

    fn all() -> [Self; 8] {
        let is_ended = "expires_at <= $1 or last_seen_at + idle_seconds * interval '1 second' <= $1";
        let is_forgotten =
            format!("last_at < $1 and failures < {LOCKED_AT} and (known_until is null or known_until < $1)");
        [
            Self::new(
                "unconfirmed accounts",
                "users",
                "confirmed_at is null and created_at < $1",
                user::UNCONFIRMED_TTL,
            ),
            Self::new("ended sessions", "sessions", is_ended, Span::zero()),
            Self::new("old mails", "outbox", "state <> 'queued' and queued_at < $1", Span::days(30)),
            Self::new("budgets of addresses", "mail_budgets", "full_at < $1", Span::hours(1)),
            Self::new("counters of names", "login_throttles", is_forgotten, FAILURES_TTL),
            Self::new("counters of clients", "client_throttles", "window_ends_at < $1", Span::zero()),
            Self::new("old events", "account_events", "at < $1", Span::days(365)),
            // They can be undone for seven days.
            Self::new("old changes of address", "email_changes", "requested_at < $1", Span::days(30)),
        ]
    }
}

/// Cleans up until the future is dropped.
pub(super) async fn run(app: &App) {
    app.db.wait_until_migrated().await;
    loop {
        let now = app.clock.now();
        for stale in Stale::all() {
            delete(app, &stale, now - stale.ttl).await;
        }
        delete_unused_addresses(app, now - UNUSED_ADDRESS_TTL).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Batch by batch: all at once could take longer than a statement may.
async fn delete(app: &App, Stale { what, table, condition, .. }: &Stale, before: DateTime<Utc>) {
    let mut total = 0;
    let result = loop {
        match app.db.run(async |conn| db::delete_batch(conn, table, condition, before).await).await {
            Ok(0) => break Ok(()),
            Ok(count) => total += count,
            Err(error) => break Err(error),
        }
    };
    report(what, total, result);
}

/// Looks at all addresses, a slice at a time.
async fn delete_unused_addresses(app: &App, before: DateTime<Utc>) {
    let (mut total, mut after) = (0, Some(String::new()));
    let mut result = Ok(());
    while let Some(from) = after.take() {
        match app.db.run(async |conn| user::addresses::delete_unused(conn, before, &from).await).await {
            Ok((count, next)) => (total, after) = (total + count, next),
            Err(error) => result = Err(error),
        }
    }
    report("unused addresses", total, result);
}

fn report(what: &str, total: usize, result: Result<(), DbError>) {
    if total > 0 {
        log::info!("cleaned up {total} {what}");
    }
    if let Err(error) = result {
        log::warn!("cleaning up {what} failed, trying again later: {error}");
    }
}
