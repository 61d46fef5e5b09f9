//! What a promised mail becomes when its time has come: a mail, a delay, or nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::config::LinkConfig;
use crate::db::{Connection, Db, DbError};
use crate::link::{Links, NewLink, Purpose};
use crate::request::RequestContext;

use super::outbox::Claimed;
use super::recipient::{self, Decision, LinkOf, Recipient};
use super::{Delivery, DeliveryError, MailContent, MailOrigin, TemplateVariables, Templates, limits};

/// How long an address that was left can take the change back: long enough for a holiday.
const UNDO_TTL: Duration = Duration::from_secs(7 * 86_400);

/// What a [`super::Mailer`] is made of.
pub struct MailerParts {
    /// The database of the queue.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The way that mails go.
    pub delivery: Delivery,
    /// What mails say.
    pub templates: Templates,
    /// Mints the links.
    pub links: Links,
    /// Where they lead, and how long they live.
    pub link_config: LinkConfig,
    /// The name that mails call the service by.
    pub service: String,
    /// Whether an address gets only so many mails.
    pub has_limits: bool,
}

/// What is to become of a claimed mail.
pub(super) enum Plan {
    Send { to: String, content: MailContent },
    Postpone(DateTime<Utc>),
    Drop(&'static str),
}

impl MailerParts {
    /// Writes the mail: only now is its link minted.
    pub(super) async fn plan(&self, mail: &Claimed) -> Result<Plan, DeliveryError> {
        let request: RequestContext = serde_json::from_value(mail.request_context.clone())
            .map_err(|error| DeliveryError::Permanent(format!("its request cannot be read: {error}")))?;
        let database_away = |error: DbError| DeliveryError::Temporary(error.to_string());
        let decided = self.db.run(async |conn| recipient::decide(conn, mail).await).await.map_err(database_away)?;
        let recipient = match decided {
            Decision::Write(recipient) => recipient,
            Decision::Drop(why) => return Ok(Plan::Drop(why)),
            Decision::Fail(why) => return Err(DeliveryError::Permanent(why.to_owned())),
        };
        let content = self.write(&recipient, &request)?;
        if self.has_limits {
            let (now, Recipient { canonical, kind, .. }) = (self.clock.now(), &recipient);
            let reserve =
                async |conn: &mut Connection| limits::reserve_send(conn, mail.id, canonical, *kind, now).await;
            if let Some(at) = self.db.transaction(reserve).await.map_err(database_away)? {
                return Ok(Plan::Postpone(at));
            }
        }
        Ok(Plan::Send { to: recipient.to, content })
    }

    fn write(&self, recipient: &Recipient, request: &RequestContext) -> Result<MailContent, DeliveryError> {
        let mut variables = TemplateVariables::new(&self.service, &recipient.to, request);
        variables.other_email.clone_from(&recipient.other_email);
        if let Some(MailOrigin { at, client }) = &recipient.origin {
            variables = variables.with_origin(*at, client.as_ref(), &request.language);
        }
        if let Some(link) = &recipient.link {
            let (url, ttl) = self.mint(link, &recipient.canonical)?;
            variables = variables.with_link(url, ttl, &request.language);
        }
        let written = self.templates.write(recipient.kind, &request.language, &variables);
        written.map_err(|error| DeliveryError::Permanent(format!("it cannot be written: {error}")))
    }

    /// The link, and how long it lives.
    fn mint(&self, link: &LinkOf, email_canonical: &str) -> Result<(String, Duration), DeliveryError> {
        let config = &self.link_config;
        let (template, ttl) = match link.purpose {
            Purpose::ConfirmEmail => (&config.confirm_url, config.confirm_ttl),
            Purpose::ChangeEmail => (&config.confirm_url, config.email_change_ttl),
            Purpose::UndoEmailChange => (&config.own_confirm_url, UNDO_TTL),
            Purpose::ResetPassword => (&config.reset_url, config.reset_ttl),
        };
        let LinkOf { purpose, user_id, reference } = link;
        let new = NewLink { purpose: *purpose, user_id: *user_id, email_canonical, reference: reference.clone(), ttl };
        let token = self.links.sign(new, self.clock.now());
        let token = token.map_err(|error| DeliveryError::Permanent(format!("its link cannot be minted: {error}")))?;
        Ok((template.link(&token), ttl))
    }
}
