//! A copy of everything that is stored about a user.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::account::AccountRecord;
use crate::app::App;
use crate::audit::Event;
use crate::flows::documented_errors::{DatabaseErrors, NeedsConfirmed};
use crate::flows::views::{SessionView, UserView};
use crate::http::extract::Confirmed;
use crate::mail::MailKind;
use crate::mail::status::MailStatus;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::email_changes::EmailChange;

/// Everything that is stored about an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountExport {
    exported_at: DateTime<Utc>,
    user: UserView,
    confirmed_at: Option<DateTime<Utc>>,
    password_set_at: Option<DateTime<Utc>>,
    sessions: Vec<SessionView>,
    mails: Vec<ExportedMail>,
    email_changes: Vec<ExportedEmailChange>,
    /// Of the last year.
    events: Vec<ExportedEvent>,
}

/// An email to the user.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedMail {
    id: Uuid,
    to: String,
    /// Which email, such as `confirm_email`.
    kind: String,
    /// `queued`, `sent` or `failed`; null for an email to an address that is not confirmed to be yours.
    state: Option<String>,
    queued_at: DateTime<Utc>,
    /// Null where `state` is.
    sent_at: Option<DateTime<Utc>>,
}

impl From<MailStatus> for ExportedMail {
    fn from(mail: MailStatus) -> Self {
        // Its state would tell whether the address has an account, whose owner gets at most one mail an hour.
        let is_to_stranger = mail.kind == MailKind::ChangeEmail.name();
        let MailStatus { id, to, kind, state, queued_at, sent_at, .. } = mail;
        Self {
            id,
            to,
            kind,
            state: (!is_to_stranger).then_some(state),
            queued_at,
            sent_at: sent_at.filter(|_| !is_to_stranger),
        }
    }
}

/// A change of address.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedEmailChange {
    old_email: String,
    new_email: String,
    requested_at: DateTime<Utc>,
    confirmed_at: Option<DateTime<Utc>>,
    undone_at: Option<DateTime<Utc>>,
}

impl From<EmailChange> for ExportedEmailChange {
    fn from(change: EmailChange) -> Self {
        let EmailChange { old_email, new_email, requested_at, confirmed_at, undone_at, .. } = change;
        Self { old_email, new_email, requested_at, confirmed_at, undone_at }
    }
}

/// Something that happened to the account.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedEvent {
    kind: String,
    /// `owner`, `admin`, `import` or `system`.
    actor: String,
    at: DateTime<Utc>,
    /// Null where the actor is not the owner.
    ip: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
}

impl From<Event> for ExportedEvent {
    fn from(event: Event) -> Self {
        let Event { kind, actor, at, ip, user_agent, request_id } = event;
        Self { kind, actor, at, ip: ip.map(|ip| ip.addr().to_string()), user_agent, request_id }
    }
}

/// Export your data
///
/// Everything that is stored about the account.
#[utoipa::path(
    get, path = "/me/export", tag = "account",
    responses((status = 200, description = "Everything", body = AccountExport), NeedsConfirmed, DatabaseErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn export_account(
    Confirmed { user, session_id }: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
) -> Result<HttpResponse, Problem> {
    let AccountRecord { user, sessions, mails, email_changes, events } = app.accounts.record_of(user, i64::MAX).await?;
    Ok(HttpResponse::Ok().json(AccountExport {
        exported_at: request.at,
        user: UserView::from(&user),
        confirmed_at: user.confirmed_at,
        password_set_at: user.password_set_at,
        sessions: sessions.into_iter().map(|session| SessionView::new(session, session_id)).collect(),
        mails: mails.into_iter().map(ExportedMail::from).collect(),
        email_changes: email_changes.into_iter().map(ExportedEmailChange::from).collect(),
        events: events.into_iter().map(ExportedEvent::from).collect(),
    }))
}
