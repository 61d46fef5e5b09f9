//! Confirmation: a link is described by GET and spent by POST.
//!
//! Mail scanners and link previews follow every link: if GET confirmed, a machine would prove addresses for people.
//! Neither asks for a session nor gives one: the link works on another device, and whoever reads the mail does not get
//! into the account.

mod change;
mod registration;
mod undo;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::client::Occasion;
use crate::link::Purpose;
use crate::page::{self, LinkPage};
use crate::problem::{Code, Problem};

use super::responses::{DatabaseFaults, LinkProblems, OrPage};

/// What these doors open for.
const PURPOSES: &[Purpose] = &[Purpose::ConfirmEmail, Purpose::ChangeEmail, Purpose::UndoEmailChange];

/// What is known of a genuine link.
struct Described {
    email: String,
    is_done: bool,
}

/// What spending a link did.
enum Spent {
    /// What it is for, for this address.
    Now(String),
    /// Nothing, as it had been done by the same link.
    Before(String),
    /// Nothing, as there is nothing left to do.
    Void,
}

/// What a link is.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkDescription {
    /// What it is for.
    #[schema(example = "confirm_email")]
    purpose: &'static str,
    /// The address that it proves.
    #[schema(format = "idn-email", example = "ada@example.com")]
    email: String,
    /// When it ends.
    expires_at: DateTime<Utc>,
    /// Whether the address is proved already.
    confirmed: bool,
}

/// What a confirmation did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Confirmation {
    /// Whether it was this request that confirmed.
    status: ConfirmationStatus,
}

/// Whether it was this request that confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfirmationStatus {
    /// It was.
    Confirmed,
    /// The same link did before.
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
              OrPage<LinkProblems>, OrPage<DatabaseFaults>)
)]
pub async fn show_link(
    req: HttpRequest,
    app: web::Data<App>,
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let described = describe(&app, &token).await;
    if !page::wants_html(&req) {
        return described.map(|description| HttpResponse::Ok().json(description));
    }
    Ok(page::link(&match described {
        Ok(link) if link.confirmed => LinkPage::Done { is_undo: is_undo(link.purpose), email: link.email },
        Ok(link) => LinkPage::Ask { is_undo: is_undo(link.purpose), email: link.email },
        Err(problem) => LinkPage::Failed(problem),
    }))
}

/// Confirm an address
///
/// Spends the link: of a registration, of a change of address, or of taking one back. The other unconfirmed accounts of the address disappear. Needs no session and gives none. A browser's
/// form gets a page.
#[utoipa::path(
    post, path = "/confirm/{token}", tag = "account",
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 200, description = "The address is confirmed", content(
                   (Confirmation = "application/json"), (String = "text/html"))),
              OrPage<LinkProblems>, OrPage<DatabaseFaults>)
)]
pub async fn confirm_email(
    req: HttpRequest,
    app: web::Data<App>,
    occasion: Occasion,
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let confirmed = spend(&app, &token, &occasion).await;
    if !page::wants_html(&req) {
        return confirmed.map(|(status, ..)| HttpResponse::Ok().json(Confirmation { status }));
    }
    Ok(page::link(&match confirmed {
        Ok((_, purpose, email)) => LinkPage::Done { is_undo: is_undo(purpose.name()), email },
        Err(problem) => LinkPage::Failed(problem),
    }))
}

fn is_undo(purpose: &str) -> bool {
    purpose == Purpose::UndoEmailChange.name()
}

async fn describe(app: &App, token: &str) -> Result<LinkDescription, Problem> {
    let link = app.links.read(token, PURPOSES, app.clock.now())?;
    let described = app.db.run(async |conn| match link.purpose {
        Purpose::ChangeEmail => change::describe(conn, &link).await,
        Purpose::UndoEmailChange => undo::describe(conn, &link).await,
        _ => registration::describe(conn, &link).await,
    });
    let described = described.await?.ok_or_else(|| Problem::new(Code::LinkUsed))?;
    Ok(LinkDescription {
        purpose: link.purpose.name(),
        email: described.email,
        expires_at: link.expires_at,
        confirmed: described.is_done,
    })
}

async fn spend(app: &App, token: &str, occasion: &Occasion) -> Result<(ConfirmationStatus, Purpose, String), Problem> {
    let link = app.links.read(token, PURPOSES, occasion.at)?;
    let spent = app.db.transaction(async |conn| match link.purpose {
        Purpose::ChangeEmail => change::spend(conn, &link, occasion).await,
        Purpose::UndoEmailChange => undo::spend(conn, &link, occasion).await,
        _ => registration::spend(conn, &link, occasion).await,
    });
    match spent.await? {
        Spent::Now(email) => Ok((ConfirmationStatus::Confirmed, link.purpose, email)),
        Spent::Before(email) => Ok((ConfirmationStatus::AlreadyConfirmed, link.purpose, email)),
        Spent::Void => Err(Problem::new(Code::LinkUsed)),
    }
}
