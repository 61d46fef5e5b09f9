//! Another address: it waits until the new one proves itself at `/confirm/{token}`; the old one is told, and can take
//! the change back.
//!
//! If it changed at once, a typing error would lock its owner out, and a stolen session would be a stolen account.

use actix_web::{HttpResponse, web};
use diesel::QueryResult;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::guard::Confirmed;
use crate::mail::{LetterKind, Promise, queue};
use crate::password::Password;
use crate::problem::Problem;
use crate::proof::{self, Proved};
use crate::user::{Email, User, email_change};

use super::answers::ConfirmationSent;
use super::responses::{AsksPassword, BodyProblems, HashingFaults, Throttled};

/// Another address, and the current password.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailChangeRequest {
    /// The current password.
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    password: Password,
    /// The new address.
    #[schema(value_type = String, format = "idn-email", example = "ada@example.org")]
    email: Email,
}

impl FromFields for EmailChangeRequest {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let (password, email) = (fields.text("password"), fields.parsed("email", Email::parse));
        Some(Self { password: Password::new(&password?), email: email? })
    }
}

/// Change one's address
///
/// The new address gets a link, the old one a notice with a link that takes the change back. Only the latest request
/// counts. The answer is the same for an address that belongs to somebody: its owner is told.
#[utoipa::path(
    post, path = "/email/change", tag = "account", request_body = EmailChangeRequest,
    responses((status = 202, description = "A letter is on its way", body = ConfirmationSent),
              AsksPassword, BodyProblems, Throttled, HashingFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn request_email_change(
    confirmed: Confirmed,
    app: web::Data<App>,
    occasion: Occasion,
    Json(request): Json<EmailChangeRequest>,
) -> Result<HttpResponse, Problem> {
    let user = &confirmed.user;
    let proved = proof::current_password(&app, &occasion, user, &request.password).await?;
    let promised = app.db.transaction(async |conn| {
        let kind = EventKind::EmailChangeRequested;
        if let Err(problem) = proof::begin_change(conn, &app, user, kind, occasion.at).await? {
            return Ok(Err(problem));
        }
        promise(conn, user, &proved, &request.email, &occasion).await.map(Ok)
    });
    promised.await??;
    app.mailer.wake();
    Ok(HttpResponse::Accepted().json(ConfirmationSent::BODY))
}

async fn promise(
    conn: &mut Connection,
    user: &User,
    proved: &Proved,
    email: &Email,
    occasion: &Occasion,
) -> QueryResult<()> {
    proved.attempt.settle(conn, user).await?;
    let change = email_change::insert(conn, user.id(), &user.email, email, occasion.at).await?;
    for letter in [LetterKind::ChangeEmail, LetterKind::EmailChangeNotice] {
        queue::insert(conn, Promise::about_change(letter, user.id(), change), occasion).await?;
    }
    event::record(conn, user.id(), EventKind::EmailChangeRequested, occasion).await
}
