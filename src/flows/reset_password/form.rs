//! The same for a browser: a form, for those who have no front-end of their own for the link. Works without scripts.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use url::form_urlencoded;

use crate::app::App;
use crate::body::read_form;
use crate::client::Occasion;
use crate::page::{self, ResetPage};
use crate::problem::{Code, Problem};

/// The form that a link leads to. Looking at it spends nothing.
pub async fn reset_form(app: web::Data<App>, token: web::Path<String>) -> HttpResponse {
    match super::find(&app, &token).await {
        Ok((_, user, _)) => page::reset(&ResetPage::Ask { email: user.email, complaint: None }),
        Err(problem) => page::reset(&ResetPage::Failed(problem)),
    }
}

/// The form, filled in.
pub async fn submit_form(
    app: web::Data<App>,
    occasion: Occasion,
    token: web::Path<String>,
    form: PasswordForm,
) -> HttpResponse {
    match super::reset_by(&app, &occasion, &token, &form.password).await {
        Ok(user) => page::reset(&ResetPage::Done { email: user.email }),
        Err(problem) if problem.code == Code::ValidationFailed => match super::find(&app, &token).await {
            Ok((_, user, _)) => {
                let complaint = problem.errors.into_iter().next().map(|error| error.detail);
                page::reset(&ResetPage::Ask { email: user.email, complaint })
            }
            Err(problem) => page::reset(&ResetPage::Failed(problem)),
        },
        Err(problem) => page::reset(&ResetPage::Failed(problem)),
    }
}

/// The fields of the form.
pub struct PasswordForm {
    password: String,
}

impl FromRequest for PasswordForm {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read_form(req, payload);
        Box::pin(async move {
            let bytes = form.await?;
            let password = form_urlencoded::parse(&bytes).find(|(name, _)| name == "password");
            Ok(Self { password: password.map(|(_, value)| value.into_owned()).unwrap_or_default() })
        })
    }
}
