//! Links from emails: `GET` describes a link, `POST` spends it.
//!
//! Mail scanners and link previews follow every link: if `GET` confirmed, a machine would confirm addresses for people.
//! Neither asks for a session nor gives one: the link works on another device, and a stranger who reads the mailbox does
//! not get into the account.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::LinkState;
use crate::app::App;
use crate::flows::documented_errors::{DatabaseErrors, LinkErrors, OrPage};
use crate::http::pages::{self, LinkPage};
use crate::link::{Link, Purpose};
use crate::problem::Problem;
use crate::request::RequestContext;

/// The links that are spent here.
const PURPOSES: &[Purpose] = &[Purpose::ConfirmEmail, Purpose::ChangeEmail, Purpose::UndoEmailChange];

/// What a link is.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkDescription {
    /// `confirm_email`, `change_email` or `undo_email_change`.
    #[schema(example = "confirm_email")]
    purpose: &'static str,
    /// The address that it confirms, or that the account gets back.
    #[schema(format = "idn-email", example = "ada@example.com")]
    email: String,
    expires_at: DateTime<Utc>,
    /// Whether the link was spent already.
    confirmed: bool,
}

/// What spending a link did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirmation {
    status: ConfirmationStatus,
}

/// Whether this request spent the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationStatus {
    /// This request did.
    Confirmed,
    /// An earlier one did.
    AlreadyConfirmed,
}

/// Describe a link
///
/// Changes nothing. A browser (`Accept: text/html`) gets a page with a button.
#[utoipa::path(
    get, path = "/confirm/{token}", tag = "account",
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 200, description = "A link that can be spent, or was", content(
                   (LinkDescription = "application/json"), (String = "text/html"))),
              OrPage<LinkErrors>, OrPage<DatabaseErrors>)
)]
pub async fn show_link(
    req: HttpRequest,
    app: web::Data<App>,
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let described = describe(&app, &token).await;
    if !pages::wants_html(&req) {
        return described.map(|(link, state)| {
            HttpResponse::Ok().json(LinkDescription {
                purpose: link.purpose.name(),
                email: state.email,
                expires_at: link.expires_at,
                confirmed: state.was_spent,
            })
        });
    }
    let page = match described {
        Ok((link, state)) if state.was_spent => LinkPage::Done { is_undo: is_undo(&link), email: state.email },
        Ok((link, state)) => LinkPage::Ask { is_undo: is_undo(&link), email: state.email },
        Err(problem) => LinkPage::Failed(problem),
    };
    Ok(pages::link(&app.templates, &page))
}

/// Confirm an address
///
/// Spends a link: of a registration, of a change of address, or to undo one. The other unconfirmed accounts of the
/// address are deleted. Needs no session and gives none. A browser's form gets a page.
#[utoipa::path(
    post, path = "/confirm/{token}", tag = "account",
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 200, description = "The address is confirmed", content(
                   (Confirmation = "application/json"), (String = "text/html"))),
              OrPage<LinkErrors>, OrPage<DatabaseErrors>)
)]
pub async fn confirm_email(
    req: HttpRequest,
    app: web::Data<App>,
    request: RequestContext,
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let spent = spend(&app, &token, &request).await;
    if !pages::wants_html(&req) {
        return spent.map(|(_, state)| {
            let status = match state.was_spent {
                true => ConfirmationStatus::AlreadyConfirmed,
                false => ConfirmationStatus::Confirmed,
            };
            HttpResponse::Ok().json(Confirmation { status })
        });
    }
    let page = match spent {
        Ok((link, state)) => LinkPage::Done { is_undo: is_undo(&link), email: state.email },
        Err(problem) => LinkPage::Failed(problem),
    };
    Ok(pages::link(&app.templates, &page))
}

async fn describe(app: &App, token: &str) -> Result<(Link, LinkState), Problem> {
    let link = app.links.read(token, PURPOSES, app.clock.now())?;
    let state = app.accounts.describe_link(&link).await?;
    Ok((link, state))
}

async fn spend(app: &App, token: &str, request: &RequestContext) -> Result<(Link, LinkState), Problem> {
    let link = app.links.read(token, PURPOSES, request.at)?;
    let state = app.accounts.spend_link(&link, request).await?;
    Ok((link, state))
}

fn is_undo(link: &Link) -> bool {
    link.purpose == Purpose::UndoEmailChange
}
