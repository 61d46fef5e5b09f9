//! The worker: takes promised mails from the queue, writes them, delivers them.
//!
//! A mail is claimed, sent and then marked, in three steps: a crash between the last two sends it once more, with
//! the same `Message-ID`, when the claim ends. No crash loses one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use crate::db::DbError;

use super::compose::{MailerParts, Plan};
use super::outbox::{self, Claimed};
use super::smtp::CONNECTIONS;
use super::{DeliveryError, Templates, limits, listen};

/// How long a claim lasts when nobody prolongs it: so long a mail waits whose instance was killed.
const CLAIM: chrono::Duration = chrono::Duration::seconds(20);
/// How often a claim is prolonged.
const PROLONG: Duration = Duration::from_secs(5);
/// How often the queue is looked at when nobody wakes the worker: for what other instances left behind.
const POLL: Duration = Duration::from_secs(20);
/// How often a database that is away is asked.
const DATABASE_AGAIN: Duration = Duration::from_secs(2);
/// How often a mail server that is away is asked.
const SERVER_AGAIN: Duration = Duration::from_secs(4);
/// Waits before the next try double from this to [`LONGEST_WAIT`], in seconds.
const FIRST_WAIT: f64 = 5.0;
/// Half an hour.
const LONGEST_WAIT: f64 = 1800.0;
/// How long a mail is tried before it is given up (RFC 5321, section 4.5.4.1, asks for more of relays; a link that is
/// older is worth nothing).
const RETRY_FOR: chrono::Duration = chrono::Duration::hours(48);
/// How often a mail is tried at least. While the server is away it is not tried, only the server is: after an outage of
/// more than [`RETRY_FOR`] the first temporary refusal would be the last.
const LEAST_TRIES: i32 = 20;

/// Whether mails leave, for `/health/ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailHealth {
    /// As far as is known.
    Ok,
    /// The mail server is away; mails wait for it.
    ServerAway,
}

/// The worker, and the handle to wake it. Clones are one worker.
#[derive(Clone)]
pub struct Mailer {
    inner: Arc<Inner>,
}

/// Wakes the worker after a mail was queued and committed: earlier, it would not see the mail. Without a worker, as in a
/// command, it does nothing.
#[derive(Clone, Default)]
pub struct MailWaker(Arc<Notify>);

impl MailWaker {
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

struct Inner {
    parts: MailerParts,
    waker: MailWaker,
    is_server_away: AtomicBool,
}

/// What became of it.
enum Outcome {
    Done(String),
    Postponed(DateTime<Utc>),
    Failed(DeliveryError),
}

impl Mailer {
    /// A worker that does nothing until [`Mailer::run`].
    #[must_use]
    pub fn new(parts: MailerParts) -> Self {
        Self { inner: Arc::new(Inner { parts, waker: MailWaker::default(), is_server_away: AtomicBool::new(false) }) }
    }

    pub fn waker(&self) -> MailWaker {
        self.inner.waker.clone()
    }

    /// The development mailbox, if mails go there.
    #[must_use]
    pub fn mailbox(&self) -> Option<&super::Mailbox> {
        self.inner.parts.delivery.mailbox()
    }

    /// What mails say.
    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.inner.parts.templates
    }

    /// Whether mails leave.
    #[must_use]
    pub fn health(&self) -> MailHealth {
        if self.inner.is_server_away.load(Ordering::Relaxed) { MailHealth::ServerAway } else { MailHealth::Ok }
    }

    /// Delivers mails until the future is dropped; one on its way is then sent again later.
    pub async fn run(&self) {
        self.inner.parts.db.wait_until_migrated().await;
        tokio::join!(listen::run(&self.inner.parts.db, || self.inner.waker.wake()), self.deliver());
    }

