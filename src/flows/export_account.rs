//! A copy of everything that is stored about somebody. No hash of a password or of a token: they say nothing about the
//! person, and help whoever takes the copy.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::client::Occasion;
use crate::db::Connection;
use crate::event;
use crate::guard::Confirmed;
use crate::mail::LetterKind;
use crate::mail::fate::{self, Fate};
use crate::problem::Problem;
use crate::session;
use crate::user::{User, email_change};

use super::answers::{AccountView, SessionView};
use super::responses::{DatabaseFaults, NeedsConfirmed};

/// Everything that is stored about an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountExport {
    /// When the copy was made.
    exported_at: DateTime<Utc>,
    /// The account.
    user: AccountView,
    /// When its address was proved.
    confirmed_at: Option<DateTime<Utc>>,
    /// When its password was set.
    password_set_at: DateTime<Utc>,
    /// Where it is signed in.
    sessions: Vec<SessionView>,
    /// Which letters were promised to it.
    mails: Vec<ExportedMail>,
    /// Which other addresses were asked for.
    email_changes: Vec<ExportedEmailChange>,
    /// What happened to it, within a year.
    events: Vec<ExportedEvent>,
}

/// A letter.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedMail {
    /// Its identity.
    id: Uuid,
    /// Where it went, or goes.
    to: String,
    /// Which letter.
    letter: String,
    /// `queued`, `sent` or `parked`; nothing for a letter to an address that is not proved to be one's own.
    state: Option<String>,
    /// When it was promised.
    queued_at: DateTime<Utc>,
    /// When it left; nothing where `state` is nothing.
    sent_at: Option<DateTime<Utc>>,
}

impl From<Fate> for ExportedMail {
    fn from(mail: Fate) -> Self {
        // What becomes of it depends on whether the address has an account: its owner is told at most once an hour.
        let is_to_stranger = mail.letter == LetterKind::ChangeEmail.name();
        let Fate { id, to, letter, state, queued_at, sent_at, .. } = mail;
        Self {
            id,
            to,
            letter,
            state: (!is_to_stranger).then_some(state),
            queued_at,
            sent_at: sent_at.filter(|_| !is_to_stranger),
        }
    }
}

/// A change of address.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedEmailChange {
    /// The address before.
    old_email: String,
    /// The address after.
    new_email: String,
    /// When it was asked for.
    requested_at: DateTime<Utc>,
    /// When the new address proved itself.
    confirmed_at: Option<DateTime<Utc>>,
    /// When the old address took it back.
    undone_at: Option<DateTime<Utc>>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedEvent {
    /// What.
    kind: String,
    /// When.
    at: DateTime<Utc>,
    /// From where; none where it was an operator.
    ip: Option<String>,
    /// With what.
    user_agent: Option<String>,
    /// In which request.
    request_id: Option<String>,
}

/// Take a copy of everything
///
/// Everything that is stored about the account.
#[utoipa::path(
    get, path = "/me/export", tag = "account",
    responses((status = 200, description = "Everything", body = AccountExport), NeedsConfirmed, DatabaseFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn export_account(
    confirmed: Confirmed,
    app: web::Data<App>,
    occasion: Occasion,
) -> Result<HttpResponse, Problem> {
    let export = app.db.transaction(async |conn| collect(conn, &confirmed, &occasion).await).await?;
    Ok(HttpResponse::Ok().json(export))
}

async fn collect(conn: &mut Connection, confirmed: &Confirmed, occasion: &Occasion) -> QueryResult<AccountExport> {
    let user: &User = &confirmed.user;
    let id = user.id();
    let sessions = session::queries::list(conn, id, occasion.at).await?;
    let mails = fate::list_of(conn, id).await?;
    let email_changes = email_change::list(conn, id).await?;
    let events = event::list(conn, id, i64::MAX).await?;
    Ok(AccountExport {
        exported_at: occasion.at,
        user: AccountView::from(user),
        confirmed_at: user.confirmed_at,
        password_set_at: user.password_set_at,
        sessions: sessions.into_iter().map(|session| SessionView::new(session, confirmed.session_id)).collect(),
        mails: mails.into_iter().map(ExportedMail::from).collect(),
        email_changes: email_changes
            .into_iter()
            .map(|change| ExportedEmailChange {
                old_email: change.old_email,
                new_email: change.new_email,
                requested_at: change.requested_at,
                confirmed_at: change.confirmed_at,
                undone_at: change.undone_at,
            })
            .collect(),
        events: events
            .into_iter()
            .map(|event| ExportedEvent {
                kind: event.kind,
                at: event.at,
                ip: event.ip.map(|ip| ip.addr().to_string()),
                user_agent: event.user_agent,
                request_id: event.request_id,
            })
            .collect(),
    })
}
