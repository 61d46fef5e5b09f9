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
use crate::password::{HashParameters, Password, PasswordHash};
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

/// How often the new password is hashed when others renew the parameters meanwhile.
const TRIES: usize = 3;

/// What came of setting it.
enum Outcome {
    Set,
    /// A login, or a change of address, gave the account these parameters meanwhile.
    Renewed(HashParameters),
    /// Another change, or a reset, was quicker: the session that asked is gone with it.
    Outrun,
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
    let mut parameters = proved.parameters.clone();
    for _ in 0..TRIES {
        let hash = app.hasher.hash(new_password.password(), &parameters).await?;
        let set = async |conn: &mut Connection| set(conn, &confirmed, &proved, (&parameters, &hash), &occasion).await;
        match app.db.transaction(set).await? {
            Outcome::Set => {
                app.mailer.wake();
                return Ok(HttpResponse::NoContent().finish());
            }
            Outcome::Renewed(current) => parameters = current,
            Outcome::Outrun => return Err(Problem::new(Code::Unauthenticated)),
        }
    }
    Err(Problem::new(Code::Unavailable))
}

async fn set(
    conn: &mut Connection,
    confirmed: &Confirmed,
    proved: &Proved,
    (parameters, hash): (&HashParameters, &PasswordHash),
    occasion: &Occasion,
) -> QueryResult<Outcome> {
    let Confirmed { user, session_id } = confirmed;
    if !changes::lock_unchanged(conn, user).await? {
        return Ok(Outcome::Outrun);
    }
    // A hash under other parameters than those of the address would never match again.
    match changes::find_password(conn, user.id()).await? {
        Some((current, _)) if current == *parameters => {}
        Some((current, _)) => return Ok(Outcome::Renewed(current)),
        None => return Ok(Outcome::Outrun),
    }
    if !changes::set_password(conn, user.id(), user.password_set_at, hash, occasion.at).await? {
        return Ok(Outcome::Outrun);
    }
    proved.attempt.settle(conn, user).await?;
    // Whoever knew the old password may have asked for another address.
    email_change::delete_pending(conn, user.id()).await?;
    session::queries::delete_all(conn, user.id(), Some(*session_id)).await?;
    event::record(conn, user.id(), EventKind::PasswordChanged, occasion).await?;
    let told = Promise::to_address(LetterKind::PasswordChanged, user.id(), &user.email);
    queue::insert(conn, told, occasion).await?;
    Ok(Outcome::Set)
}
