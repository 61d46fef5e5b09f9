//! Delivery of one letter: to an SMTP server, or into the development mailbox.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::message::Mailbox as Address;
use lettre::transport::smtp::{Error as SmtpError, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use uuid::Uuid;

use crate::config::{Config, MailTransport};

use super::mailbox::{Mail, Mailbox, links};
use super::{Letter, message};

/// How long the server may take for one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole delivery may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Letters on their way at once, and so connections to the server.
pub(super) const CONNECTIONS: usize = 4;
/// How long a connection is kept for the next letter.
const IDLE: Duration = Duration::from_secs(30);

/// A letter was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The server cannot be reached or takes no letters at all, this one or another.
    #[error("{0}")]
    ServerAway(String),
    /// This letter did not leave; trying again may help.
    #[error("{0}")]
    Temporary(String),
    /// This letter does not leave; trying again does not help.
    #[error("{0}")]
    Permanent(String),
}

/// Delivers letters.
#[derive(Clone)]
pub struct Delivery {
    from: Address,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Mailbox(Mailbox),
}

impl Delivery {
    /// The way that the configuration asks for.
    ///
    /// # Errors
    /// An SMTP URL that lettre cannot use.
    pub fn new(config: &Config) -> Result<Self, SmtpError> {
        let way = match &config.mail_transport {
            MailTransport::Mailbox(folder) => Way::Mailbox(Mailbox::new(folder.clone())),
            MailTransport::Smtp(url) => Way::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal())?
                    .timeout(Some(COMMAND_TIMEOUT))
                    .pool_config(PoolConfig::new().max_size(CONNECTIONS as u32).idle_timeout(IDLE))
                    .build(),
            ),
        };
        Ok(Self { from: config.mail_from.clone(), way })
    }

    /// The development mailbox, if letters go there.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match &self.way {
            Way::Mailbox(mailbox) => Some(mailbox),
            Way::Smtp(_) => None,
        }
    }

    /// Delivers a letter and gives the server's reply. `id` makes the `Message-ID`: one that is sent again has the same.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn send(&self, id: Uuid, to: &str, letter: &Letter, at: DateTime<Utc>) -> Result<String, DeliveryError> {
        let message = message::build(&self.from, id, to, letter, at).map_err(DeliveryError::Permanent)?;
        match &self.way {
            Way::Mailbox(mailbox) => put(mailbox, id, to, letter, at, &message).await,
            Way::Smtp(transport) => match tokio::time::timeout(SEND_TIMEOUT, transport.send(message)).await {
                Ok(Ok(response)) => {
                    let text: Vec<&str> = response.message().collect();
                    Ok(format!("{} {}", response.code(), text.join(" ")))
                }
                Ok(Err(error)) => Err(self.judge(&error).await),
                Err(_) => Err(DeliveryError::Temporary("the server took longer than 60 s".into())),
            },
        }
    }

    /// Whether the server takes letters, without sending one.
    ///
    /// # Errors
    /// What the server, or the way to it, says.
    pub async fn probe(&self) -> Result<(), SmtpError> {
        match &self.way {
            Way::Mailbox(_) => Ok(()),
            Way::Smtp(transport) => transport.test_connection().await.map(drop),
        }
    }

    /// What a failure means. The reply alone does not tell whether it was about the letter: a greeting, a refused
    /// password and a refused recipient can all be 5xx. But a server that still takes commands is there.
    async fn judge(&self, error: &SmtpError) -> DeliveryError {
        let reason = with_causes(error);
        if let Err(error) = self.probe().await {
            return DeliveryError::ServerAway(with_causes(&error));
        }
        if error.is_permanent() { DeliveryError::Permanent(reason) } else { DeliveryError::Temporary(reason) }
    }
}

async fn put(
    mailbox: &Mailbox,
    id: Uuid,
    to: &str,
    letter: &Letter,
    at: DateTime<Utc>,
    message: &Message,
) -> Result<String, DeliveryError> {
    let mail = Mail {
        id,
        to: to.to_owned(),
        subject: letter.subject.clone(),
        sent_at: at,
        text: letter.text.clone(),
        html: letter.html.clone(),
        links: links(&letter.text),
    };
    let put = mailbox.put(mail, message.formatted()).await;
    put.map_err(|error| DeliveryError::Temporary(format!("the mailbox cannot be written to: {error}")))?;
    Ok(format!("put into the development mailbox as /dev/mailbox/{id}"))
}

/// An error with its causes, in one line.
pub(super) fn with_causes(error: &SmtpError) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
