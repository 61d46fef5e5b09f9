//! The worker: takes promised letters from the queue, writes them, delivers them.
//!
//! A letter is claimed, sent and then marked, in three steps: a crash between the last two sends it once more, with
//! the same `Message-ID`, when the claim ends. No crash loses one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::db::{Connection, Db, DbError};
use crate::link::{Links, Purpose};
use crate::user::{self, User, UserId};

use super::letter::{self, Words};
use super::queue::{self, Claimed};
use super::{Delivery, DeliveryError, Letter, Occasion};

/// Letters in work at once.
const BATCH: i32 = 4;
/// How long a claim lasts; longer than a delivery can.
const CLAIM: chrono::Duration = chrono::Duration::seconds(90);
/// How often the queue is looked at when nobody wakes the worker: for what other instances left behind.
const POLL: Duration = Duration::from_secs(5);
/// Waits before the next try double from this to [`LONGEST_WAIT`].
const FIRST_WAIT: f64 = 5.0;
/// Half an hour, in seconds.
const LONGEST_WAIT: f64 = 1800.0;
/// How long a letter is tried before it is given up.
const PATIENCE: chrono::Duration = chrono::Duration::hours(48);

/// Whether letters leave, for `/health/ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailHealth {
    /// The last one did, or there was none.
    Ok,
    /// The last one did not.
    Failing,
}

/// What a [`Mailer`] is made of.
pub struct MailerParts {
    /// The database of the queue.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The way that letters go.
    pub delivery: Delivery,
    /// Mints the links.
    pub links: Links,
    /// Where a confirmation link leads.
    pub confirm_url: crate::config::LinkTemplate,
    /// How long it lives.
    pub confirm_ttl: Duration,
    /// The host that people know the service by.
    pub service: String,
}

/// The worker, and the handle to wake it. Clones are one worker.
#[derive(Clone)]
pub struct Mailer {
    inner: Arc<Inner>,
}

struct Inner {
    parts: MailerParts,
    wake: Notify,
    health: Mutex<MailHealth>,
}

/// What becomes of a claimed letter.
enum Outcome {
    Send { to: String, letter: Letter },
    NotNeeded(&'static str),
}

impl Mailer {
    /// A worker that does nothing until [`Mailer::run`].
    #[must_use]
    pub fn new(parts: MailerParts) -> Self {
        Self { inner: Arc::new(Inner { parts, wake: Notify::new(), health: Mutex::new(MailHealth::Ok) }) }
    }

    /// Says that a letter was promised. Called after the commit: before, the worker would not see it.
    pub fn wake(&self) {
        self.inner.wake.notify_one();
    }

    /// The development mailbox, if letters go there.
    #[must_use]
    pub fn mailbox(&self) -> Option<&super::Mailbox> {
        self.inner.parts.delivery.mailbox()
    }

    /// Whether letters leave.
    #[must_use]
    pub fn health(&self) -> MailHealth {
        self.inner.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Delivers letters until the future is dropped; one in work is then sent again later.
    pub async fn run(&self) {
        self.inner.parts.db.wait_until_migrated().await;
        loop {
            let wait = match self.inner.deliver_due().await {
                Ok(wait) => wait,
                Err(error) => {
                    log::warn!("the mail queue cannot be read, trying again: {error}");
                    POLL
                }
            };
            let _ = tokio::time::timeout(wait, self.inner.wake.notified()).await;
        }
    }
}

impl Inner {
    /// Delivers what is due. Gives the time until something may be due again.
    async fn deliver_due(&self) -> Result<Duration, DbError> {
        let db = &self.parts.db;
        loop {
            let now = self.parts.clock.now();
            let claimed = db.run(async |conn| queue::claim(conn, now, now + CLAIM, BATCH).await).await?;
            if claimed.is_empty() {
                break;
            }
            join_all(claimed.iter().map(|mail| self.deliver(mail))).await;
        }
        let next = db.run(queue::next_due_at).await?;
        let until_next = next.and_then(|at| (at - self.parts.clock.now()).to_std().ok());
        Ok(until_next.map_or(POLL, |wait| wait.clamp(Duration::from_millis(50), POLL)))
    }

