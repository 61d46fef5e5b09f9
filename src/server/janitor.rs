//! What has had its time goes: accounts that nobody confirmed, sessions that ended, letters that left.

use std::time::Duration;

use chrono::{DateTime, Duration as Span, Utc};
use diesel::QueryResult;

use crate::app::App;
use crate::db::{Connection, DbError};
use crate::{event, mail, session, throttle, user};

/// How often: what the contract removes "within the hour" goes well within it.
const INTERVAL: Duration = Duration::from_secs(600);
/// How long what happened to an account is kept.
const EVENT_TTL: Span = Span::days(365);
/// How long a change of address is kept; it can be undone for seven days.
const EMAIL_CHANGE_TTL: Span = Span::days(30);
/// How long the fate of a letter can be looked up.
const MAIL_TTL: Span = Span::days(30);
/// How long a registration may need between its two looks at its address, generously.
const UNUSED_ADDRESS_TTL: Span = Span::hours(1);

/// Cleans up until the future is dropped.
pub(super) async fn run(app: &App) {
    app.db.wait_until_migrated().await;
    loop {
        clean(app).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn clean(app: &App) {
    let now = app.clock.now();
    let unconfirmed = now - user::UNCONFIRMED_TTL;
    all(app, "unconfirmed accounts", async |conn| user::cleaning::delete_unconfirmed_before(conn, unconfirmed).await)
        .await;
    all(app, "ended sessions", async |conn| session::queries::delete_ended(conn, now).await).await;
    all(app, "old mails", async |conn| mail::queue::delete_done_before(conn, now - MAIL_TTL).await).await;
    all(app, "old departures", async |conn| mail::delete_old_departures(conn, now).await).await;
    all(app, "old counters", async |conn| throttle::delete_old(conn, now).await).await;
    all(app, "old events", async |conn| event::delete_before(conn, now - EVENT_TTL).await).await;
    let changed = now - EMAIL_CHANGE_TTL;
    all(app, "old changes of address", async |conn| user::email_change::delete_before(conn, changed).await).await;
    unused_addresses(app, now - UNUSED_ADDRESS_TTL).await;
}

/// Some at a time, until there are none: what piled up would take longer at once than a statement may.
async fn all(app: &App, what: &str, mut some: impl AsyncFnMut(&mut Connection) -> QueryResult<usize>) {
    let mut total = 0;
    let result = loop {
        match app.db.run(&mut some).await {
            Ok(0) => break Ok(()),
            Ok(count) => total += count,
            Err(error) => break Err(error),
        }
    };
    report(what, total, result);
}

/// All addresses are looked at, a slice at a time.
async fn unused_addresses(app: &App, before: DateTime<Utc>) {
    let (mut total, mut after) = (0, Some(String::new()));
    let mut result = Ok(());
    while let Some(from) = after.take() {
        match app.db.run(async |conn| user::cleaning::delete_unused_addresses(conn, before, &from).await).await {
            Ok((count, next)) => (total, after) = (total + count, next),
            Err(error) => result = Err(error),
        }
    }
    report("unused addresses", total, result);
}

fn report(what: &str, total: usize, result: Result<(), DbError>) {
    if total > 0 {
        log::info!("cleaned up: {total} {what}");
    }
    if let Err(error) = result {
        log::warn!("cleaning up {what} failed, trying again later: {error}");
    }
}
