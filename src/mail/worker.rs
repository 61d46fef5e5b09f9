//! The worker: claims due mails, composes and delivers them, and writes the results down.
//!
//! Claiming, sending and marking are three steps. After a crash between the last two, the mail is sent once more when its
//! claim has ended, with the same `Message-ID`. No crash loses a mail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::{JoinSet, LocalSet};

use crate::db::DbError;
use crate::user::UserId;

use super::compose::{Composed, MailerParts, record_reset};
use super::outbox::{self, OutboxMail};
use super::smtp::CONNECTIONS;
use super::wake::{self, MailWaker};
use super::{DeliveryError, MailTemplates, Mailbox};

/// How long a claim lasts, and so how long a mail waits whose instance was killed.
const CLAIM: chrono::Duration = chrono::Duration::seconds(20);
const EXTEND_CLAIM_EVERY: Duration = Duration::from_secs(5);
/// For mails that other instances left behind.
const POLL_EVERY: Duration = Duration::from_secs(20);
const RETRY_DATABASE_AFTER: Duration = Duration::from_secs(2);
const PROBE_SERVER_EVERY: Duration = Duration::from_secs(4);
/// The wait before the next attempt doubles from this to [`LONGEST_WAIT`], in seconds.
const FIRST_WAIT: f64 = 5.0;
const LONGEST_WAIT: f64 = 1800.0;
/// How long a mail is retried. RFC 5321, section 4.5.4.1, asks relays for more, but links expire earlier.
const RETRY_FOR: chrono::Duration = chrono::Duration::hours(48);
/// The attempts that a mail gets in any case. During an outage mails are not tried, only the server is probed: after one
/// longer than [`RETRY_FOR`], the first temporary refusal would otherwise be the last.
const MIN_ATTEMPTS: i32 = 20;

/// For `/health/ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailHealth {
    Ok,
    /// Mails wait for the server.
    ServerAway,
    /// The server is there, but the last mail was refused for a reason of its own or of ours. Each waits by itself.
    Refused,
}

/// Clones are handles of one worker.
#[derive(Clone)]
pub struct Mailer {
    inner: Arc<Inner>,
}

struct Inner {
    parts: MailerParts,
    waker: MailWaker,
    is_server_away: AtomicBool,
    /// Since the last mail that the server took.
    is_refused: AtomicBool,
}

enum Outcome {
    Sent {
        /// What the server said.
        reply: String,
        /// The account whose password the mail's link sets.
        reset_of: Option<UserId>,
    },
    /// It is no longer needed, and why.
    Dropped(&'static str),
    Postponed(DateTime<Utc>),
    Failed(DeliveryError),
}

impl Mailer {
    /// A worker that does nothing until [`Mailer::run`].
    pub fn new(parts: MailerParts) -> Self {
        let (is_server_away, is_refused) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { inner: Arc::new(Inner { parts, waker: MailWaker::default(), is_server_away, is_refused }) }
    }

    pub fn waker(&self) -> MailWaker {
        self.inner.waker.clone()
    }

    /// The development mailbox, if mails go there.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.inner.parts.delivery.mailbox()
    }

    pub fn templates(&self) -> &MailTemplates {
        &self.inner.parts.templates
    }

    pub fn health(&self) -> MailHealth {
        if self.inner.is_server_away.load(Ordering::Relaxed) {
            MailHealth::ServerAway
        } else if self.inner.is_refused.load(Ordering::Relaxed) {
            MailHealth::Refused
        } else {
            MailHealth::Ok
        }
    }

    /// Delivers mails until the future is dropped. Those that are being sent then are sent again later.
    pub async fn run(&self) {
        self.inner.parts.db.wait_until_migrated().await;
        let Inner { parts, waker, .. } = &*self.inner;
        let deliveries = LocalSet::new();
        tokio::join!(
            wake::listen(&parts.db, waker),
            waker.tell_other_instances(&parts.db),
            deliveries.run_until(self.deliver()),
        );
    }

