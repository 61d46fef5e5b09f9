//! Another password, by somebody who knows the current one. Every other session ends: whoever knew the old password
//! may be behind one.

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
use crate::password::{Password, PasswordHash};
use crate::problem::{Code, FieldIssue, FieldProblem, Problem};
use crate::proof::{self, Proved};
use crate::session;
use crate::user::{changes, email_change};

use super::responses::{AsksPassword, BodyProblems, HashingFaults, Throttled};

/// The current password and another one.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The current one.
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    current_password: Password,
    /// The new one: 8 characters or more (`PASSWORD_MIN_LENGTH`), and not easy to guess.
    #[schema(format = Password, max_length = 256, example = "brick-violet-otter-19")]
    new_password: String,
}

impl FromFields for PasswordChange {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let (current, new) = (fields.text("current_password"), fields.text("new_password"));
        Some(Self { current_password: Password::new(&current?), new_password: new? })
    }
}

/// Change one's password
///
/// Every other session ends, and the owner is told by mail.
#[utoipa::path(
    post, path = "/password/change", tag = "password", request_body = PasswordChange,
    responses((status = 204, description = "The password is changed"),
              AsksPassword, BodyProblems, Throttled, HashingFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn change_password(
    confirmed: Confirmed,
    app: web::Data<App>,
    occasion: Occasion,
    Json(change): Json<PasswordChange>,
) -> Result<HttpResponse, Problem> {
    let user = &confirmed.user;
    let own_words = [user.email.as_str(), user.username.as_deref().unwrap_or_default()];
    let judged = app.password_policy.check(&change.new_password, &own_words);
    let new_password = judged
        .map_err(|weak| Problem::validation_failed(vec![FieldProblem::new("new_password", FieldIssue::from(weak))]))?;
    let proved = proof::current_password(&app, &occasion, user, &change.current_password).await?;
    let hash = app.hashing.hash(new_password.password(), &proved.parameters).await?;
    let set = app.db.transaction(async |conn| set(conn, &confirmed, &proved, &hash, &occasion).await).await?;
    if !set {
        // Another change, or a reset, was quicker: the session that asked is gone with it.
        return Err(Problem::new(Code::Unauthenticated));
    }
    app.mailer.wake();
    Ok(HttpResponse::NoContent().finish())
}

async fn set(
    conn: &mut Connection,
    confirmed: &Confirmed,
    proved: &Proved,
    hash: &PasswordHash,
    occasion: &Occasion,
) -> QueryResult<bool> {
    let Confirmed { user, session_id } = confirmed;
    if !changes::set_password(conn, user.id(), user.password_set_at, hash, occasion.at).await? {
        return Ok(false);
    }
    proved.attempt.settle(conn, user).await?;
    // Whoever knew the old password may have asked for another address.
    email_change::delete_pending(conn, user.id()).await?;
    session::queries::delete_all(conn, user.id(), Some(*session_id)).await?;
    event::record(conn, user.id(), EventKind::PasswordChanged, occasion).await?;
    let told = Promise::to_address(LetterKind::PasswordChanged, user.id(), &user.email);
    queue::insert(conn, told, occasion).await?;
    Ok(true)
}
