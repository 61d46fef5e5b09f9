//! Delivery of one letter: to an SMTP server, or into the development mailbox.

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::Mailbox as Address;
use lettre::transport::smtp::Error as SmtpError;
use uuid::Uuid;

use crate::config::{Config, MailTransport};

use super::mailbox::{Mail, Mailbox, links};
use super::smtp::{Refusal, Smtp};
use super::{MailContent, message};

/// The longest text of a server that is kept, in characters.
const TEXT_LIMIT: usize = 500;

/// A mail was not delivered. The texts hold no control characters.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The server cannot be reached or takes no mails at all, this one or another.
    #[error("{0}")]
    ServerAway(String),
    /// This mail did not leave; trying again may help.
    #[error("{0}")]
    Temporary(String),
    /// This mail does not leave; trying again does not help.
    #[error("{0}")]
    Permanent(String),
}

/// Delivers mails.
#[derive(Clone)]
pub struct Delivery {
    from: Address,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Smtp(Smtp),
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
            MailTransport::Smtp(url) => Way::Smtp(Smtp::new(url)?),
        };
        Ok(Self { from: config.mail_from.clone(), way })
    }

    /// The development mailbox, if mails go there.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match &self.way {
            Way::Mailbox(mailbox) => Some(mailbox),
            Way::Smtp(_) => None,
        }
    }

    /// Delivers a mail and gives the server's reply. `id` makes the `Message-ID`: one that is sent again has the same.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn send(
        &self,
        id: Uuid,
        to: &str,
        mail: &MailContent,
        at: DateTime<Utc>,
    ) -> Result<String, DeliveryError> {
        let message = message::build(&self.from, id, to, mail, at).map_err(DeliveryError::Permanent)?;
        match &self.way {
            Way::Mailbox(mailbox) => put(mailbox, id, to, mail, at, &message).await,
            Way::Smtp(smtp) => match smtp.send(message).await {
                Ok(response) => {
                    let text: Vec<&str> = response.message().collect();
                    Ok(clean(&format!("{} {}", response.code(), text.join(" "))))
                }
                Err(refusal) => Err(judge(smtp, &refusal).await),
            },
        }
    }

    /// Whether the server takes mails, without sending one; if not, why.
    ///
    /// # Errors
    /// What the server, or the way to it, says.
    pub async fn probe(&self) -> Result<(), String> {
        match &self.way {
            Way::Mailbox(_) => Ok(()),
            Way::Smtp(smtp) => smtp.probe().await.map_err(|refusal| clean(&refusal.to_string())),
        }
    }
}

/// What a refusal means. The reply alone does not tell whether it was about the mail: a greeting, a refused password
/// and a refused recipient can all be 5xx. But a server that still takes commands is there.
async fn judge(smtp: &Smtp, refusal: &Refusal) -> DeliveryError {
    if let Refusal::Away(_) = refusal {
        return DeliveryError::ServerAway(clean(&refusal.to_string()));
    }
    match smtp.probe().await {
        Err(reason) => DeliveryError::ServerAway(clean(&reason.to_string())),
        Ok(()) if refusal.is_permanent() => DeliveryError::Permanent(clean(&refusal.to_string())),
        Ok(()) => DeliveryError::Temporary(clean(&refusal.to_string())),
    }
}

/// What a server says, or an error that quotes it, as the database can hold it and a terminal show it. A NUL would fail
/// the statement that writes down that the mail left, and it would leave again and again.
fn clean(text: &str) -> String {
    text.chars().take(TEXT_LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn put(
    mailbox: &Mailbox,
    id: Uuid,
    to: &str,
    mail: &MailContent,
    at: DateTime<Utc>,
    message: &Message,
) -> Result<String, DeliveryError> {
    let mail = Mail {
        id,
        to: to.to_owned(),
        subject: mail.subject.clone(),
        sent_at: at,
        text: mail.text.clone(),
        html: mail.html.clone(),
        links: links(&mail.text),
    };
    let put = mailbox.put(mail, message.formatted()).await;
    put.map_err(|error| DeliveryError::Temporary(format!("the mailbox cannot be written to: {error}")))?;
    Ok(format!("put into the development mailbox as /dev/mailbox/{id}"))
}
