//! What a queued mail becomes when it is due: a message with a fresh link, a delay, or nothing.
//!
//! Recipient and content follow from what is true at that moment. If they were fixed when the mail was queued, a mail that
//! waited could carry a link that no longer works, or tell the wrong person.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use uuid::Uuid;

use crate::audit;
use crate::clock::Clock;
use crate::config::LinkConfig;
use crate::db::{Connection, Db, DbError};
use crate::link::{Links, NewLink, Purpose};
use crate::request::{Client, RequestContext};
use crate::user::addresses::is_taken;
use crate::user::email_changes::{self, EmailChange};
use crate::user::{Email, User, UserId, users};

use super::outbox::OutboxMail;
use super::{Delivery, DeliveryError, MailContent, MailKind, MailOrigin, MailTemplates, TemplateVariables, limits};

/// How long the old address can undo a change: long enough for a holiday.
const UNDO_TTL: Duration = Duration::from_secs(7 * 86_400);

/// What a [`super::Mailer`] is made of.
pub struct MailerParts {
    pub db: Db,
    pub clock: Clock,
    pub delivery: Delivery,
    pub templates: MailTemplates,
    pub links: Links,
    pub link_config: LinkConfig,
    /// What mails call the service.
    pub service: String,
    pub has_limits: bool,
}

pub(super) enum Composed {
    Send {
        to: String,
        content: MailContent,
    },
    /// The address had its share of mails.
    Postpone(DateTime<Utc>),
    Drop(Dropped),
}

/// Why a mail is no longer needed.
type Dropped = &'static str;

const NO_ACCOUNT: Dropped = "not sent: the account no longer exists or is disabled";
const NOTHING_TO_CONFIRM: Dropped = "not sent: there is nothing left to confirm";
const NO_CHANGE: Dropped = "not sent: the change of address was undone or replaced";

struct Recipient {
    /// Which mail this turned out to be.
    kind: MailKind,
    to: String,
    other_email: String,
    link: Option<LinkTo>,
    /// If not the request that queued the mail.
    origin: Option<MailOrigin>,
}

struct LinkTo {
    purpose: Purpose,
    user_id: UserId,
    reference: Option<String>,
}

impl MailerParts {
    pub(super) async fn compose(&self, mail: &OutboxMail) -> Result<Composed, DeliveryError> {
        let request: RequestContext = serde_json::from_value(mail.request_context.clone())
            .map_err(|error| DeliveryError::Permanent(format!("its request context cannot be read: {error}")))?;
        // Only known kinds are claimed.
        let kind = mail.kind.parse().map_err(|_| DeliveryError::Permanent("unknown kind".to_owned()))?;
        let database = |error: DbError| DeliveryError::Temporary(error.to_string());
        let found = self.db.run(async |conn| find_recipient(conn, kind, mail).await).await.map_err(database)?;
        let recipient = match found {
            Ok(recipient) => recipient,
            Err(reason) => return Ok(Composed::Drop(reason)),
        };
        let email = Email::parse(&recipient.to)
            .map_err(|_| DeliveryError::Permanent("the address cannot be mailed".to_owned()))?;
        let content = self.render(&recipient, &email, &request)?;
        if self.has_limits {
            let now = self.clock.now();
            let reserve = async |conn: &mut Connection| {
                limits::reserve_send(conn, mail.id, email.canonical(), recipient.kind, now).await
            };
            if let Some(at) = self.db.transaction(reserve).await.map_err(database)? {
                return Ok(Composed::Postpone(at));
            }
        }
        Ok(Composed::Send { to: recipient.to, content })
    }

    fn render(
        &self,
        recipient: &Recipient,
        email: &Email,
        request: &RequestContext,
    ) -> Result<MailContent, DeliveryError> {
        let language = &request.language;
        let mut variables = TemplateVariables::new(&self.service, &recipient.to, request);
        variables.other_email.clone_from(&recipient.other_email);
        if let Some(origin) = &recipient.origin {
            variables = variables.with_origin(origin, language);
        }
        if let Some(link) = &recipient.link {
            let (url, ttl) = self.sign(link, email.canonical())?;
            variables = variables.with_link(url, ttl, language);
        }
        let rendered = self.templates.render(recipient.kind, language, &variables);
        rendered.map_err(|error| DeliveryError::Permanent(format!("its template fails: {error}")))
    }

    /// The URL, and how long it works.
    fn sign(&self, link: &LinkTo, email_canonical: &str) -> Result<(String, Duration), DeliveryError> {
        let config = &self.link_config;
        let (url, ttl) = match link.purpose {
            Purpose::ConfirmEmail => (&config.confirm_url, config.confirm_ttl),
            Purpose::ChangeEmail => (&config.confirm_url, config.email_change_ttl),
            Purpose::UndoEmailChange => (&config.own_confirm_url, UNDO_TTL),
            Purpose::ResetPassword => (&config.reset_url, config.reset_ttl),
        };
        let LinkTo { purpose, user_id, reference } = link;
        let new = NewLink { purpose: *purpose, user_id: *user_id, email_canonical, reference: reference.clone(), ttl };
        let token = self.links.sign(new, self.clock.now());
        let token = token.map_err(|error| DeliveryError::Permanent(format!("its link cannot be signed: {error}")))?;
        Ok((url.link(&token), ttl))
    }
}

