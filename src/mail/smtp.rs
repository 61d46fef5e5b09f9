//! The way to an SMTP server: connections that are used again, and never one that still owes a reply.
//!
//! lettre waits for a reply for ever, and keeps the connection of a delivery that was given up on the way: a reply that
//! comes late would pass for that to the next command, and a mail that was refused for one that left. So there are
//! deadlines here, and whoever meets one throws all connections away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::cause::with_causes;
use crate::config::Secret;

/// How long the server may take for one command; after that it is asked whether it is there at all.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the delivery of one letter may take with a server that is there.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Mails on their way at once, and so connections to the server.
pub(super) const CONNECTIONS: usize = 4;
/// How long a connection is kept for the next mail.
const IDLE: Duration = Duration::from_secs(30);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The server, or the way to it, says so.
    #[error("{}", with_causes(.0))]
    Said(#[from] SmtpError),
    /// The server says nothing in time.
    #[error("timed out: the server said nothing for {} s", .0.as_secs())]
    Silent(Duration),
    /// The server says nothing in time, and nothing to others either.
    #[error("{0}")]
    Away(Box<Refusal>),
}

impl Refusal {
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self, Self::Said(error) if error.is_permanent())
    }
}

/// The way. Clones share their connections.
#[derive(Clone)]
pub(super) struct Smtp {
    fresh: Arc<dyn Fn() -> Transport + Send + Sync>,
    current: Arc<Mutex<Transport>>,
}

impl Smtp {
    /// The way to `url`.
    ///
    /// # Errors
    /// A URL that lettre cannot use.
    pub(super) fn new(url: &Secret) -> Result<Self, SmtpError> {
        let builder = Transport::from_url(url.reveal())?
            .timeout(Some(COMMAND_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS as u32).idle_timeout(IDLE));
        let fresh = Arc::new(move || builder.clone().build());
        Ok(Self { current: Arc::new(Mutex::new(fresh())), fresh })
    }

    /// Sends a message. A server that is slow has a minute, as long as it still answers others.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(super) async fn send(&self, message: Message) -> Result<Response, Refusal> {
        let transport = self.transport();
        let sending = async {
            let sending = transport.send(message);
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
            self.give_up();
        }
        sent
    }

    /// Whether the server takes mails, without sending one.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(super) async fn probe(&self) -> Result<(), Refusal> {
        match tokio::time::timeout(COMMAND_TIMEOUT, self.transport().test_connection()).await {
            // It greeted; whether it likes NOOP does not matter.
            Ok(result) => Ok(result.map(drop)?),
            Err(_) => {
                self.give_up();
                Err(Refusal::Silent(COMMAND_TIMEOUT))
            }
        }
    }

    fn transport(&self) -> Transport {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves all connections to those who still use them.
    fn give_up(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = (self.fresh)();
    }
}
