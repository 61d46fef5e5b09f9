//! The development mailbox, over JSON and as pages.
//!
//! It shows live links to anyone who can reach it, so it answers 404 as soon as mails go to an SMTP server, and under any
//! host name but those of this machine: a page of a stranger could otherwise read it under a name that it points here.

use actix_web::http::header::HOST;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::config::is_loopback_url;
use crate::flows::documented_errors::{Missing, ServerErrors};
use crate::http::pages;
use crate::mail::Mailbox;
use crate::mail::mailbox::Mail;
use crate::problem::{Code, Problem};

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
    let mails = mailbox(&app, &req)?.list().await.map_err(Problem::internal)?;
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
    let mail = mailbox(&app, &req)?.find(id).await.map_err(Problem::internal)?.ok_or_else(missing)?;
    if pages::wants_html(&req) {
        let source = mailbox(&app, &req)?.find_source(id).await.map_err(Problem::internal)?;
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
pub async fn delete_mails(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    mailbox(&app, &req)?.clear().await.map_err(Problem::internal)?;
    Ok(HttpResponse::NoContent().finish())
}

fn mailbox<'a>(app: &'a App, req: &HttpRequest) -> Result<&'a Mailbox, Problem> {
    let host = req.headers().get(HOST).and_then(|host| host.to_str().ok());
    let url = host.and_then(|host| Url::parse(&format!("http://{host}")).ok());
    let is_ours = url.is_some_and(|url| is_loopback_url(&url) || url.host() == app.config.public_url.host());
    app.mailer.mailbox().filter(|_| is_ours).ok_or_else(|| Problem::new(Code::NotFound))
}
