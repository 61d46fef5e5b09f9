//! The same for a browser: a form, for services without a page of their own for the link. Works without scripts.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;

use crate::app::App;
use crate::http::form_field;
use crate::http::pages::{self, ResetPage};
use crate::problem::{Code, Problem};
use crate::request::RequestContext;
use crate::user::User;

use super::reset::read_link;

/// The form that a link leads to. Viewing it spends nothing.
pub async fn reset_form(app: web::Data<App>, token: web::Path<String>) -> HttpResponse {
    pages::reset(&app.templates, &form(&app, &token, None).await)
}

pub async fn submit_form(
    app: web::Data<App>,
    request: RequestContext,
    token: web::Path<String>,
    form_data: PasswordForm,
) -> HttpResponse {
    let page = match reset(&app, &token, &form_data.password, &request).await {
        Ok(user) => ResetPage::Done { email: user.email },
        Err(problem) if problem.code == Code::ValidationFailed => {
            let complaint = problem.errors.into_iter().next().map(|error| error.detail);
            form(&app, &token, complaint).await
        }
        Err(problem) => ResetPage::Failed(problem),
    };
    pages::reset(&app.templates, &page)
}

async fn form(app: &App, token: &str, complaint: Option<String>) -> ResetPage {
    let found = async { Ok(app.accounts.find_by_reset_link(&read_link(app, token)?).await?) };
    match found.await {
        Ok(user) => ResetPage::Ask { email: user.email, complaint },
        Err(problem) => ResetPage::Failed(problem),
    }
}

async fn reset(app: &App, token: &str, password: &str, request: &RequestContext) -> Result<User, Problem> {
    Ok(app.accounts.reset_password(&read_link(app, token)?, password, request).await?)
}

/// The fields of the form.
pub struct PasswordForm {
    password: String,
}

impl FromRequest for PasswordForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let password = form_field(req, payload, "password");
        Box::pin(async move { Ok(Self { password: password.await? }) })
    }
}