    async fn deliver(&self) {
        let mut on_their_way = FuturesUnordered::new();
        loop {
            if self.health() == MailHealth::ServerAway {
                while on_their_way.next().await.is_some() {}
                self.inner.wait_for_server().await;
            }
            let free = CONNECTIONS - on_their_way.len();
            let wait = match self.inner.claim(free).await {
                // Whoever comes back frees a place; until then the queue need not be looked at.
                _ if free == 0 => POLL,
                Ok(claimed) if claimed.is_empty() => self.inner.until_next_due().await,
                Ok(claimed) => {
                    on_their_way.extend(claimed.into_iter().map(|mail| self.inner.handle(mail)));
                    if on_their_way.len() < CONNECTIONS { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    log::warn!("the mail queue cannot be read, trying again: {error}");
                    DATABASE_AGAIN
                }
            };
            tokio::select! {
                Some(()) = on_their_way.next() => {}
                () = self.inner.waker.0.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

impl Inner {
    async fn claim(&self, limit: usize) -> Result<Vec<Claimed>, DbError> {
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
                wait.map_or(POLL, |wait| wait.clamp(Duration::from_millis(50), POLL))
            }
            Err(_) => DATABASE_AGAIN,
        }
    }

    /// Asks the mail server until it is back, and then makes due what waits for it. Until then no mail is tried.
    async fn wait_for_server(&self) {
        loop {
            tokio::time::sleep(SERVER_AGAIN.mul_f64(rand::random_range(0.8..1.2))).await;
            match self.parts.delivery.probe().await {
                Ok(()) => break,
                Err(error) => log::debug!("the mail server is away: {error}"),
            }
        }
        let now = self.parts.clock.now();
        match self.parts.db.run(async |conn| outbox::set_due_after_outage(conn, now).await).await {
            Ok(waiting) => log::info!("the mail server is back; {waiting} mails waited for it"),
            // They become due by themselves, later.
            Err(error) => log::warn!("the mail server is back, but not the database: {error}"),
        }
        self.is_server_away.store(false, Ordering::Relaxed);
    }

    /// Delivers one letter, prolonging its claim meanwhile.
    async fn handle(&self, mut mail: Claimed) {
        let outcome = {
            let delivering = self.deliver_one(mail.clone());
            tokio::pin!(delivering);
            loop {
                tokio::select! {
                    outcome = &mut delivering => break outcome,
                    () = tokio::time::sleep(PROLONG) => {
                        let until = self.parts.clock.now() + CLAIM;
                        // If it fails, the claim may be lost, and the mail be sent twice: no worse than a crash.
                        let _ = self.parts.db.run(async |conn| outbox::prolong(conn, &mut mail, until).await).await;
                    }
                }
            }
        };
        if let Err(error) = self.settle(&mail, outcome).await {
            // The claim ends by itself, and the mail is tried again.
            log::warn!("mail {}: its outcome could not be written down: {error}", mail.id);
        }
    }

    async fn deliver_one(&self, mail: Claimed) -> Outcome {
        match self.parts.plan(&mail).await {
            Ok(Plan::Send { to, content }) => {
                match self.parts.delivery.send(mail.id, &to, &content, self.parts.clock.now()).await {
                    Ok(reply) => Outcome::Done(reply),
                    Err(error) => Outcome::Failed(error),
                }
            }
            Ok(Plan::Postpone(at)) => Outcome::Postponed(at),
            Ok(Plan::Drop(why)) => Outcome::Done(why.to_owned()),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Writes the outcome down, for the admin and for the next try.
    async fn settle(&self, mail: &Claimed, outcome: Outcome) -> Result<(), DbError> {
        let now = self.parts.clock.now();
        let Claimed { id, kind, attempts, .. } = mail;
        if let Outcome::Failed(DeliveryError::ServerAway(reason)) = &outcome
            && !self.is_server_away.swap(true, Ordering::Relaxed)
        {
            log::warn!("the mail server takes no mails, they wait: {reason}");
        }
        let finished = self.parts.db.transaction(async |conn| {
            if let Outcome::Failed(_) = &outcome {
                limits::release_send(conn, *id).await?;
            }
            match &outcome {
                Outcome::Done(reply) => {
                    log::info!("mail {id} ({kind}): {reply}");
                    outbox::set_sent(conn, mail, now, reply).await
                }
                Outcome::Postponed(at) => {
                    log::info!("mail {id} ({kind}) waits until {at}: its address had many mails");
                    outbox::set_postponed(conn, mail, *at).await
                }
                Outcome::Failed(DeliveryError::ServerAway(reason)) => {
                    outbox::set_delayed(conn, mail, next_try_at(now, *attempts), reason, true).await
                }
                Outcome::Failed(DeliveryError::Temporary(reason))
                    if now - mail.queued_at < RETRY_FOR || *attempts < LEAST_TRIES =>
                {
                    let due_at = next_try_at(now, *attempts);
                    log::warn!("mail {id} ({kind}) is tried again at {due_at}: {reason}");
                    outbox::set_delayed(conn, mail, due_at, reason, false).await
                }
                Outcome::Failed(error) => {
                    log::error!("mail {id} ({kind}) is given up after {attempts} tries: {error}");
                    outbox::set_failed(conn, mail, &error.to_string()).await
                }
            }
        });
        finished.await.map(|_: usize| ())
    }
}

/// Waits double from five seconds to half an hour, give or take a fifth, so that not everything is tried at once.
fn next_try_at(now: DateTime<Utc>, attempts: i32) -> DateTime<Utc> {
    let wait = (FIRST_WAIT * 2f64.powi(attempts.clamp(1, 16) - 1)).min(LONGEST_WAIT) * rand::random_range(0.8..1.2);
    now + chrono::Duration::milliseconds((wait * 1000.0) as i64)
}
