//! Registration: an unconfirmed account, and an email with a link to confirm its address.
//!
//! A known address changes nothing here, neither the answer nor the work. Otherwise anybody could find out who has an
//! account.

use std::fmt;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::NewAccount;
use crate::app::App;
use crate::audit::Actor;
use crate::flows::documented_errors::{BodyErrors, HashingErrors, RateLimits, UsernameTaken};
use crate::http::{Fields, FromFields, Json};
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::user::{Email, Username};

/// The account to register.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Compared without case, and in one Unicode spelling.
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
    /// At least 8 characters (`PASSWORD_MIN_LENGTH`), and hard to guess.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256, example = "plum-orbit-kettle-42")]
    password: String,
    /// A public name to sign in with: letters, digits and `. _ -`; unique, without case.
    #[schema(value_type = Option<String>, min_length = 3, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "ada")]
    username: Option<Username>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the password.
        f.debug_struct("Registration").field("email", &self.email).finish_non_exhaustive()
    }
}

impl FromFields for Registration {
    fn from_fields(fields: &mut Fields, app: &App) -> Option<Self> {
        let email = fields.parsed("email", Email::parse);
        let username = fields.parsed_if_present("username", Username::parse);
        // Whether it is easy to guess is judged after the request is counted.
        let form = |text: &str| app.password_policy.check_form(text).map(|_| text.to_owned());
        let password = fields.parsed("password", form);
        Some(Self { email: email?, password: password?, username: username? })
    }
}

/// An email with a link is on its way to the address.
#[derive(Serialize, ToSchema)]
pub struct Registered {
    #[schema(example = "confirmation_sent", pattern = "^confirmation_sent$")]
    status: &'static str,
    /// A secret of this registration. Send it to `/confirm/{token}` from the same browser or app, and the link needs no
    /// password there. `/confirm/code` takes it with the code of the email.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    registration: String,
}

/// Register an account
///
/// Sends an email with a link to the address. The account can sign in at once, but only a confirmed one passes the
/// guard. The answer is the same whether the address is known or not.
#[utoipa::path(
    post, path = "/register", tag = "account", request_body = Registration,
    responses((status = 202, description = "An email is on its way", body = Registered,
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
    let created = app.accounts.create(Actor::Owner(&request), &new).await?;
    let registration = created.registration.reveal().to_owned();
    Ok(HttpResponse::Accepted().json(Registered { status: "confirmation_sent", registration }))
}
