//! What a promised letter becomes when its time has come: a letter, a delay, or nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::client::Occasion;
use crate::clock::Clock;
use crate::config::LinkConfig;
use crate::db::{Connection, Db, DbError};
use crate::link::{Links, NewLink, Purpose};

use super::addressee::{self, Addressed, Decision, LinkOf};
use super::queue::Claimed;
use super::{Delivery, DeliveryError, Letter, Origin, Templates, Words, limits};

/// How long an address that was left can take the change back: long enough for a holiday.
const UNDO_TTL: Duration = Duration::from_secs(7 * 86_400);

/// What a [`super::Mailer`] is made of.
pub struct MailerParts {
    /// The database of the queue.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The way that letters go.
    pub delivery: Delivery,
    /// What letters say.
    pub templates: Templates,
    /// Mints the links.
    pub links: Links,
    /// Where they lead, and how long they live.
    pub link_config: LinkConfig,
    /// The name that letters call the service by.
    pub service: String,
    /// Whether an address gets only so many letters.
    pub has_limits: bool,
}

/// What is to become of a claimed letter.
pub(super) enum Plan {
    Send { to: String, letter: Letter },
    Postpone(DateTime<Utc>),
    Drop(&'static str),
}

impl MailerParts {
    /// Writes the letter: only now is its link minted.
    pub(super) async fn plan(&self, mail: &Claimed) -> Result<Plan, DeliveryError> {
        let occasion: Occasion = serde_json::from_value(mail.context.clone())
            .map_err(|error| DeliveryError::Permanent(format!("its occasion cannot be read: {error}")))?;
        let database_away = |error: DbError| DeliveryError::Temporary(error.to_string());
        let decided = self.db.run(async |conn| addressee::decide(conn, mail).await).await.map_err(database_away)?;
        let addressed = match decided {
            Decision::Write(addressed) => addressed,
            Decision::Drop(why) => return Ok(Plan::Drop(why)),
            Decision::Fail(why) => return Err(DeliveryError::Permanent(why.to_owned())),
        };
        let letter = self.write(&addressed, &occasion)?;
        if self.has_limits {
            let (now, Addressed { canonical, kind, .. }) = (self.clock.now(), &addressed);
            let depart = async |conn: &mut Connection| limits::depart(conn, mail.id, canonical, *kind, now).await;
            if let Some(at) = self.db.transaction(depart).await.map_err(database_away)? {
                return Ok(Plan::Postpone(at));
            }
        }
        Ok(Plan::Send { to: addressed.to, letter })
    }

    fn write(&self, addressed: &Addressed, occasion: &Occasion) -> Result<Letter, DeliveryError> {
        let mut words = Words::new(&self.service, &addressed.to, occasion);
        words.other_email.clone_from(&addressed.other_email);
        if let Some(Origin { at, client }) = &addressed.origin {
            words = words.with_origin(*at, client.as_ref(), &occasion.language);
        }
        if let Some(link) = &addressed.link {
            let (url, ttl) = self.mint(link, &addressed.canonical)?;
            words = words.with_link(url, ttl, &occasion.language);
        }
        let written = self.templates.write(addressed.kind, &occasion.language, &words);
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
        let token = self.links.mint(new, self.clock.now());
        let token = token.map_err(|error| DeliveryError::Permanent(format!("its link cannot be minted: {error}")))?;
        Ok((template.link(&token), ttl))
    }
}
