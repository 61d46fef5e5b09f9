//! Login: a name and a password for a new session.
//!
//! The answer is the same for an unknown name and a wrong password; otherwise it would reveal who has an account.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::SignInName;
use crate::app::App;
use crate::flows::documented_errors::{BodyErrors, CrossOrigin, HashingErrors, RateLimits, WrongCredentials};
use crate::flows::views::{SessionHandle, UserView};
use crate::http::{Fields, FromFields, Json};
use crate::password::Password;
use crate::problem::{FieldIssue, Problem};
use crate::request::RequestContext;
use crate::session::{self, HandOver, Transport};
use crate::user::{Email, Username};

#[derive(Debug)]
pub struct Credentials {
    name: SignInName,
    password: Password,
    remember: bool,
    transport: Transport,
}

/// Either `email` or `username`, and the password.
#[derive(ToSchema)]
#[schema(as = Credentials, example = json!({"email": "ada@example.com", "password": "plum-orbit-kettle-42"}))]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the schema of a body that is read field by field")]
pub struct CredentialsBody {
    #[schema(format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// Instead of the address.
    #[schema(min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    username: Option<String>,
    #[schema(format = Password, example = "plum-orbit-kettle-42")]
    password: String,
    /// Whether the session outlives the browser: 30 days instead of 12 hours.
    /// Default: `false`.
    remember: Option<bool>,
    /// How you get the token: as a cookie, or in the answer to send as `Authorization: Bearer`.
    /// Default: `cookie`.
    transport: Option<TransportName>,
}

/// How a client gets the token of a session.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "the schema of a value that is parsed by hand")]
pub enum TransportName {
    /// As the session cookie.
    Cookie,
    /// As `token` in the answer.
    Bearer,
}

impl FromFields for Credentials {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let email = fields.parsed_if_present("email", Email::parse);
        let username = fields.parsed_if_present("username", Username::parse);
        let name = match (email, username) {
            (Some(Some(email)), Some(None)) => Some(SignInName::Email(email)),
            (Some(None), Some(Some(username))) => Some(SignInName::Username(username)),
            (Some(None), Some(None)) => {
                fields.complain("email", "required", "give either email or username");
                None
            }
            (Some(Some(_)), Some(Some(_))) => {
                fields.complain("username", "ambiguous", "give either email or username, not both");
                None
            }
            _ => None,
        };
        let password = fields.text("password");
        let remember = fields.flag("remember");
        let transport = fields.parsed_if_present("transport", |text| {
            text.parse::<Transport>().map_err(|_| FieldIssue::new("unknown_value", "must be \"cookie\" or \"bearer\""))
        });
        Some(Self {
            name: name?,
            password: Password::new(&password?),
            remember: remember?,
            transport: transport?.unwrap_or(Transport::Cookie),
        })
    }
}

/// A new session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Login {
    user: UserView,
    session: SessionHandle,
}

/// Sign in
///
/// With the address or the username. The session that the request belongs to ends. An account can sign in before its
/// address is confirmed, but does not pass the guard.
#[utoipa::path(
    post, path = "/login", tag = "session", request_body = CredentialsBody,
    responses((status = 200, description = "Signed in; with the transport `cookie` the session cookie is set",
               body = Login, headers(("Set-Cookie" = Option<String>, description = "The session cookie"))),
              WrongCredentials, BodyErrors, CrossOrigin, RateLimits, HashingErrors)
)]
pub async fn create_session(
    req: HttpRequest,
    app: web::Data<App>,
    request: RequestContext,
    Json(Credentials { name, password, remember, transport }): Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let hand_over = HandOver::new(&req, transport)?;
    let (user, session) = app.accounts.sign_in(&name, &password, remember, &request).await?;
    session::sign_in(&req, &user, &session, hand_over)?;
    Ok(HttpResponse::Ok()
        .json(Login { user: UserView::from(&user), session: SessionHandle::new(&session, hand_over.token(&session)) }))
}
