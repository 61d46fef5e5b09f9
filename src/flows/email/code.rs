//! The code of a confirmation email: typed where the person signed up, when the email is read elsewhere.
//!
//! The code proves the mailbox, `registration` proves the registration. Eight digits can be guessed, so they confirm nothing
//! without the registration, and the tries with it are few. One answer for everything that is wrong, also for a registration
//! that does not exist or can never be confirmed: otherwise a stranger who registers an address could find out whether it has
//! an account. It looks at no session, but has one in the route table: then a page of another origin is refused here as it
//! is with a link.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, CodeErrors, CrossOrigin, DatabaseErrors, RateLimits};
use crate::flows::views::{Confirmation, ConfirmationStatus};
use crate::http::{Fields, FromFields, Json};
use crate::link::Code;
use crate::problem::{FieldIssue, Problem};
use crate::request::RequestContext;
use crate::token::Token;

/// The registration to confirm, and the code from the email.
#[derive(ToSchema)]
#[schema(as = CodeConfirmation)]
#[serde(deny_unknown_fields)]
pub struct CodeConfirmation {
    /// What `POST /register` answered.
    #[schema(value_type = String)]
    registration: Token,
    /// As typed or pasted: whatever is no digit is ignored, and eight digits must remain.
    #[schema(value_type = String, max_length = 256, example = "1234 5678")]
    code: Code,
}

impl FromFields for CodeConfirmation {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let registration = fields.text("registration");
        let code = fields.parsed("code", |text| {
            Code::parse(text).ok_or_else(|| FieldIssue::new("malformed", "must be the eight digits from the email"))
        });
        // What is no registration is answered like an unknown one, and as fast: a random token is unknown.
        let registration = Token::parse(&registration?).unwrap_or_else(Token::random);
        Some(Self { registration, code: code? })
    }
}

/// Confirm an address with a code
///
/// The confirmation email has a code beside its link: eight digits that work for 15 minutes and can be tried 5 times. With
/// the `registration` that `POST /register` answered, it does the same as the link.
#[utoipa::path(
    post, path = "/confirm/code", tag = "account", request_body = CodeConfirmation,
    responses((status = 200, description = "The address is confirmed", body = Confirmation),
              BodyErrors, CodeErrors, CrossOrigin, RateLimits, DatabaseErrors)
)]
pub async fn confirm_with_code(
    app: web::Data<App>,
    request: RequestContext,
    Json(CodeConfirmation { registration, code }): Json<CodeConfirmation>,
) -> Result<HttpResponse, Problem> {
    let was_confirmed = app.accounts.spend_code((&app.links.codes, code), registration, &request).await?;
    let status = ConfirmationStatus::new(was_confirmed);
    Ok(HttpResponse::Ok().json(Confirmation { status, reset_token: None }))
}
