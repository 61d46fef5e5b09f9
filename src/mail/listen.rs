//! `LISTEN` for the `NOTIFY` of other instances that have queued a mail.
//!
//! Without it, a mail whose instance dies before sending it would wait until another one polls.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use futures_util::StreamExt as _;

use crate::db::{Db, DbError};

use super::outbox::CHANNEL;

const RECONNECT_AFTER: Duration = Duration::from_secs(5);

/// Calls `wake` at each notification, until the future is dropped.
pub(super) async fn run(db: &Db, wake: impl Fn()) {
    loop {
        if let Err(error) = listen(db, &wake).await {
            log::debug!("not listening for queued mails, reconnecting: {error}");
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

async fn listen(db: &Db, wake: &impl Fn()) -> Result<(), DbError> {
    let mut connection = db.connect_alone().await?;
    connection.batch_execute(&format!("listen {CHANNEL}")).await?;
    // For what was queued while there was no connection.
    wake();
    let mut notifications = std::pin::pin!(connection.notifications_stream());
    while let Some(notification) = notifications.next().await {
        notification?;
        wake();
    }
    Ok(())
}
