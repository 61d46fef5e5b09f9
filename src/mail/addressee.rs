//! Whom a promised letter goes to, and what it says: decided when it leaves, by what is true then.

use diesel::QueryResult;
use uuid::Uuid;

use crate::client::Client;
use crate::db::Connection;
use crate::event;
use crate::link::Purpose;
use crate::user::email_change::{self, EmailChange};
use crate::user::queries::{find, is_address_taken};
use crate::user::{Email, User, UserId};

use super::queue::Claimed;
use super::{LetterKind, Origin};

/// What to write.
pub(super) struct Addressed {
    pub(super) kind: LetterKind,
    /// As it was typed.
    pub(super) to: String,
    pub(super) canonical: String,
    /// The other address of a change.
    pub(super) other_email: String,
    pub(super) link: Option<LinkOf>,
    /// What it says it comes from, if not from the request that promised it.
    pub(super) origin: Option<Origin>,
}

/// The link that it carries.
pub(super) struct LinkOf {
    pub(super) purpose: Purpose,
    pub(super) user_id: UserId,
    pub(super) reference: Option<String>,
}

/// What becomes of the promise.
pub(super) enum Decision {
    /// A letter.
    Write(Addressed),
    /// Nothing, as there is nothing to say any more.
    Drop(&'static str),
    /// Nothing, as the row makes no sense.
    Fail(&'static str),
}

const GONE: Decision = Decision::Drop("not sent: the account is gone");
const OVERTAKEN: Decision = Decision::Drop("not sent: there is nothing to confirm any more");

/// Decides about a promised letter.
///
/// # Errors
/// Those of the database.
pub(super) async fn decide(conn: &mut Connection, mail: &Claimed) -> QueryResult<Decision> {
    // What has no name here is not claimed.
    let Some(kind) = LetterKind::from_name(&mail.letter) else {
        return Ok(Decision::Fail("there is no letter of this name"));
    };
    match kind {
        LetterKind::ConfirmEmail => confirm_email(conn, mail.user_id).await,
        LetterKind::ResetPassword => reset_password(conn, mail.user_id).await,
        LetterKind::ChangeEmail => change_email(conn, mail.email_change_id).await,
        LetterKind::EmailChangeNotice => email_change_notice(conn, mail.email_change_id).await,
        LetterKind::PasswordChanged | LetterKind::Farewell | LetterKind::AlreadyRegistered | LetterKind::Test => {
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
        let decision = plain(LetterKind::AlreadyRegistered, &user.email);
        // One that nobody registered is nobody's attempt; so it is the request.
        return Ok(if origin.client.is_some() { with_origin(decision, origin) } else { decision });
    }
    let link = LinkOf { purpose: Purpose::ConfirmEmail, user_id: user.id(), reference: None };
    Ok(with_origin(with_link(LetterKind::ConfirmEmail, &user.email, link), origin))
}

/// The origin of an account. If its letter named the request for the letter instead, the owner of an address who asks
/// for theirs would find themselves in that of a squatter, and confirm an account whose password they do not have.
async fn registration(conn: &mut Connection, user: &User) -> QueryResult<Origin> {
    let Some(event) = event::find_registration(conn, user.id()).await? else {
        return Ok(Origin { at: user.created_at, client: None });
    };
    let client = event.ip.map(|ip| Client { ip: ip.addr(), user_agent: event.user_agent });
    Ok(Origin { at: event.at, client })
}

async fn reset_password(conn: &mut Connection, user_id: Option<Uuid>) -> QueryResult<Decision> {
    let Some(user) = account(conn, user_id).await?.filter(|user| !user.is_disabled()) else {
        return Ok(GONE);
    };
    if !user.is_confirmed() && is_address_taken(conn, &user.email_canonical).await? {
        return Ok(OVERTAKEN);
    }
    let reference = Some(user.password_reference());
    let link = LinkOf { purpose: Purpose::ResetPassword, user_id: user.id(), reference };
    Ok(with_link(LetterKind::ResetPassword, &user.email, link))
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
            return Ok(plain(LetterKind::AlreadyRegistered, &change.new_email));
        }
    }
    let link = link_of(Purpose::ChangeEmail, &change);
    Ok(with_other(with_link(LetterKind::ChangeEmail, &change.new_email, link), change.old_email))
}

async fn email_change_notice(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Decision> {
    let Some(change) = change(conn, id).await? else {
        return Ok(OVERTAKEN);
    };
    let link = link_of(Purpose::UndoEmailChange, &change);
    Ok(with_other(with_link(LetterKind::EmailChangeNotice, &change.old_email, link), change.new_email))
}

async fn change(conn: &mut Connection, id: Option<Uuid>) -> QueryResult<Option<EmailChange>> {
    match id {
        Some(id) => Ok(email_change::find(conn, id).await?.filter(|change| change.undone_at.is_none())),
        None => Ok(None),
    }
}

fn link_of(purpose: Purpose, change: &EmailChange) -> LinkOf {
    LinkOf { purpose, user_id: UserId(change.user_id), reference: Some(change.id.to_string()) }
}

fn plain(kind: LetterKind, to: &str) -> Decision {
    match Email::parse(to) {
        Ok(email) => Decision::Write(Addressed {
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

fn with_link(kind: LetterKind, to: &str, link: LinkOf) -> Decision {
    match plain(kind, to) {
        Decision::Write(addressed) => Decision::Write(Addressed { link: Some(link), ..addressed }),
        other => other,
    }
}

fn with_other(decision: Decision, other_email: String) -> Decision {
    match decision {
        Decision::Write(addressed) => Decision::Write(Addressed { other_email, ..addressed }),
        other => other,
    }
}

fn with_origin(decision: Decision, origin: Origin) -> Decision {
    match decision {
        Decision::Write(addressed) => Decision::Write(Addressed { origin: Some(origin), ..addressed }),
        other => other,
    }
}
