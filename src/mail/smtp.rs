//! Sends over SMTP on connections that are reused, but never one on which a reply is still outstanding.
//!
//! lettre waits for a reply forever. So this module sets deadlines, and a connection belongs to the delivery that uses it:
//! one that fails or is cancelled drops it. If it were used again, a reply that arrives late would be taken for the reply to
//! the next command, and a refused mail for a sent one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use lettre::{Address, Message};

use super::refusal::{Refusal, Stage};
use super::smtp_server::SmtpServer;

/// How long one command may take. After that a second connection checks whether the server is there at all.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sending one mail may take while the server is there.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// How many mails are sent at once, each on a connection of its own.
pub const CONNECTIONS: usize = 4;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Clones share the connections.
#[derive(Clone)]
pub(super) struct Smtp {
    server: Arc<SmtpServer>,
    sender: Address,
    idle: Arc<Mutex<Vec<(AsyncSmtpConnection, Instant)>>>,
}

impl Smtp {
    pub(super) fn new(server: SmtpServer, sender: Address) -> Self {
        Self { server: Arc::new(server), sender, idle: Arc::default() }
    }

    /// A slow server gets a minute, as long as it still replies on another connection.
    pub(super) async fn send(&self, message: &Message) -> Result<Response, Refusal> {
        let sending = async {
            let sending = self.converse(message);
            tokio::pin!(sending);
            if let Ok(result) = tokio::time::timeout(COMMAND_TIMEOUT, &mut sending).await {
                return result;
            }
            tokio::select! {
                result = &mut sending => result,
                Err(refusal) = self.probe() => Err(Refusal::Away(refusal.into())),
            }
        };
        tokio::time::timeout(SEND_TIMEOUT, sending).await.unwrap_or(Err(Refusal::Silent(SEND_TIMEOUT)))
    }

    /// Whether the server takes mails from us, without sending one: `MAIL FROM` on a new connection.
    pub(super) async fn probe(&self) -> Result<(), Refusal> {
        let probing = async {
            let mut connection = self.server.connect().await.map_err(|error| Refusal::Said(Stage::Sender, error))?;
            mail_from(&mut connection, &self.sender, is_ascii(&self.sender)).await?;
            // The server took the sender. Its reply to the rest does not matter.
            if connection.command(Rset).await.is_ok() {
                self.keep(connection);
            }
            Ok(())
        };
        let probed = tokio::time::timeout(COMMAND_TIMEOUT, probing).await;
        let probed = probed.unwrap_or(Err(Refusal::Silent(COMMAND_TIMEOUT)));
        if probed.is_err() {
            self.idle().clear();
        }
        probed
    }

    async fn converse(&self, message: &Message) -> Result<Response, Refusal> {
        let mut connection = self.begin(message.envelope()).await?;
        let sent = recipients_and_content(&mut connection, message).await;
        match &sent {
            Ok(_) => self.keep(connection),
            // `QUIT`, where the connection still works.
            Err(_) => connection.abort().await,
        }
        sent
    }

    /// A connection on which the server took the sender. An unused one may have been closed meanwhile, or be refused any
    /// further mail; what a new one says counts.
    async fn begin(&self, envelope: &Envelope) -> Result<AsyncSmtpConnection, Refusal> {
        let is_ascii = is_ascii(&self.sender) && envelope.to().iter().all(is_ascii);
        if let Some(mut connection) = self.take_idle() {
            let begun = mail_from(&mut connection, &self.sender, is_ascii);
            if let Ok(Ok(())) = tokio::time::timeout(COMMAND_TIMEOUT, begun).await {
                return Ok(connection);
            }
        }
        let mut connection = self.server.connect().await.map_err(|error| Refusal::Said(Stage::Sender, error))?;
        mail_from(&mut connection, &self.sender, is_ascii).await?;
        Ok(connection)
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < IDLE_TIMEOUT);
        idle.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        if idle.len() < CONNECTIONS {
            idle.push((connection, Instant::now()));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// Says who sends and, if an address of the mail is not ASCII, that it is not (RFC 6531).
async fn mail_from(connection: &mut AsyncSmtpConnection, sender: &Address, is_ascii: bool) -> Result<(), Refusal> {
    if is_ascii {
        let said = connection.command(Mail::new(Some(sender.clone()), Vec::new())).await;
        return said.map(drop).map_err(|error| Refusal::Said(Stage::Sender, error));
    }
    if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        let reason = "the mail server takes no address with non-ASCII characters before the @ (SMTPUTF8)";
        return Err(Refusal::NotAscii(reason.to_owned()));
    }
    let parameters = vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)];
    match connection.command(Mail::new(Some(sender.clone()), parameters)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_permanent() => Err(Refusal::NotAscii(error.to_string())),
        Err(error) => Err(Refusal::Said(Stage::Sender, error)),
    }
}

async fn recipients_and_content(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<Response, Refusal> {
    for recipient in message.envelope().to() {
        let said = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        said.map_err(|error| Refusal::Said(Stage::Recipient, error))?;
    }
    let content = |error| Refusal::Said(Stage::Content, error);
    connection.command(Data).await.map_err(content)?;
    connection.message(&message.formatted()).await.map_err(content)
}
