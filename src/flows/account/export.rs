//! A copy of everything that is stored about a user, streamed: a year of events can be a hundred megabytes.

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::account::{Accounts, Page};
use crate::app::App;
use crate::audit::Event;
use crate::db::DbError;
use crate::flows::documented_errors::{DatabaseErrors, NeedsConfirmed};
use crate::flows::views::{SessionView, UserView};
use crate::http::extract::Confirmed;
use crate::mail::MailKind;
use crate::mail::status::MailStatus;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::UserId;
use crate::user::email_changes::EmailChange;

/// Everything that is stored about an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountExport {
    exported_at: DateTime<Utc>,
    user: UserView,
    #[schema(required)]
    confirmed_at: Option<DateTime<Utc>>,
    #[schema(required)]
    password_set_at: Option<DateTime<Utc>>,
    sessions: Vec<SessionView>,
    mails: Vec<ExportedMail>,
    email_changes: Vec<ExportedEmailChange>,
    /// Of the last year, or of the time that `EVENT_TTL` sets.
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
    #[schema(required)]
    state: Option<String>,
    queued_at: DateTime<Utc>,
    /// Null where `state` is.
    #[schema(required)]
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
    #[schema(required)]
    confirmed_at: Option<DateTime<Utc>>,
    #[schema(required)]
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
    #[schema(required)]
    ip: Option<String>,
    #[schema(required)]
    user_agent: Option<String>,
    #[schema(required)]
    request_id: Option<String>,
}

impl From<Event> for ExportedEvent {
    fn from(event: Event) -> Self {
        let Event { kind, actor, at, ip, user_agent, request_id, .. } = event;
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
    Confirmed { user, session_id, .. }: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
) -> Result<HttpResponse, Problem> {
    let sessions = app.accounts.list_sessions(user.id()).await?;
    let frame = AccountExport {
        exported_at: request.at,
        user: UserView::from(&user),
        confirmed_at: user.confirmed_at,
        password_set_at: user.password_set_at,
        sessions: sessions.into_iter().map(|session| SessionView::new(session, session_id)).collect(),
        mails: Vec::new(),
        email_changes: Vec::new(),
        events: Vec::new(),
    };
    let [head, to_changes, to_events, tail] = around_lists(&frame)?;
    let accounts = &app.accounts;
    let body = text(head)
        .chain(pages::<MailStatus, ExportedMail>(accounts, user.id()))
        .chain(text(to_changes))
        .chain(pages::<EmailChange, ExportedEmailChange>(accounts, user.id()))
        .chain(text(to_events))
        .chain(pages::<Event, ExportedEvent>(accounts, user.id()))
        .chain(text(tail));
    // The status is sent by now. An error breaks the connection, so that nobody takes a part for the whole.
    let body =
        body.inspect_err(move |error| log::error!("request {}: an export broke off: {error}", request.request_id));
    Ok(HttpResponse::Ok().content_type("application/json").streaming(body))
}

/// The document, cut where its three lists are. A text in it cannot look like one: its quotes are escaped.
fn around_lists(frame: &AccountExport) -> Result<[String; 4], Problem> {
    let mut rest = serde_json::to_string(frame).map_err(Problem::internal)?;
    let mut parts = [const { String::new() }; 4];
    for (part, list) in parts.iter_mut().zip(["mails", "email_changes", "events"]) {
        let at = rest.find(&format!("\"{list}\":[]")).ok_or_else(|| Problem::internal("a list is missing"))?;
        let tail = rest.split_off(at + list.len() + "\"\":[".len());
        *part = std::mem::replace(&mut rest, tail);
    }
    parts[3] = rest;
    Ok(parts)
}

fn text(text: String) -> impl Stream<Item = Result<Bytes, DbError>> {
    stream::once(async move { Ok(text.into()) })
}

/// The elements of a list, separated by commas, a page at a time and each when the client has taken the one before. No
/// connection is held in between.
fn pages<R: Page, E: From<R> + Serialize>(
    accounts: &Accounts,
    user_id: UserId,
) -> impl Stream<Item = Result<Bytes, DbError>> + use<R, E> {
    let accounts = accounts.clone();
    stream::try_unfold(None, move |before| {
        let accounts = accounts.clone();
        async move {
            let rows = R::load(&accounts, user_id, before).await?;
            let Some(last) = rows.last().map(R::id) else {
                return Ok(None);
            };
            let mut json = Vec::new();
            for (at, row) in rows.into_iter().enumerate() {
                if at > 0 || before.is_some() {
                    json.push(b',');
                }
                serde_json::to_writer(&mut json, &E::from(row))
                    .map_err(|error| DbError::Unavailable(error.to_string()))?;
            }
            Ok(Some((json.into(), Some(last))))
        }
    })
}
