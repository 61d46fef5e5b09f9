//! Delivery of one letter: to an SMTP server, or into the development mailbox.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, Message, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use uuid::Uuid;

use crate::config::{Config, MailTransport};
use crate::user;

use super::Letter;
use super::mailbox::{Mail, Mailbox, links};

/// How long the server may take for one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole delivery may take. Shorter than a claim lasts, so that nobody else sends the letter meanwhile.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections to the server at most.
const CONNECTIONS: u32 = 4;

/// A letter was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Trying again may help.
    #[error("{0}")]
    Temporary(String),
    /// Trying again does not help.
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
    pub fn new(config: &Config) -> Result<Self, lettre::transport::smtp::Error> {
        let way = match &config.mail_transport {
            MailTransport::Mailbox(folder) => Way::Mailbox(Mailbox::new(folder.clone())),
            MailTransport::Smtp(url) => Way::Smtp(
                AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal())?
                    .timeout(Some(COMMAND_TIMEOUT))
                    .pool_config(PoolConfig::new().max_size(CONNECTIONS))
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
        match &self.way {
            Way::Mailbox(mailbox) => {
                let mail = Mail {
                    id,
                    to: to.to_owned(),
                    subject: letter.subject.clone(),
                    sent_at: at,
                    text: letter.text.clone(),
                    html: letter.html.clone(),
                    links: links(&letter.text),
                };
                let put = mailbox.put(mail).await;
                put.map_err(|error| DeliveryError::Temporary(format!("the mailbox cannot be written to: {error}")))?;
                Ok(format!("put into the development mailbox as /dev/mailbox/{id}"))
            }
            Way::Smtp(transport) => {
                let message = self.message(id, to, letter, at)?;
                match tokio::time::timeout(SEND_TIMEOUT, transport.send(message)).await {
                    Ok(Ok(response)) => Ok(reply(&response)),
                    Ok(Err(error)) => Err(refused(&error)),
                    Err(_) => Err(DeliveryError::Temporary("the server took longer than 60 s".into())),
                }
            }
        }
    }

    fn message(&self, id: Uuid, to: &str, letter: &Letter, at: DateTime<Utc>) -> Result<Message, DeliveryError> {
        let address = user::deliverable(to).and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| DeliveryError::Permanent("the address cannot be mailed".into()))?;
        let part =
            |content_type: ContentType, body: &str| SinglePart::builder().header(content_type).body(body.to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(Address::new(None, address))
            .subject(letter.subject.clone())
            .date(at.into())
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834: nobody's holiday reply is wanted.
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, &letter.text))
                    .singlepart(part(ContentType::TEXT_HTML, &letter.html)),
            )
            .map_err(|error| DeliveryError::Permanent(format!("the letter cannot be built: {error}")))
    }
}

fn reply(response: &lettre::transport::smtp::response::Response) -> String {
    let text: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), text.join(" "))
}

fn refused(error: &lettre::transport::smtp::Error) -> DeliveryError {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if error.is_permanent() { DeliveryError::Permanent(text) } else { DeliveryError::Temporary(text) }
}
