//! What a promised letter becomes when its time has come: a letter, a delay, or nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;

use crate::clock::Clock;
use crate::config::LinkTemplate;
use crate::db::{Connection, Db, DbError};
use crate::link::{Links, Purpose};
use crate::user::{self, User, UserId};

use super::queue::Claimed;
use super::{Delivery, DeliveryError, Letter, LetterKind, Occasion, Templates, Words, limits};

/// What a [`Mailer`] is made of.
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
    /// Where a confirmation link leads.
    pub confirm_url: LinkTemplate,
    /// How long it lives.
    pub confirm_ttl: Duration,
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
    /// Writes the letter: only now is its link minted, and only now is it known whether the address has an owner.
    pub(super) async fn plan(&self, mail: &Claimed) -> Result<Plan, DeliveryError> {
        let occasion: Occasion = serde_json::from_value(mail.context.clone())
            .map_err(|error| DeliveryError::Permanent(format!("its occasion cannot be read: {error}")))?;
        let database_away = |error: DbError| DeliveryError::Temporary(error.to_string());
        let user_id = UserId(mail.user_id);
        let found = self.db.run(async |conn| recipient(conn, user_id).await).await.map_err(database_away)?;
        let Some((user, is_taken)) = found else {
            return Ok(Plan::Drop("not sent: the account is gone"));
        };
        if user.is_confirmed() {
            return Ok(Plan::Drop("not sent: the account is confirmed already"));
        }
        let kind = if is_taken { LetterKind::AlreadyRegistered } else { LetterKind::ConfirmEmail };
        let letter = self.write(kind, &user, &occasion)?;
        if self.has_limits {
            let (now, canonical) = (self.clock.now(), user.email_canonical.as_str());
            let depart = async |conn: &mut Connection| limits::depart(conn, mail.id, canonical, kind, now).await;
            if let Some(at) = self.db.transaction(depart).await.map_err(database_away)? {
                return Ok(Plan::Postpone(at));
            }
        }
        Ok(Plan::Send { to: user.email, letter })
    }

    fn write(&self, kind: LetterKind, user: &User, occasion: &Occasion) -> Result<Letter, DeliveryError> {
        let MailerParts { templates, links, confirm_url, confirm_ttl, clock, service, .. } = self;
        let mut words = Words::new(service, &user.email, occasion);
        if kind == LetterKind::ConfirmEmail {
            let token = links
                .mint(Purpose::ConfirmEmail, user.id(), &user.email_canonical, clock.now(), *confirm_ttl)
                .map_err(|error| DeliveryError::Permanent(format!("its link cannot be minted: {error}")))?;
            words = words.with_link(confirm_url.link(&token), *confirm_ttl, &occasion.language);
        }
        let written = templates.write(kind, &occasion.language, &words);
        written.map_err(|error| DeliveryError::Permanent(format!("it cannot be written: {error}")))
    }
}

/// The account, and whether its address belongs to somebody.
async fn recipient(conn: &mut Connection, id: UserId) -> QueryResult<Option<(User, bool)>> {
    let Some(user) = user::queries::find(conn, id).await? else {
        return Ok(None);
    };
    let is_taken = user::queries::is_address_taken(conn, &user.email_canonical).await?;
    Ok(Some((user, is_taken)))
}
