//! The link again: for the account that is signed in, or for each unconfirmed account of an address.
//!
//! The answer is the same for every address, or it would tell who has an account. A letter that waits already is not
//! queued a second time, or anybody could fill somebody's inbox.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::guard::Anyone;
use crate::mail::{LetterKind, Occasion, queue};
use crate::problem::Problem;
use crate::user::{Email, User};

use super::answers::ConfirmationSent;
use super::responses::{BodyProblems, DatabaseFaults, ForeignOrigin};

/// Whose link is wanted.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    /// The address.
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
}

impl FromFields for Resend {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { email: fields.parsed("email", Email::parse)? })
    }
}

/// For whom the link is: with a session the body is not looked at.
#[derive(Debug)]
pub enum Recipient {
    /// The account that is signed in.
    Account(Box<User>),
    /// The unconfirmed accounts of an address.
    Address(Email),
}

impl FromRequest for Recipient {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let anyone = Anyone::from_request(req, payload).into_inner();
        let body = Json::<Resend>::from_request(req, payload);
        Box::pin(async move {
            match anyone? {
                Anyone(Some(user)) => Ok(Self::Account(Box::new(user))),
                Anyone(None) => body.await.map(|Json(resend)| Self::Address(resend.email)),
            }
        })
    }
}

/// Send the link again
///
/// With a session, the link of its account, whatever the body says. Without one, the link of each unconfirmed account of
/// the address. The answer is the same for every address.
#[utoipa::path(
    post, path = "/resend", tag = "account",
    request_body(content = Resend, description = "Not needed with a session"),
    responses((status = 202, description = "If there is something to confirm, a letter is on its way",
               body = ConfirmationSent),
              BodyProblems, ForeignOrigin, DatabaseFaults),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn resend_confirmation(
    app: web::Data<App>,
    occasion: Occasion,
    recipient: Recipient,
) -> Result<HttpResponse, Problem> {
    app.db
        .transaction(async |conn| match &recipient {
            Recipient::Account(user) if user.is_confirmed() => Ok(0),
            Recipient::Account(user) => queue::insert(conn, user.id(), LetterKind::ConfirmEmail, &occasion).await,
            Recipient::Address(email) => queue::insert_for_unconfirmed(conn, email.canonical(), &occasion).await,
        })
        .await?;
    app.mailer.wake();
    Ok(HttpResponse::Accepted().json(ConfirmationSent::BODY))
}