    /// Each delivery is a task of its own. If this loop polled them, one could not go on while the loop waits for the
    /// database, and the row that it has locked would stay locked.
    async fn deliver(&self) {
        let mut in_progress = JoinSet::new();
        loop {
            if self.health() == MailHealth::ServerAway {
                while in_progress.join_next().await.is_some() {}
                self.inner.wait_for_server().await;
            }
            let free = CONNECTIONS - in_progress.len();
            let wait = match self.inner.claim(free).await {
                // The next mail that is finished ends the wait.
                _ if free == 0 => POLL_EVERY,
                Ok(claimed) if claimed.is_empty() => self.inner.until_next_due().await,
                Ok(claimed) => {
                    for mail in claimed {
                        let inner = Arc::clone(&self.inner);
                        in_progress.spawn_local(async move { inner.handle(mail).await });
                    }
                    if in_progress.len() < CONNECTIONS { Duration::ZERO } else { POLL_EVERY }
                }
                Err(error) => {
                    log::warn!("the outbox cannot be read, trying again: {error}");
                    RETRY_DATABASE_AFTER
                }
            };
            tokio::select! {
                Some(_) = in_progress.join_next() => {}
                () = self.inner.waker.here.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

impl Inner {
    async fn claim(&self, limit: usize) -> Result<Vec<OutboxMail>, DbError> {
        let limit = i32::try_from(limit).unwrap_or(1);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.parts.clock.now();
        self.parts.db.run(async |conn| outbox::claim(conn, now, now + CLAIM, limit).await).await
    }

    async fn until_next_due(&self) -> Duration {
        match self.parts.db.run(outbox::next_due_at).await {
            Ok(next) => {
                let wait = next.and_then(|at| (at - self.parts.clock.now()).to_std().ok());
                wait.map_or(POLL_EVERY, |wait| wait.clamp(Duration::from_millis(50), POLL_EVERY))
            }
            Err(_) => RETRY_DATABASE_AFTER,
        }
    }

    /// Probes the mail server until it is back, then makes the mails due that wait for it. Until then none is tried.
    async fn wait_for_server(&self) {
        loop {
            tokio::time::sleep(PROBE_SERVER_EVERY.mul_f64(rand::random_range(0.8..1.2))).await;
            match self.parts.delivery.probe().await {
                Ok(()) => break,
                Err(error) => log::debug!("the mail server is away: {error}"),
            }
        }
        let now = self.parts.clock.now();
        match self.parts.db.run(async |conn| outbox::set_due_after_outage(conn, now).await).await {
            Ok(waiting) => log::info!("the mail server is back; {waiting} mails waited for it"),
            // They become due by themselves, but later.
            Err(error) => log::warn!("the mail server is back, but the database is not: {error}"),
        }
        self.is_server_away.store(false, Ordering::Relaxed);
    }

    /// Delivers a mail, and meanwhile extends its claim.
    async fn handle(&self, mut mail: OutboxMail) {
        let outcome = {
            let delivering = self.deliver_one(mail.clone());
            tokio::pin!(delivering);
            loop {
                tokio::select! {
                    outcome = &mut delivering => break outcome,
                    () = tokio::time::sleep(EXTEND_CLAIM_EVERY) => {
                        let until = self.parts.clock.now() + CLAIM;
                        // If this fails, the claim may end and the mail be sent twice, as after a crash.
                        let _ = self.parts.db.run(async |conn| outbox::extend_claim(conn, &mut mail, until).await).await;
                    }
                }
            }
        };
        if let Err(error) = self.finish(&mail, outcome).await {
            // The claim ends by itself, and the mail is tried again.
            log::warn!("mail {}: its result could not be stored: {error}", mail.id);
        }
    }

    async fn deliver_one(&self, mail: OutboxMail) -> Outcome {
        match self.parts.compose(&mail).await {
            Ok(Composed::Send { to, content, reset_of }) => {
                match self.parts.delivery.send(mail.id, &to, &content, self.parts.clock.now()).await {
                    Ok(reply) => {
                        if self.is_refused.swap(false, Ordering::Relaxed) {
                            log::info!("the mail server takes mails again");
                        }
                        Outcome::Sent { reply, reset_of }
                    }
                    Err(error) => Outcome::Failed(error),
                }
            }
            Ok(Composed::Postpone(at)) => Outcome::Postponed(at),
            Ok(Composed::Drop(reason)) => Outcome::Dropped(reason),
            Err(error) => Outcome::Failed(error),
        }
    }

    fn note_health(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Failed(DeliveryError::ServerAway(reason))
                if !self.is_server_away.swap(true, Ordering::Relaxed) =>
            {
                log::warn!("the mail server accepts no mail, all mails wait for it: {reason}");
            }
            Outcome::Failed(DeliveryError::Refused(reason)) if !self.is_refused.swap(true, Ordering::Relaxed) => {
                log::warn!("the mail server refuses a mail, and not because of its recipient: {reason}");
            }
            _ => {}
        }
    }

    /// Stores the outcome, for the admin and for the next attempt.
    async fn finish(&self, mail: &OutboxMail, outcome: Outcome) -> Result<(), DbError> {
        let now = self.parts.clock.now();
        let OutboxMail { id, kind, attempts, .. } = mail;
        self.note_health(&outcome);
        let finished = self.parts.db.transaction(async |conn| match &outcome {
            Outcome::Sent { reply, reset_of } => {
                log::info!("mail {id} ({kind}): {reply}");
                if let Some(user_id) = reset_of {
                    record_reset(conn, *user_id, mail).await?;
                }
                outbox::set_sent(conn, mail, now, reply).await
            }
            Outcome::Dropped(reason) => {
                log::info!("mail {id} ({kind}): {reason}");
                match mail.user_id {
                    Some(_) => outbox::set_sent(conn, mail, now, reason).await,
                    None => outbox::forget(conn, mail, now).await,
                }
            }
            Outcome::Postponed(at) => {
                log::info!("mail {id} ({kind}) waits until {at}: its address got many mails");
                outbox::set_postponed(conn, mail, *at).await
            }
            Outcome::Failed(DeliveryError::ServerAway(reason)) => {
                outbox::set_delayed(conn, mail, next_attempt_at(now, *attempts), reason, true).await
            }
            Outcome::Failed(DeliveryError::Temporary(reason) | DeliveryError::Refused(reason))
                if now - mail.queued_at < RETRY_FOR || *attempts < MIN_ATTEMPTS =>
            {
                let due_at = next_attempt_at(now, *attempts);
                log::warn!("mail {id} ({kind}) is tried again at {due_at}: {reason}");
                outbox::set_delayed(conn, mail, due_at, reason, false).await
            }
            Outcome::Failed(error) => {
                log::error!("mail {id} ({kind}) failed after {attempts} attempts: {error}");
                outbox::set_failed(conn, mail, &error.to_string()).await
            }
        });
        let finished: Result<usize, DbError> = finished.await;
        finished?;
        if matches!(outcome, Outcome::Failed(DeliveryError::ServerAway(_))) {
            // Another instance may reach the server, and sleeps because this mail was claimed.
            self.waker.elsewhere.notify_one();
        }
        Ok(())
    }
}

/// Varies by a fifth, so that not all mails are tried at the same moment.
fn next_attempt_at(now: DateTime<Utc>, attempts: i32) -> DateTime<Utc> {
    let wait = (FIRST_WAIT * 2f64.powi(attempts.clamp(1, 16) - 1)).min(LONGEST_WAIT) * rand::random_range(0.8..1.2);
    now + chrono::Duration::milliseconds((wait * 1000.0) as i64)
}
