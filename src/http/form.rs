//! Forms, as a browser sends them from our own pages, under the limits of other bodies.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use futures_util::future::LocalBoxFuture;
use url::form_urlencoded;

use super::body::{check_content_type, read_in_time};
use crate::problem::Problem;

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a request has a body.
pub fn has_body(req: &HttpRequest) -> bool {
    let header = |name| req.headers().get(name);
    header(TRANSFER_ENCODING).is_some() || header(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Whether the body is a form.
pub fn is_form(req: &HttpRequest) -> bool {
    check_content_type(req, FORM).is_ok()
}

/// The value of a field of the form; empty if it is not there.
pub fn form_field(
    req: &HttpRequest,
    payload: &mut Payload,
    name: &'static str,
) -> LocalBoxFuture<'static, Result<String, Problem>> {
    let checked = check_content_type(req, FORM);
    let payload = payload.take();
    Box::pin(async move {
        checked?;
        let bytes = read_in_time(payload).await?;
        let field = form_urlencoded::parse(&bytes).find(|(key, _)| key == name);
        Ok(field.map(|(_, value)| value.into_owned()).unwrap_or_default())
    })
}
