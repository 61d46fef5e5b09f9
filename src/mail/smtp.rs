//! Sends over SMTP on connections that are reused, but never one on which a reply is still outstanding.
//!
//! lettre waits for a reply forever, and keeps the connection of a delivery that was cancelled. A reply that arrives late
//! would then be taken for the reply to the next command, and a refused mail for a sent one. So this module sets deadlines,
//! and after a missed deadline it uses none of the connections again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::cause::with_causes;
use crate::config::Secret;

/// How long one command may take. After that a second connection checks whether the server is there at all.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sending one mail may take while the server is there.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// How many mails are sent at once, each on a connection of its own.
pub(super) const CONNECTIONS: usize = 4;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

type Pool = AsyncSmtpTransport<Tokio1Executor>;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// A reply, or an error of the connection.
    #[error("{}", with_causes(.0))]
    Said(#[from] SmtpError),
    /// No reply in time.
    #[error("timed out: no reply for {} s", .0.as_secs())]
    Silent(Duration),
    /// No reply in time, and none on another connection either.
    #[error("{0}")]
    Away(Box<Refusal>),
}

impl Refusal {
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self, Self::Said(error) if error.is_permanent())
    }
}

/// Clones share the connections.
#[derive(Clone)]
pub(super) struct Smtp {
    new_pool: Arc<dyn Fn() -> Pool + Send + Sync>,
    pool: Arc<Mutex<Pool>>,
}

impl Smtp {
    /// Fails if lettre cannot use the URL.
    pub(super) fn new(url: &Secret) -> Result<Self, SmtpError> {
        let builder = Pool::from_url(url.reveal())?
            .timeout(Some(COMMAND_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS as u32).idle_timeout(IDLE_TIMEOUT));
        let new_pool = Arc::new(move || builder.clone().build());
        Ok(Self { pool: Arc::new(Mutex::new(new_pool())), new_pool })
    }

    /// A slow server gets a minute, as long as it still replies on another connection.
    pub(super) async fn send(&self, message: Message) -> Result<Response, Refusal> {
        let pool = self.pool();
        let sending = async {
            let sending = pool.send(message);
            tokio::pin!(sending);
            if let Ok(result) = tokio::time::timeout(COMMAND_TIMEOUT, &mut sending).await {
                return Ok(result?);
            }
            tokio::select! {
                result = &mut sending => Ok(result?),
                Err(refusal) = self.probe() => Err(Refusal::Away(refusal.into())),
            }
        };
        let sent = tokio::time::timeout(SEND_TIMEOUT, sending).await.unwrap_or(Err(Refusal::Silent(SEND_TIMEOUT)));
        if let Err(Refusal::Silent(_) | Refusal::Away(_)) = sent {
            self.replace_pool();
        }
        sent
    }

    /// Whether the server accepts mail, without sending one.
    pub(super) async fn probe(&self) -> Result<(), Refusal> {
        match tokio::time::timeout(COMMAND_TIMEOUT, self.pool().test_connection()).await {
            // It greeted us. Its reply to NOOP does not matter.
            Ok(result) => Ok(result.map(drop)?),
            Err(_) => {
                self.replace_pool();
                Err(Refusal::Silent(COMMAND_TIMEOUT))
            }
        }
    }

    fn pool(&self) -> Pool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Mails that are being sent keep their connections; all others get new ones.
    fn replace_pool(&self) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = (self.new_pool)();
    }
}