async fn find_recipient(
    conn: &mut Connection,
    kind: MailKind,
    mail: &OutboxMail,
) -> QueryResult<Result<Recipient, Dropped>> {
    match kind {
        MailKind::ConfirmEmail => confirm_email(conn, mail.user_id).await,
        MailKind::ResetPassword => reset_password(conn, mail.user_id).await,
        MailKind::ChangeEmail => change_email(conn, mail.email_change_id).await,
        MailKind::EmailChangeNotice => email_change_notice(conn, mail.email_change_id).await,
        MailKind::PasswordChanged | MailKind::AccountDeleted | MailKind::AlreadyRegistered | MailKind::Test => {
            Ok(Ok(Recipient::new(kind, mail.address.as_deref().unwrap_or_default())))
        }
    }
}

impl Recipient {
    fn new(kind: MailKind, to: &str) -> Self {
        Self { kind, to: to.to_owned(), other_email: String::new(), link: None, origin: None }
    }
}

async fn find_user(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Option<User>> {
    match id {
        Some(id) => users::find(conn, UserId(id)).await,
        None => Ok(None),
    }
}

async fn confirm_email(conn: &mut Connection, user_id: Option<Uuid>) -> QueryResult<Result<Recipient, Dropped>> {
    let Some(user) = find_user(conn, user_id).await? else {
        return Ok(Err(NO_ACCOUNT));
    };
    if user.is_confirmed() {
        return Ok(Err(NOTHING_TO_CONFIRM));
    }
    let origin = registration(conn, &user).await?;
    if is_taken(conn, &user.email_canonical).await? {
        // Where an admin made the account, the request for this mail is the only one to name.
        let origin = Some(origin).filter(|origin| origin.client.is_some());
        return Ok(Ok(Recipient { origin, ..Recipient::new(MailKind::AlreadyRegistered, &user.email) }));
    }
    let link = Some(LinkTo { purpose: Purpose::ConfirmEmail, user_id: user.id(), reference: None });
    Ok(Ok(Recipient { link, origin: Some(origin), ..Recipient::new(MailKind::ConfirmEmail, &user.email) }))
}

/// How the account was registered. If its confirmation named the request for the mail instead, the owner of an address
/// who asks for it would recognise themselves in the mail for a squatter's account, and confirm that.
async fn registration(conn: &mut Connection, user: &User) -> QueryResult<MailOrigin> {
    let Some(event) = audit::find_registration(conn, user.id()).await? else {
        return Ok(MailOrigin { at: user.created_at, client: None });
    };
    let client = event.ip.map(|ip| Client { ip: ip.addr(), user_agent: event.user_agent });
    Ok(MailOrigin { at: event.at, client })
}

async fn reset_password(conn: &mut Connection, user_id: Option<Uuid>) -> QueryResult<Result<Recipient, Dropped>> {
    let Some(user) = find_user(conn, user_id).await?.filter(|user| !user.is_disabled()) else {
        return Ok(Err(NO_ACCOUNT));
    };
    if !user.is_confirmed() && is_taken(conn, &user.email_canonical).await? {
        return Ok(Err("not sent: another account has confirmed the address"));
    }
    let reference = Some(user.credential_version.to_string());
    let link = Some(LinkTo { purpose: Purpose::ResetPassword, user_id: user.id(), reference });
    Ok(Ok(Recipient { link, ..Recipient::new(MailKind::ResetPassword, &user.email) }))
}

async fn change_email(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Result<Recipient, Dropped>> {
    let Some(change) = find_change(conn, id).await? else { return Ok(Err(NO_CHANGE)) };
    if change.confirmed_at.is_some() {
        return Ok(Err(NOTHING_TO_CONFIRM));
    }
    // The response to the request did not say that the address is taken, so its owner is told, and gets no link.
    if let Ok(new) = Email::parse(&change.new_email)
        && is_taken(conn, new.canonical()).await?
    {
        let user = users::find(conn, UserId(change.user_id)).await?;
        if user.is_none_or(|user| user.email_canonical != new.canonical()) {
            return Ok(Ok(Recipient::new(MailKind::AlreadyRegistered, &change.new_email)));
        }
    }
    let link = Some(link_to(Purpose::ChangeEmail, &change));
    let recipient = Recipient::new(MailKind::ChangeEmail, &change.new_email);
    Ok(Ok(Recipient { link, other_email: change.old_email, ..recipient }))
}

async fn email_change_notice(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Result<Recipient, Dropped>> {
    let Some(change) = find_change(conn, id).await? else { return Ok(Err(NO_CHANGE)) };
    let link = Some(link_to(Purpose::UndoEmailChange, &change));
    let recipient = Recipient::new(MailKind::EmailChangeNotice, &change.old_email);
    Ok(Ok(Recipient { link, other_email: change.new_email, ..recipient }))
}

async fn find_change(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Option<EmailChange>> {
    match id {
        Some(id) => Ok(email_changes::find(conn, id).await?.filter(|change| change.undone_at.is_none())),
        None => Ok(None),
    }
}

fn link_to(purpose: Purpose, change: &EmailChange) -> LinkTo {
    LinkTo { purpose, user_id: UserId(change.user_id), reference: Some(change.id.to_string()) }
}
