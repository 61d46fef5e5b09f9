//! What a queued mail becomes when it is due: a message with a fresh link, a delay, or nothing.
//!
//! Recipient and content follow from what is true at that moment. If they were fixed when the mail was queued, a mail that
//! waited could carry a link that no longer works, or tell the wrong person.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use uuid::Uuid;

use crate::audit::{self, Actor, EventKind};
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
        /// The account whose password the mail's link sets.
        reset_of: Option<UserId>,
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
        let now = self.clock.now();
        let composed = self.db.transaction(async |conn| {
            let found = find_recipient(conn, kind, mail).await?;
            // Paid also for an address without an account: how long the next mail waits must not tell them apart.
            let paid_kind = found.as_ref().map_or(kind, |recipient| recipient.kind);
            let due_at = match self.has_limits {
                true => limits::pay(conn, mail, &mail.canonical, paid_kind, now).await?,
                false => None,
            };
            QueryResult::Ok((found, due_at))
        });
        let (found, due_at) = composed.await.map_err(|error: DbError| DeliveryError::Temporary(error.to_string()))?;
        let recipient = match (due_at, found) {
            (Some(at), _) => return Ok(Composed::Postpone(at)),
            (None, Err(reason)) => return Ok(Composed::Drop(reason)),
            (None, Ok(recipient)) => recipient,
        };
        let email = Email::parse(&recipient.to)
            .map_err(|_| DeliveryError::Permanent("the address cannot be mailed".to_owned()))?;
        let content = self.render(mail.id, &recipient, &email, &request)?;
        let reset_of = recipient.link.filter(|link| link.purpose == Purpose::ResetPassword).map(|link| link.user_id);
        Ok(Composed::Send { to: recipient.to, content, reset_of })
    }

    fn render(
        &self,
        mail_id: Uuid,
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
            if recipient.kind == MailKind::ConfirmEmail {
                variables = variables.with_code(self.links.codes.of(mail_id), language);
            }
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
    conn: &mut Connection<'_>,
    kind: MailKind,
    mail: &OutboxMail,
) -> QueryResult<Result<Recipient, Dropped>> {
    match kind {
        MailKind::ConfirmEmail => confirm_email(conn, &mail.canonical).await,
        MailKind::ResetPassword => reset_password(conn, &mail.canonical).await,
        MailKind::ChangeEmail => change_email(conn, mail).await,
        MailKind::EmailChangeNotice => email_change_notice(conn, mail).await,
        MailKind::EmailChangeUndone => email_change_undone(conn, mail).await,
        MailKind::PasswordChanged
        | MailKind::SignInLocked
        | MailKind::AccountDeleted
        | MailKind::AlreadyRegistered
        | MailKind::Test => Ok(Ok(Recipient::new(kind, &mail.address))),
    }
}

impl Recipient {
    fn new(kind: MailKind, to: &str) -> Self {
        Self { kind, to: to.to_owned(), other_email: String::new(), link: None, origin: None }
    }
}

