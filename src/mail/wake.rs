//! Waking the workers when mails are queued; those of other instances by `NOTIFY` and `LISTEN`.
//!
//! Not in the transaction that queues a mail: such transactions commit one after the other in the whole database. If a
//! notification is lost, because an instance dies or the database knows none, the mail waits until a worker polls.

use std::sync::Arc;
use std::time::Duration;

use diesel_async::SimpleAsyncConnection as _;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::Notify;

use crate::db::{Db, DbError};

const CHANNEL: &str = "vestibule_mails";
const RECONNECT_AFTER: Duration = Duration::from_secs(5);

/// How often other instances are told about mails at most.
const NOTIFY_EVERY: Duration = Duration::from_millis(100);

/// Wakes the workers, of this instance at once. Call it after the transaction that queued a mail is committed: before, they
/// would not see the mail.
#[derive(Clone, Default)]
pub struct MailWaker {
    pub(super) here: Arc<Notify>,
    pub(super) elsewhere: Arc<Notify>,
}

impl MailWaker {
    pub fn wake(&self) {
        self.here.notify_one();
        self.elsewhere.notify_one();
    }

    /// In a command, which has no worker: wakes the workers of all instances if there is a mail for them.
    pub async fn finish(&self, db: &Db) {
        if self.elsewhere.notified().now_or_never().is_some() {
            notify(db).await;
        }
    }

    pub(super) async fn tell_other_instances(&self, db: &Db) {
        loop {
            self.elsewhere.notified().await;
            notify(db).await;
            tokio::time::sleep(NOTIFY_EVERY).await;
        }
    }
}

/// Wakes the worker of this instance at each notification, until the future is dropped.
pub(super) async fn listen(db: &Db, waker: &MailWaker) {
    loop {
        if let Err(error) = listen_once(db, waker).await {
            log::debug!("not listening for queued mails, reconnecting: {error}");
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

async fn listen_once(db: &Db, waker: &MailWaker) -> Result<(), DbError> {
    let mut connection = db.connect_alone().await?;
    connection.batch_execute(&format!("listen {CHANNEL}")).await?;
    // For what was queued while there was no connection.
    waker.here.notify_one();
    let mut notifications = std::pin::pin!(connection.notifications_stream());
    while let Some(notification) = notifications.next().await {
        notification?;
        waker.here.notify_one();
    }
    Ok(())
}

/// Tells the workers of all instances that mails are queued.
pub async fn notify(db: &Db) {
    let statement = format!("select pg_notify('{CHANNEL}', '')");
    if let Err(error) = db.run(async |conn| conn.batch_execute(&statement).await).await {
        log::debug!("other instances were not told about a mail: {error}");
    }
}
