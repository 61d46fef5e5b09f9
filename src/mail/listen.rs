//! Word from other instances that a mail was promised, by `LISTEN` and `NOTIFY`.
//!
//! Without it a mail that is promised on an instance which then dies waits for the slow poll of the others, no more.

use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use futures_util::StreamExt as _;

use crate::db::{Db, DbError};

use super::outbox::CHANNEL;

/// How long to wait before the connection is made anew.
const AGAIN: Duration = Duration::from_secs(5);

/// Calls `wake` for each word, until the future is dropped.
pub(super) async fn run(db: &Db, wake: impl Fn()) {
    db.wait_until_migrated().await;
    loop {
        if let Err(error) = listen(db, &wake).await {
            log::debug!("not listening for promised mails, trying again: {error}");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen(db: &Db, wake: &impl Fn()) -> Result<(), DbError> {
    let mut connection = db.connect_alone().await?;
    connection.batch_execute(&format!("listen {CHANNEL}")).await?;
    // What was promised while nobody listened.
    wake();
    let mut words = std::pin::pin!(connection.notifications_stream());
    while let Some(word) = words.next().await {
        word?;
        wake();
    }
    Ok(())
}
