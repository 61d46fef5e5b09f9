//! Another username, or none.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Occasion;
use crate::event::{self, EventKind};
use crate::guard::Confirmed;
use crate::problem::{Code, Problem};
use crate::proof;
use crate::user::{Username, changes};

use super::answers::AccountView;
use super::responses::{BodyProblems, ConfirmedChange, DatabaseFaults, Taken, Throttled};

/// What of an account can be changed without more ado.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// A public name to sign in with, unique without case; `null` takes it away.
    #[schema(value_type = Option<String>, required, min_length = 3, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "countess")]
    username: Option<Username>,
}

impl FromFields for AccountChange {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        Some(Self { username: fields.parsed_or_null("username", Username::parse)? })
    }
}

/// Change one's username
#[utoipa::path(
    patch, path = "/me", tag = "account", request_body = AccountChange,
    responses((status = 200, description = "The account as it is now", body = AccountView),
              ConfirmedChange, BodyProblems, Taken, Throttled, DatabaseFaults),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn update_account(
    confirmed: Confirmed,
    app: web::Data<App>,
    occasion: Occasion,
    Json(change): Json<AccountChange>,
) -> Result<HttpResponse, Problem> {
    let user = &confirmed.user;
    if user.username.as_deref() == change.username.as_ref().map(Username::as_typed) {
        return Ok(HttpResponse::Ok().json(AccountView::from(user)));
    }
    let changed = app.db.transaction(async |conn| {
        let kind = EventKind::UsernameChanged;
        if let Err(problem) = proof::begin_change(conn, &app, user, kind, occasion.at).await? {
            return Ok(Err(problem));
        }
        let changed = changes::set_username(conn, user.id(), change.username.as_ref()).await?;
        event::record(conn, user.id(), kind, &occasion).await?;
        Ok(changed.ok_or_else(|| Problem::new(Code::Unauthenticated)))
    });
    Ok(HttpResponse::Ok().json(AccountView::from(&changed.await??)))
}