    async fn deliver(&self, mail: &Claimed) {
        let result = match self.write(mail).await {
            Ok(Outcome::Send { to, letter }) => {
                self.parts.delivery.send(mail.id, &to, &letter, self.parts.clock.now()).await
            }
            Ok(Outcome::NotNeeded(why)) => Ok(why.to_owned()),
            Err(error) => Err(error),
        };
        self.note_health(&result);
        if let Err(error) = self.settle(mail, result).await {
            // The claim ends by itself, and the letter is tried again.
            log::warn!("mail {}: its outcome could not be written down: {error}", mail.id);
        }
    }

    /// Writes the letter: only now is its link minted, and only now is it known whether the address has an owner.
    async fn write(&self, mail: &Claimed) -> Result<Outcome, DeliveryError> {
        let occasion: Occasion = serde_json::from_value(mail.context.clone())
            .map_err(|error| DeliveryError::Permanent(format!("its occasion cannot be read: {error}")))?;
        let user_id = UserId(mail.user_id);
        let found = self.parts.db.run(async |conn| recipient(conn, user_id).await).await;
        let found = found.map_err(|error| DeliveryError::Temporary(error.to_string()))?;
        let Some((user, is_taken)) = found else {
            return Ok(Outcome::NotNeeded("not sent: the account is gone"));
        };
        if user.is_confirmed() {
            return Ok(Outcome::NotNeeded("not sent: the account is confirmed already"));
        }
        let mut words = Words::new(&self.parts.service, &user.email, &occasion);
        let letter = if is_taken {
            letter::already_registered(&words)
        } else {
            words.link = self.confirm_link(&user)?;
            words.lifetime = letter::lifetime(self.parts.confirm_ttl);
            letter::confirm_email(&words)
        };
        let letter = letter.map_err(|error| DeliveryError::Permanent(format!("it cannot be written: {error}")))?;
        Ok(Outcome::Send { to: user.email, letter })
    }

    fn confirm_link(&self, user: &User) -> Result<String, DeliveryError> {
        let MailerParts { links, confirm_ttl, confirm_url, clock, .. } = &self.parts;
        let token = links
            .mint(Purpose::ConfirmEmail, user.id(), &user.email_canonical, clock.now(), *confirm_ttl)
            .map_err(|error| DeliveryError::Permanent(format!("its link cannot be minted: {error}")))?;
        Ok(confirm_url.link(&token))
    }

    async fn settle(&self, mail: &Claimed, result: Result<String, DeliveryError>) -> Result<(), DbError> {
        let now = self.parts.clock.now();
        let Claimed { id, letter, attempts, .. } = mail;
        self.parts
            .db
            .run(async |conn| match &result {
                Ok(reply) => {
                    log::info!("mail {id} ({letter}): {reply}");
                    queue::set_sent(conn, mail, now, reply).await
                }
                Err(DeliveryError::Temporary(reason)) if now - mail.queued_at < PATIENCE => {
                    let due_at = next_try_at(now, *attempts);
                    log::warn!("mail {id} ({letter}) is tried again at {due_at}: {reason}");
                    queue::set_delayed(conn, mail, due_at, reason).await
                }
                Err(error) => {
                    log::error!("mail {id} ({letter}) is given up after {attempts} tries: {error}");
                    queue::set_parked(conn, mail, &error.to_string()).await
                }
            })
            .await?;
        Ok(())
    }

    fn note_health(&self, result: &Result<String, DeliveryError>) {
        let health = match result {
            Ok(_) => MailHealth::Ok,
            Err(DeliveryError::Temporary(_)) => MailHealth::Failing,
            // A fault of that letter, not of the way.
            Err(DeliveryError::Permanent(_)) => return,
        };
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

/// The account, and whether its address belongs to somebody.
async fn recipient(conn: &mut Connection, id: UserId) -> QueryResult<Option<(User, bool)>> {
    let Some(user) = user::queries::find(conn, id).await? else {
        return Ok(None);
    };
    let is_taken = user::queries::is_address_taken(conn, &user.email_canonical).await?;
    Ok(Some((user, is_taken)))
}

/// Waits double from five seconds to half an hour, give or take a fifth, so that a server which comes back is not met
/// by everything at once.
fn next_try_at(now: DateTime<Utc>, attempts: i32) -> DateTime<Utc> {
    let wait = (FIRST_WAIT * 2f64.powi(attempts.clamp(1, 16) - 1)).min(LONGEST_WAIT) * rand::random_range(0.8..1.2);
    now + chrono::Duration::milliseconds((wait * 1000.0) as i64)
}
