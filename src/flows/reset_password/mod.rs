//! A new password by a link: it works once, as it refers to the password that it replaces.
//!
//! It proves the address as well, so it confirms it. Everybody is signed out, the failures that were counted are
//! forgotten, and a change of address that waits is dropped: whoever comes this way may be taking the account back.

mod form;

pub use form::{reset_form, submit_form};

use actix_web::{HttpResponse, web};
use diesel::QueryResult;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::link::{Link, Purpose};
use crate::mail::{LetterKind, Promise, queue};
use crate::password::{HashParameters, NewPassword, PasswordHash};
use crate::problem::{Code, FieldIssue, FieldProblem, Problem};
use crate::user::{User, changes, email_change, queries};
use crate::{session, throttle};

use super::responses::{BodyProblems, HashingFaults, LinkProblems};

/// A new password, and the token that allows it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// The token of the link.
    token: String,
    /// The new password: 8 characters or more (`PASSWORD_MIN_LENGTH`), and not easy to guess.
    #[schema(format = Password, max_length = 256, example = "brick-violet-otter-19")]
    password: String,
}

impl FromFields for PasswordReset {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let (token, password) = (fields.text("token"), fields.text("password"));
        Some(Self { token: token?, password: password? })
    }
}

/// Set a new password by a link
///
/// Every session of the account ends. A password that is refused does not spend the link.
#[utoipa::path(
    post, path = "/password/reset", tag = "password", request_body = PasswordReset,
    responses((status = 204, description = "The password is set"), BodyProblems, LinkProblems, HashingFaults)
)]
pub async fn reset_password(
    app: web::Data<App>,
    occasion: Occasion,
    Json(reset): Json<PasswordReset>,
) -> Result<HttpResponse, Problem> {
    reset_by(&app, &occasion, &reset.token, &reset.password).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Policy first, as a refused password must not spend the link; the hash next, outside of the transaction; the link last.
async fn reset_by(app: &App, occasion: &Occasion, token: &str, typed: &str) -> Result<User, Problem> {
    let _permit = app.hasher.reserve()?;
    let (link, user, parameters) = find(app, token).await?;
    let password = judge(app, &user, typed)?;
    let hash = app.hasher.hash(password.password(), &parameters).await?;
    let spent = app.db.transaction(async |conn| spend(conn, &link, &user, &parameters, &hash, occasion).await).await?;
    if !spent {
        return Err(Problem::new(Code::LinkUsed));
    }
    app.mailer.wake();
    Ok(user)
}

/// The account of a link that can still be spent.
async fn find(app: &App, token: &str) -> Result<(Link, User, HashParameters), Problem> {
    let link = app.links.read(token, &[Purpose::ResetPassword], app.clock.now())?;
    let found = app.db.run(async |conn| {
        let user = queries::find(conn, link.user_id).await?;
        let parameters = queries::find_parameters(conn, &link.email_canonical).await?;
        let is_taken = queries::is_address_taken(conn, &link.email_canonical).await?;
        QueryResult::Ok(user.zip(parameters).filter(|(user, _)| user.is_confirmed() || !is_taken))
    });
    let is_meant = |user: &User| {
        user.email_canonical == link.email_canonical
            && Some(user.password_reference()) == link.reference
            && !user.is_disabled()
    };
    let found = found.await?.filter(|(user, _)| is_meant(user));
    let (user, parameters) = found.ok_or_else(|| Problem::new(Code::LinkUsed))?;
    Ok((link, user, parameters))
}

fn judge(app: &App, user: &User, typed: &str) -> Result<NewPassword, Problem> {
    let own_words = [user.email.as_str(), user.username.as_deref().unwrap_or_default()];
    app.password_policy.check(typed, &own_words).map_err(|weak| {
        let issue = FieldIssue::from(weak);
        Problem::validation_failed(vec![FieldProblem::new("password", issue)])
    })
}

async fn spend(
    conn: &mut Connection,
    link: &Link,
    user: &User,
    parameters: &HashParameters,
    hash: &PasswordHash,
    occasion: &Occasion,
) -> QueryResult<bool> {
    let (id, canonical) = (user.id(), link.email_canonical.as_str());
    queries::lock_known_address(conn, canonical).await?;
    let is_current = queries::find_parameters(conn, canonical).await?.as_ref() == Some(parameters);
    if !is_current || !changes::set_password(conn, id, user.password_set_at, hash, occasion.at).await? {
        return Ok(false);
    }
    if queries::set_confirmed(conn, id, canonical, occasion.at).await? {
        queries::delete_unconfirmed_of(conn, canonical).await?;
        event::record(conn, id, EventKind::Confirmed, occasion).await?;
    }
    email_change::delete_pending(conn, id).await?;
    session::queries::delete_all(conn, id, None).await?;
    throttle::lift(conn, user).await?;
    event::record(conn, id, EventKind::PasswordReset, occasion).await?;
    let told = Promise::to_address(LetterKind::PasswordChanged, id, &user.email);
    queue::insert(conn, told, occasion).await?;
    Ok(true)
}
