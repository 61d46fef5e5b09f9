//! Registration: an unconfirmed account, and an email with a link to confirm its address.
//!
//! A known address changes nothing here, neither the answer nor the work. Otherwise anybody could find out who has an
//! account.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::account::NewAccount;
use crate::app::App;
use crate::audit::Actor;
use crate::flows::documented_errors::{BodyErrors, HashingErrors, RateLimits, UsernameTaken};
use crate::flows::views::ConfirmationSent;
use crate::http::{Fields, FromFields, Json};
use crate::password::NewPassword;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::{Email, Username};

/// The account to register.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Compared without case, and in one Unicode spelling.
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
    /// At least 8 characters (`PASSWORD_MIN_LENGTH`), and hard to guess.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256, example = "plum-orbit-kettle-42")]
    password: NewPassword,
    /// A public name to sign in with: letters, digits and `. _ -`; unique, without case.
    #[schema(value_type = Option<String>, min_length = 3, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "ada")]
    username: Option<Username>,
}

impl FromFields for Registration {
    fn from_fields(fields: &mut Fields, app: &App) -> Option<Self> {
        let email = fields.parsed("email", Email::parse);
        let username = fields.parsed_if_present("username", Username::parse);
        let own_words = [
            email.as_ref().map_or("", Email::as_typed),
            username.as_ref().and_then(Option::as_ref).map_or("", Username::as_typed),
        ];
        let password = fields.parsed("password", |text| app.password_policy.check(text, &own_words));
        Some(Self { email: email?, password: password?, username: username? })
    }
}

/// Register an account
///
/// Sends an email with a link to the address. The account can sign in at once, but only a confirmed one passes the
/// guard. The answer is the same whether the address is known or not.
#[utoipa::path(
    post, path = "/register", tag = "account", request_body = Registration,
    responses((status = 202, description = "An email is on its way", body = ConfirmationSent,
               // Without `requestBody`: openapi-generator takes an expression for the whole body only.
               links(("sign_in" = (operation_id = "create_session",
                                   description = "With the same `email` and `password`.")),
                     ("send_again" = (operation_id = "resend_confirmation", description = "With the same `email`.")))),
              BodyErrors, UsernameTaken, RateLimits, HashingErrors)
)]
pub async fn register_account(
    app: web::Data<App>,
    request: RequestContext,
    Json(Registration { email, password, username }): Json<Registration>,
) -> Result<HttpResponse, Problem> {
    let new = NewAccount { email, username, password, is_confirmed: false };
    app.accounts.create(Actor::Owner(&request), &new).await?;
    Ok(HttpResponse::Accepted().json(ConfirmationSent::BODY))
}
