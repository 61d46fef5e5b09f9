//! Leaving: the account, its sessions and the letters that wait are gone in one transaction.
//!
//! It asks for the password, as a stolen session must not be able to do it.

use actix_web::{HttpRequest, HttpResponse, web};
use diesel::QueryResult;
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Occasion;
use crate::db::Connection;
use crate::guard::SignedIn;
use crate::mail::{Promise, queue};
use crate::password::Password;
use crate::problem::{Code, Problem};
use crate::proof::{self, Proved};
use crate::session;
use crate::user::{User, changes};

use super::responses::{BodyProblems, HashingFaults, SignedInAsksPassword, Throttled};

/// The current password.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountDeletion {
    /// The current password.
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    password: Password,
}

impl FromFields for AccountDeletion {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { password: Password::new(&fields.text("password")?) })
    }
}

/// Delete one's account
///
/// With everything that is stored about it. Also before the address is confirmed.
#[utoipa::path(
    delete, path = "/me", tag = "account", request_body = AccountDeletion,
    responses((status = 204, description = "The account is gone"),
              SignedInAsksPassword, BodyProblems, Throttled, HashingFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn delete_account(
    req: HttpRequest,
    signed_in: SignedIn,
    app: web::Data<App>,
    occasion: Occasion,
    Json(deletion): Json<AccountDeletion>,
) -> Result<HttpResponse, Problem> {
    let user = &signed_in.user;
    let proved = proof::current_password(&app, &occasion, user, &deletion.password).await?;
    if !app.db.transaction(async |conn| delete(conn, user, &proved, &occasion).await).await? {
        return Err(Problem::new(Code::Unauthenticated));
    }
    session::sign_out(&req)?;
    app.mailer.wake();
    Ok(HttpResponse::NoContent().finish())
}

async fn delete(conn: &mut Connection, user: &User, proved: &Proved, occasion: &Occasion) -> QueryResult<bool> {
    if !changes::lock_unchanged(conn, user).await? {
        return Ok(false);
    }
    proved.attempt.settle(conn, user).await?;
    let is_deleted = changes::delete(conn, user).await?;
    // An address that nobody proved gets no farewell: it may be a stranger's.
    if is_deleted && user.is_confirmed() {
        queue::insert(conn, Promise::farewell(&user.email), occasion).await?;
    }
    Ok(is_deleted)
}
