//! A forgotten password: a link to the address sets another one.
//!
//! The answer is the same for every address, or it would tell who has an account.

use actix_web::{HttpResponse, web};
use diesel::QueryResult;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::mail::{LetterKind, Promise, queue};
use crate::problem::Problem;
use crate::user::{Email, queries};

use super::answers::ResetSent;
use super::responses::{BodyProblems, DatabaseFaults};

/// Whose password is forgotten.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    /// The address of the account.
    #[schema(value_type = String, format = "idn-email", example = "ada@example.com")]
    email: Email,
}

impl FromFields for Forgotten {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { email: fields.parsed("email", Email::parse)? })
    }
}

/// Ask for a link to set a new password
///
/// It goes to the confirmed account of the address, else to the newest unconfirmed one. The answer is the same for every
/// address.
#[utoipa::path(
    post, path = "/password/forgot", tag = "password", request_body = Forgotten,
    responses((status = 202, description = "If there is an account, a letter is on its way", body = ResetSent),
              BodyProblems, DatabaseFaults)
)]
pub async fn request_password_reset(
    app: web::Data<App>,
    occasion: Occasion,
    Json(forgotten): Json<Forgotten>,
) -> Result<HttpResponse, Problem> {
    app.db.transaction(async |conn| promise(conn, &forgotten.email, &occasion).await).await?;
    app.mailer.wake();
    Ok(HttpResponse::Accepted().json(ResetSent::BODY))
}

async fn promise(conn: &mut Connection, email: &Email, occasion: &Occasion) -> QueryResult<()> {
    let Some(candidates) = queries::find_candidates_by_email(conn, email).await? else {
        return Ok(());
    };
    // The confirmed account comes first, then the newest.
    let Some((user, _)) = candidates.accounts.first().filter(|(user, _)| !user.is_disabled()) else {
        return Ok(());
    };
    let promise = Promise::to_account(LetterKind::ResetPassword, user.id());
    if queue::insert(conn, promise, occasion).await? == 0 {
        // It is promised already: asking again and again shall not fill somebody's events.
        return Ok(());
    }
    event::record(conn, user.id(), EventKind::PasswordResetRequested, occasion).await
}
