//! The development mailbox, over JSON and as pages.
//!
//! It shows live links to anyone who can reach it, so it answers 404 as soon as mails go to an SMTP server.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::http::pages;
use crate::mail::Mailbox;
use crate::mail::mailbox::Mail;
use crate::problem::{Code, Problem};

use crate::flows::documented_errors::{Missing, ServerErrors};

/// The mails that were kept instead of sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct MailList {
    /// The newest first.
    mails: Vec<Mail>,
}

/// List the mails
///
/// In development only: 404 once mails go to an SMTP server. A browser gets a page.
#[utoipa::path(
    get, path = "/dev/mailbox", tag = "development",
    responses((status = 200, description = "The mails", content((MailList = "application/json"), (String = "text/html")),
               links(("newest" = (operation_id = "get_mail", parameters(("id" = "$response.body#/mails/0/id")))))),
              Missing, ServerErrors)
)]
pub async fn list_mails(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let mails = mailbox(&app)?.list().await.map_err(Problem::internal)?;
    if pages::wants_html(&req) {
        return Ok(pages::mailbox(&app.templates, &mails));
    }
    Ok(HttpResponse::Ok().json(MailList { mails }))
}

/// Show a mail
///
/// In development only. A browser gets a page.
#[utoipa::path(
    get, path = "/dev/mailbox/{id}", tag = "development",
    params(("id" = Uuid, Path, description = "The id of the mail")),
    responses((status = 200, description = "The mail", content((Mail = "application/json"), (String = "text/html"))),
              Missing, ServerErrors)
)]
pub async fn get_mail(req: HttpRequest, app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || Problem::new(Code::NotFound);
    let id: Uuid = id.parse().map_err(|_| missing())?;
    let mail = mailbox(&app)?.find(id).await.map_err(Problem::internal)?.ok_or_else(missing)?;
    if pages::wants_html(&req) {
        let source = mailbox(&app)?.find_source(id).await.map_err(Problem::internal)?;
        return Ok(pages::mail(&app.templates, &mail, &source.unwrap_or_default()));
    }
    Ok(HttpResponse::Ok().json(mail))
}

/// Empty the mailbox
///
/// In development only.
#[utoipa::path(
    delete, path = "/dev/mailbox", tag = "development",
    responses((status = 204, description = "It is empty"), Missing, ServerErrors)
)]
pub async fn delete_mails(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    mailbox(&app)?.clear().await.map_err(Problem::internal)?;
    Ok(HttpResponse::NoContent().finish())
}

fn mailbox(app: &App) -> Result<&Mailbox, Problem> {
    app.mailer.mailbox().ok_or_else(|| Problem::new(Code::NotFound))
}
