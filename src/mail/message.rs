//! From a mail to a message with headers (RFC 5322).

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart, SinglePart};
use uuid::Uuid;

use crate::user;

use super::MailContent;

/// Builds the message. Nothing in it comes from the person but the address, which was parsed, and the text of the parts.
pub(super) fn build(
    from: &Address,
    id: Uuid,
    to: &str,
    mail: &MailContent,
    at: DateTime<Utc>,
) -> Result<Message, String> {
    let address = user::deliverable(to).and_then(|address| address.parse().ok());
    let address = address.ok_or("the address cannot be mailed")?;
    let from = in_ascii(from);
    let part = |content_type: ContentType, body: &str| SinglePart::builder().header(content_type).body(body.to_owned());
    Message::builder()
        .from(from.clone())
        .to(Address::new(None, address))
        .subject(mail.subject.clone())
        .date(at.into())
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        // RFC 3834: nobody's holiday reply is wanted.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
                .singlepart(part(ContentType::TEXT_HTML, &mail.html)),
        )
        .map_err(|error| format!("the mail cannot be built: {error}"))
}

/// The sender with its domain as DNS and headers spell it: a header in UTF-8 is not for every server (RFC 6532).
fn in_ascii(from: &Address) -> Address {
    let domain = idna::domain_to_ascii(from.email.domain()).ok();
    let email = domain.and_then(|domain| lettre::Address::new(from.email.user(), domain).ok());
    Address::new(from.name.clone(), email.unwrap_or_else(|| from.email.clone()))
}
