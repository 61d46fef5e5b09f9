//! What has had its time goes: accounts that nobody confirmed, sessions that ended, letters that left.

use std::time::Duration;

use chrono::Duration as Span;
use diesel::QueryResult;

use crate::app::App;
use crate::{mail, session, throttle, user};

/// How often: what the contract removes "within the hour" goes well within it.
const INTERVAL: Duration = Duration::from_secs(600);
/// How long an account may stay unconfirmed.
const UNCONFIRMED_TTL: Span = Span::days(7);
/// How long the fate of a letter can be looked up.
const MAIL_TTL: Span = Span::days(30);
/// How long a registration may need between its two looks at its address, generously.
const UNUSED_ADDRESS_TTL: Span = Span::hours(1);

/// Cleans up until the future is dropped.
pub(super) async fn run(app: &App) {
    app.db.wait_until_migrated().await;
    loop {
        if let Err(error) = app.db.run(async |conn| clean(app, conn).await).await {
            log::warn!("cleaning up failed, trying again later: {error}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn clean(app: &App, conn: &mut crate::db::Connection) -> QueryResult<()> {
    let now = app.clock.now();
    let unconfirmed = user::queries::delete_unconfirmed_before(conn, now - UNCONFIRMED_TTL).await?;
    let addresses = user::queries::delete_unused_addresses(conn, now - UNUSED_ADDRESS_TTL).await?;
    let sessions = session::queries::delete_ended(conn, now).await?;
    let mails = mail::queue::delete_done_before(conn, now - MAIL_TTL).await?;
    mail::delete_old_departures(conn, now).await?;
    throttle::delete_old(conn, now).await?;
    if unconfirmed + addresses + sessions + mails > 0 {
        log::info!(
            "cleaned up: {unconfirmed} unconfirmed accounts, {addresses} unused addresses, {sessions} ended sessions, \
             {mails} old mails"
        );
    }
    Ok(())
}
