//! Confirmation: a link is described by GET and spent by POST.
//!
//! Mail scanners and link previews follow every link: if GET confirmed, a machine would prove addresses for people.
//! Neither asks for a session nor gives one: the link works on another device, and whoever reads the mail does not get
//! into the account.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::db::Connection;
use crate::link::{Link, Purpose};
use crate::page::{self, LinkPage};
use crate::problem::{Code, Problem};
use crate::user::queries;

use super::responses::{DatabaseFaults, LinkProblems, OrPage};

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
        Ok(link) if link.confirmed => LinkPage::Done { email: link.email },
        Ok(link) => LinkPage::Ask { email: link.email },
        Err(problem) => LinkPage::Failed(problem),
    }))
}

/// Confirm an address
///
/// Spends the link. The other unconfirmed accounts of the address disappear. Needs no session and gives none. A browser's
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
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let confirmed = spend(&app, &token).await;
    if !page::wants_html(&req) {
        return confirmed.map(|(status, _)| HttpResponse::Ok().json(Confirmation { status }));
    }
    Ok(page::link(&match confirmed {
        Ok((_, email)) => LinkPage::Done { email },
        Err(problem) => LinkPage::Failed(problem),
    }))
}

async fn describe(app: &App, token: &str) -> Result<LinkDescription, Problem> {
    let link = app.links.read(token, Purpose::ConfirmEmail, app.clock.now())?;
    let (user, is_taken) = app
        .db
        .run(async |conn| {
            let user = queries::find(conn, link.user_id).await?;
            let is_taken = queries::is_address_taken(conn, &link.email_canonical).await?;
            QueryResult::Ok((user, is_taken))
        })
        .await?;
    let user = user.filter(|user| user.email_canonical == link.email_canonical);
    let user = user.filter(|user| user.is_confirmed() || !is_taken).ok_or_else(|| Problem::new(Code::LinkUsed))?;
    Ok(LinkDescription {
        purpose: link.purpose.name(),
        confirmed: user.is_confirmed(),
        email: user.email,
        expires_at: link.expires_at,
    })
}

async fn spend(app: &App, token: &str) -> Result<(ConfirmationStatus, String), Problem> {
    let now = app.clock.now();
    let link = app.links.read(token, Purpose::ConfirmEmail, now)?;
    let outcome = app.db.transaction(async |conn| confirm(conn, &link, now).await).await?;
    outcome.ok_or_else(|| Problem::new(Code::LinkUsed))
}

/// The lock comes first: a registration of the same address waits, and then finds it taken.
async fn confirm(
    conn: &mut Connection,
    link: &Link,
    now: DateTime<Utc>,
) -> QueryResult<Option<(ConfirmationStatus, String)>> {
    let canonical = link.email_canonical.as_str();
    let Some(user) = queries::find(conn, link.user_id).await?.filter(|user| user.email_canonical == canonical) else {
        return Ok(None);
    };
    queries::lock_known_address(conn, canonical).await?;
    if queries::set_confirmed(conn, link.user_id, canonical, now).await? {
        queries::delete_unconfirmed_of(conn, canonical).await?;
        return Ok(Some((ConfirmationStatus::Confirmed, user.email)));
    }
    // Spent before, perhaps while we waited for the lock; or the account went away meanwhile.
    let user = queries::find(conn, link.user_id).await?;
    let user = user.filter(|user| user.is_confirmed() && user.email_canonical == canonical);
    Ok(user.map(|user| (ConfirmationStatus::AlreadyConfirmed, user.email)))
}