/// To the owner of the address, if it has one and a stranger registered it; else to the reader of the mailbox. The link
/// serves every registration of the address, so one mail is enough for all.
async fn confirm_email(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<Result<Recipient, Dropped>> {
    let accounts = users::list_of_address(conn, canonical).await?;
    let Some(newest) = accounts.iter().find(|user| !user.is_confirmed() && !user.is_disabled()) else {
        return Ok(Err(NOTHING_TO_CONFIRM));
    };
    let origin = registration(conn, newest).await?;
    if let Some(owner) = accounts.iter().find(|user| user.is_confirmed()) {
        // Where an admin made the account, the request for this mail is the only one to name.
        let origin = Some(origin).filter(|origin| origin.client.is_some());
        let recipient = Recipient::new(MailKind::AlreadyRegistered, &owner.email);
        return Ok(Ok(Recipient { origin, ..recipient }));
    }
    let link = Some(LinkTo { purpose: Purpose::ConfirmEmail, user_id: newest.id(), reference: None });
    let recipient = Recipient::new(MailKind::ConfirmEmail, &newest.email);
    Ok(Ok(Recipient { link, origin: Some(origin), ..recipient }))
}

/// How the account was registered: what the person who signed up will recognise, also if a stranger asked for the mail.
async fn registration(conn: &mut Connection<'_>, user: &User) -> QueryResult<MailOrigin> {
    let Some(event) = audit::find_registration(conn, user).await? else {
        return Ok(MailOrigin { at: user.created_at, client: None });
    };
    let client = event.ip.map(|ip| Client { ip: ip.addr(), user_agent: event.user_agent });
    Ok(MailOrigin { at: event.at, client })
}

/// To the owner of the address, else to the newest registration: the link confirms the address as well.
async fn reset_password(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<Result<Recipient, Dropped>> {
    let accounts = users::list_of_address(conn, canonical).await?;
    let Some(user) = accounts.into_iter().next().filter(|user| !user.is_disabled()) else {
        return Ok(Err(NO_ACCOUNT));
    };
    let reference = Some(user.credential_version.to_string());
    let link = Some(LinkTo { purpose: Purpose::ResetPassword, user_id: user.id(), reference });
    Ok(Ok(Recipient { link, ..Recipient::new(MailKind::ResetPassword, &user.email) }))
}

async fn change_email(conn: &mut Connection<'_>, mail: &OutboxMail) -> QueryResult<Result<Recipient, Dropped>> {
    let Some(change) = find_change(conn, mail).await? else { return Ok(Err(NO_CHANGE)) };
    if change.confirmed_at.is_some() {
        return Ok(Err(NOTHING_TO_CONFIRM));
    }
    // The response to the request did not say that the address is taken, so its owner is told, and gets no link.
    if is_taken(conn, &mail.canonical).await? {
        let user = users::find(conn, UserId(change.user_id)).await?;
        if user.is_none_or(|user| user.email_canonical != mail.canonical) {
            return Ok(Ok(Recipient::new(MailKind::AlreadyRegistered, &mail.address)));
        }
    }
    let link = Some(link_to(Purpose::ChangeEmail, &change));
    let recipient = Recipient::new(MailKind::ChangeEmail, &mail.address);
    Ok(Ok(Recipient { link, other_email: change.old_email, ..recipient }))
}

/// The notice outlives the account; then there is nothing left to undo.
async fn email_change_notice(conn: &mut Connection<'_>, mail: &OutboxMail) -> QueryResult<Result<Recipient, Dropped>> {
    let recipient = Recipient::new(MailKind::EmailChangeNotice, &mail.address);
    Ok(match find_change(conn, mail).await? {
        Some(change) => {
            let link = Some(link_to(Purpose::UndoEmailChange, &change));
            Ok(Recipient { link, other_email: change.new_email, ..recipient })
        }
        None if mail.user_id.is_none() => Ok(recipient),
        None => Err(NO_CHANGE),
    })
}

async fn email_change_undone(conn: &mut Connection<'_>, mail: &OutboxMail) -> QueryResult<Result<Recipient, Dropped>> {
    let change = match mail.email_change_id {
        Some(id) => email_changes::find(conn, id).await?,
        None => None,
    };
    let other_email = change.map(|change| change.old_email).unwrap_or_default();
    Ok(Ok(Recipient { other_email, ..Recipient::new(MailKind::EmailChangeUndone, &mail.address) }))
}

/// The change that a mail is about, unless it was undone or replaced.
async fn find_change(conn: &mut Connection<'_>, mail: &OutboxMail) -> QueryResult<Option<EmailChange>> {
    match mail.email_change_id {
        Some(id) => Ok(email_changes::find(conn, id).await?.filter(|change| change.undone_at.is_none())),
        None => Ok(None),
    }
}

fn link_to(purpose: Purpose, change: &EmailChange) -> LinkTo {
    LinkTo { purpose, user_id: UserId(change.user_id), reference: Some(change.id.to_string()) }
}

/// Records for the owner that a link was asked for, once it is sent: requests that cause no mail leave nothing behind.
pub(super) async fn record_reset(conn: &mut Connection<'_>, user_id: UserId, mail: &OutboxMail) -> QueryResult<()> {
    // It was read before, to write the mail.
    let Ok(request) = serde_json::from_value::<RequestContext>(mail.request_context.clone()) else {
        return Ok(());
    };
    audit::record_if_there(conn, user_id, EventKind::PasswordResetRequested, Actor::Owner(&request), request.at).await
}
