//! Another password, by an owner who knows the current one. Every other session ends: a thief
//! who knew the old password may be behind one.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::Error;
use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, ConfirmedReauth, HashingErrors, RateLimits};
use crate::flows::views::SessionHandle;
use crate::http::extract::Confirmed;
use crate::http::{Fields, FromFields, Json};
use crate::password::Password;
use crate::problem::Problem;
use crate::request::RequestContext;
use crate::session::{self, HandOver};

/// The current password and the new one.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    current_password: Password,
    /// At least 8 characters (`PASSWORD_MIN_LENGTH`), and hard to guess.
    #[schema(format = Password, max_length = 256, example = "brick-violet-otter-19")]
    new_password: String,
}

/// The session with its new token; the old token is dead.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewToken {
    session: SessionHandle,
}

impl FromFields for PasswordChange {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let (current, new) = (fields.text("current_password"), fields.text("new_password"));
        Some(Self { current_password: Password::new(&current?), new_password: new? })
    }
}

/// Change your password
///
/// Every other session ends, this one gets a new token, and the owner gets an email.
#[utoipa::path(
    post, path = "/password/change", tag = "password", request_body = PasswordChange,
    responses((status = 204, description = "The password is changed; the session cookie has a new token",
               headers(("Set-Cookie" = Option<String>, description = "The session cookie"))),
              (status = 200, description = "The same, for a session that is sent as `Authorization: Bearer`",
               body = NewToken),
              ConfirmedReauth, BodyErrors, RateLimits, HashingErrors),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn change_password(
    req: HttpRequest,
    Confirmed { user, session_id, .. }: Confirmed,
    app: web::Data<App>,
    request: RequestContext,
    Json(change): Json<PasswordChange>,
) -> Result<HttpResponse, Problem> {
    // First: a new password that is refused is no try to prove the current one.
    let new = app.accounts.check_password(&user, &change.new_password).map_err(name_field)?;
    let reauth = app.accounts.reauthenticate(&user, &change.current_password, &request).await?;
    let session = app.accounts.change_password(&reauth, session_id, &new, &request).await?;
    let hand_over = HandOver::like(&req);
    session::replace_token(&req, &session, hand_over)?;
    Ok(match hand_over.token(&session) {
        Some(token) => HttpResponse::Ok().json(NewToken { session: SessionHandle::new(&session, Some(token)) }),
        None => HttpResponse::NoContent().finish(),
    })
}

fn name_field(error: Error) -> Problem {
    match error {
        Error::WeakPassword(weak) => Problem::weak_password("new_password", weak),
        error => error.into(),
    }
}
