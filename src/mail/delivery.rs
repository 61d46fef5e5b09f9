//! Delivers one mail, to an SMTP server or into the development mailbox.

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart, SinglePart};
use lettre::transport::smtp::response::Response;
use uuid::Uuid;

use crate::config::{Config, MailTransport};
use crate::user;

use super::MailContent;
use super::mailbox::{Mail, Mailbox, links};
use super::refusal::{Concern, Refusal};
use super::smtp::Smtp;
use super::smtp_server::{SmtpServer, SmtpUrlError};

/// How many characters of a server's reply are kept.
const REPLY_LIMIT: usize = 500;

/// Why a mail was not delivered. The texts have no control characters.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The server cannot be reached, or takes no mail from us at all.
    #[error("{0}")]
    ServerAway(String),
    /// The server takes our address, but then refuses the mail for a reason of its own or of ours, such as a spent quota.
    /// Other mails may meet the same refusal, and another attempt may help.
    #[error("{0}")]
    Refused(String),
    /// Another attempt at this mail may help.
    #[error("{0}")]
    Temporary(String),
    /// Another attempt at this mail does not help.
    #[error("{0}")]
    Permanent(String),
}

#[derive(Clone)]
pub struct Delivery {
    from: Address,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Smtp(Smtp),
    Mailbox(Mailbox),
}

impl Delivery {
    /// Fails if the SMTP URL cannot be used.
    pub fn new(config: &Config) -> Result<Self, SmtpUrlError> {
        let from = in_ascii(&config.mail_from);
        let transport = match &config.mail_transport {
            MailTransport::Mailbox(folder) => Transport::Mailbox(Mailbox::new(folder.clone())),
            MailTransport::Smtp(url) => Transport::Smtp(Smtp::new(SmtpServer::new(url)?, from.email.clone())),
        };
        Ok(Self { from, transport })
    }

    /// The development mailbox, if mails go there.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match &self.transport {
            Transport::Mailbox(mailbox) => Some(mailbox),
            Transport::Smtp(_) => None,
        }
    }

    /// Returns the server's reply. Further attempts with the same `id` have the same `Message-ID`.
    pub async fn send(
        &self,
        id: Uuid,
        to: &str,
        mail: &MailContent,
        at: DateTime<Utc>,
    ) -> Result<String, DeliveryError> {
        let message = message(&self.from, id, to, mail, at).map_err(DeliveryError::Permanent)?;
        match &self.transport {
            Transport::Mailbox(mailbox) => put(mailbox, id, to, mail, at, &message).await,
            Transport::Smtp(smtp) => match smtp.send(&message).await {
                Ok(reply) => Ok(text_of(&reply)),
                Err(refusal) => Err(classify(smtp, &refusal).await),
            },
        }
    }

    /// Whether the server takes mails from us, without sending one; if not, why.
    pub async fn probe(&self) -> Result<(), String> {
        match &self.transport {
            Transport::Mailbox(_) => Ok(()),
            Transport::Smtp(smtp) => smtp.probe().await.map_err(|refusal| clean(&refusal.to_string())),
        }
    }
}

/// Builds the message (RFC 5322). Nothing in it comes from a client, except the address, which was parsed, and what the
/// parts quote.
fn message(from: &Address, id: Uuid, to: &str, mail: &MailContent, at: DateTime<Utc>) -> Result<Message, String> {
    let address = user::deliverable(to).and_then(|address| address.parse().ok());
    let address = address.ok_or("the address cannot be mailed")?;
    let part = |content_type: ContentType, body: &str| SinglePart::builder().header(content_type).body(body.to_owned());
    Message::builder()
        .from(from.clone())
        .to(Address::new(None, address))
        .subject(mail.subject.clone())
        .date(at.into())
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        // Prevents automatic replies (RFC 3834).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
                .singlepart(part(ContentType::TEXT_HTML, &mail.html)),
        )
        .map_err(|error| format!("the message cannot be built: {error}"))
}

/// With the ASCII form of the domain: not every server accepts UTF-8 in headers (RFC 6532).
fn in_ascii(from: &Address) -> Address {
    let domain = idna::domain_to_ascii(from.email.domain()).ok();
    let email = domain.and_then(|domain| lettre::Address::new(from.email.user(), domain).ok());
    Address::new(from.name.clone(), email.unwrap_or_else(|| from.email.clone()))
}

fn text_of(reply: &Response) -> String {
    let lines: Vec<&str> = reply.message().collect();
    clean(&format!("{} {}", reply.code(), lines.join(" ")))
}

/// Decides what a refusal means for the mail. Before a recipient is named, the reply alone does not tell: a connection
/// that was open for long is refused too. But where a new connection gets no further either, the server is away.
async fn classify(smtp: &Smtp, refusal: &Refusal) -> DeliveryError {
    let reason = clean(&refusal.to_string());
    match refusal.concern() {
        Concern::Recipient { is_permanent: true } => return DeliveryError::Permanent(reason),
        Concern::Recipient { is_permanent: false } => return DeliveryError::Temporary(reason),
        Concern::Us => return DeliveryError::Refused(reason),
        Concern::Address | Concern::Unknown => {}
    }
    if let Refusal::Away(_) = refusal {
        return DeliveryError::ServerAway(reason);
    }
    match smtp.probe().await {
        Err(away) => DeliveryError::ServerAway(clean(&away.to_string())),
        Ok(()) if refusal.concern() == Concern::Address => DeliveryError::Permanent(reason),
        Ok(()) => DeliveryError::Temporary(reason),
    }
}

/// What the database can store and a terminal can show. A NUL would fail the statement that marks the mail as sent, and
/// the mail would be sent again and again.
fn clean(text: &str) -> String {
    text.chars().take(REPLY_LIMIT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

async fn put(
    mailbox: &Mailbox,
    id: Uuid,
    to: &str,
    mail: &MailContent,
    at: DateTime<Utc>,
    message: &Message,
) -> Result<String, DeliveryError> {
    let MailContent { subject, text, html, code } = mail.clone();
    let mail = Mail { id, to: to.to_owned(), subject, sent_at: at, links: links(&text), text, html, code };
    let put = mailbox.put(mail, message.formatted()).await;
    put.map_err(|error| DeliveryError::Temporary(format!("the mailbox cannot be written to: {error}")))?;
    Ok(format!("put into the development mailbox as /dev/mailbox/{id}"))
}
