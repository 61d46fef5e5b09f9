//! Whom a promised mail goes to, and what it says: decided when it leaves, by what is true then.

use diesel::QueryResult;
use uuid::Uuid;

use crate::audit;
use crate::db::Connection;
use crate::link::Purpose;
use crate::request::Client;
use crate::user::addresses::is_taken as is_address_taken;
use crate::user::email_changes::{self, EmailChange};
use crate::user::users::find;
use crate::user::{Email, User, UserId};

use super::outbox::Claimed;
use super::{MailKind, MailOrigin};

/// What to write.
pub(super) struct Recipient {
    pub(super) kind: MailKind,
    /// As it was typed.
    pub(super) to: String,
    pub(super) canonical: String,
    /// The other address of a change.
    pub(super) other_email: String,
    pub(super) link: Option<LinkOf>,
    /// What it says it comes from, if not from the request that promised it.
    pub(super) origin: Option<MailOrigin>,
}

/// The link that it carries.
pub(super) struct LinkOf {
    pub(super) purpose: Purpose,
    pub(super) user_id: UserId,
    pub(super) reference: Option<String>,
}

/// What becomes of the promise.
pub(super) enum Decision {
    /// A mail.
    Write(Recipient),
    /// Nothing, as there is nothing to say any more.
    Drop(&'static str),
    /// Nothing, as the row makes no sense.
    Fail(&'static str),
}

const GONE: Decision = Decision::Drop("not sent: the account is gone");
const OVERTAKEN: Decision = Decision::Drop("not sent: there is nothing to confirm any more");

/// Decides about a promised mail.
///
/// # Errors
/// Those of the database.
pub(super) async fn decide(conn: &mut Connection, mail: &Claimed) -> QueryResult<Decision> {
    // What has no name here is not claimed.
    let Some(kind) = MailKind::from_name(&mail.kind) else {
        return Ok(Decision::Fail("there is no mail of this name"));
    };
    match kind {
        MailKind::ConfirmEmail => confirm_email(conn, mail.user_id).await,
        MailKind::ResetPassword => reset_password(conn, mail.user_id).await,
        MailKind::ChangeEmail => change_email(conn, mail.email_change_id).await,
        MailKind::EmailChangeNotice => email_change_notice(conn, mail.email_change_id).await,
        MailKind::PasswordChanged | MailKind::AccountDeleted | MailKind::AlreadyRegistered | MailKind::Test => {
            Ok(mail.address.as_deref().map_or(Decision::Fail("it has no address"), |to| plain(kind, to)))
        }
    }
}

async fn account(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Option<User>> {
    match id {
        Some(id) => find(conn, UserId(id)).await,
        None => Ok(None),
    }
}

async fn confirm_email(conn: &mut Connection, user_id: Option<Uuid>) -> QueryResult<Decision> {
    let Some(user) = account(conn, user_id).await? else {
        return Ok(GONE);
    };
    if user.is_confirmed() {
        return Ok(OVERTAKEN);
    }
    let origin = registration(conn, &user).await?;
    if is_address_taken(conn, &user.email_canonical).await? {
        let decision = plain(MailKind::AlreadyRegistered, &user.email);
        // One that nobody registered is nobody's attempt; so it is the request.
        return Ok(if origin.client.is_some() { with_origin(decision, origin) } else { decision });
    }
    let link = LinkOf { purpose: Purpose::ConfirmEmail, user_id: user.id(), reference: None };
    Ok(with_origin(with_link(MailKind::ConfirmEmail, &user.email, link), origin))
}

/// The origin of an account. If its mail named the request for the mail instead, the owner of an address who asks
/// for theirs would find themselves in that of a squatter, and confirm an account whose password they do not have.
async fn registration(conn: &mut Connection, user: &User) -> QueryResult<MailOrigin> {
    let Some(event) = audit::find_registration(conn, user.id()).await? else {
        return Ok(MailOrigin { at: user.created_at, client: None });
    };
    let client = event.ip.map(|ip| Client { ip: ip.addr(), user_agent: event.user_agent });
    Ok(MailOrigin { at: event.at, client })
}

async fn reset_password(conn: &mut Connection, user_id: Option<Uuid>) -> QueryResult<Decision> {
    let Some(user) = account(conn, user_id).await?.filter(|user| !user.is_disabled()) else {
        return Ok(GONE);
    };
    if !user.is_confirmed() && is_address_taken(conn, &user.email_canonical).await? {
        return Ok(OVERTAKEN);
    }
    let reference = Some(user.credential_version.to_string());
    let link = LinkOf { purpose: Purpose::ResetPassword, user_id: user.id(), reference };
    Ok(with_link(MailKind::ResetPassword, &user.email, link))
}

async fn change_email(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Decision> {
    let Some(change) = change(conn, id).await?.filter(|change| change.confirmed_at.is_none()) else {
        return Ok(OVERTAKEN);
    };
    let Ok(new_email) = Email::parse(&change.new_email) else {
        return Ok(Decision::Fail("the new address cannot be read"));
    };
    // The answer to the request did not tell, so the owner is told, and nobody gets a link.
    if is_address_taken(conn, new_email.canonical()).await? {
        let owner = find(conn, UserId(change.user_id)).await?;
        if owner.is_none_or(|owner| owner.email_canonical != new_email.canonical()) {
            return Ok(plain(MailKind::AlreadyRegistered, &change.new_email));
        }
    }
    let link = link_of(Purpose::ChangeEmail, &change);
    Ok(with_other(with_link(MailKind::ChangeEmail, &change.new_email, link), change.old_email))
}

async fn email_change_notice(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Decision> {
    let Some(change) = change(conn, id).await? else {
        return Ok(OVERTAKEN);
    };
    let link = link_of(Purpose::UndoEmailChange, &change);
    Ok(with_other(with_link(MailKind::EmailChangeNotice, &change.old_email, link), change.new_email))
}

async fn change(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Option<EmailChange>> {
    match id {
        Some(id) => Ok(email_changes::find(conn, id).await?.filter(|change| change.undone_at.is_none())),
        None => Ok(None),
    }
}

fn link_of(purpose: Purpose, change: &EmailChange) -> LinkOf {
    LinkOf { purpose, user_id: UserId(change.user_id), reference: Some(change.id.to_string()) }
}

fn plain(kind: MailKind, to: &str) -> Decision {
    match Email::parse(to) {
        Ok(email) => Decision::Write(Recipient {
            kind,
            to: to.to_owned(),
            canonical: email.canonical().to_owned(),
            other_email: String::new(),
            link: None,
            origin: None,
        }),
        Err(_) => Decision::Fail("the address cannot be mailed"),
    }
}

fn with_link(kind: MailKind, to: &str, link: LinkOf) -> Decision {
    match plain(kind, to) {
        Decision::Write(recipient) => Decision::Write(Recipient { link: Some(link), ..recipient }),
        other => other,
    }
}

fn with_other(decision: Decision, other_email: String) -> Decision {
    match decision {
        Decision::Write(recipient) => Decision::Write(Recipient { other_email, ..recipient }),
        other => other,
    }
}

fn with_origin(decision: Decision, origin: MailOrigin) -> Decision {
    match decision {
        Decision::Write(recipient) => Decision::Write(Recipient { origin: Some(origin), ..recipient }),
        other => other,
    }
}
