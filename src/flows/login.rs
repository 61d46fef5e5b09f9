//! Login: an account's name and password against a new session.
//!
//! Exactly one hash is computed, whoever is asked for: an unknown account, one of several of an address, a wrong
//! password. If it were more or fewer, the time of the answer would tell who has an account.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Client;
use crate::password::{HashParameters, Password, PasswordHash};
use crate::problem::{Code, FieldIssue, Problem};
use crate::session::{self, NewSession, Transport};
use crate::user::queries::{self, Candidates};
use crate::user::{Email, User, Username};

use super::answers::AccountView;
use super::responses::{BodyProblems, HashingFaults, WrongCredentials};

/// Who wants to sign in: either `email` or `username`, and the password.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The address of the account.
    #[schema(value_type = Option<String>, format = "idn-email", example = "ada@example.com")]
    email: Option<Email>,
    /// The username of the account, instead of the address.
    #[schema(value_type = Option<String>)]
    username: Option<Username>,
    /// The password.
    #[schema(value_type = String, format = Password, example = "plum-orbit-kettle-42")]
    password: Password,
    /// Whether the session outlives the browser: 30 days instead of 12 hours.
    #[schema(value_type = Option<bool>, default = false)]
    remember: bool,
    /// How the token is handed over: as a cookie, or in the answer, to be sent as `Authorization: Bearer`.
    #[schema(value_type = Option<TransportName>, default = "cookie")]
    transport: Transport,
}

/// How the token of a session is handed over.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "the schema of a value that is parsed by hand")]
pub enum TransportName {
    /// As the session cookie.
    Cookie,
    /// As `token` in the answer.
    Bearer,
}

/// Somebody is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Login {
    /// Who.
    user: AccountView,
    /// With which session.
    session: SessionHandle,
}

/// A session as its client gets it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionHandle {
    /// Its identity; no secret.
    id: Uuid,
    /// When it ends at the latest.
    expires_at: DateTime<Utc>,
    /// The secret, with the transport `bearer` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    token: Option<String>,
}

impl FromFields for Credentials {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let email = fields.parsed_if_present("email", Email::parse);
        let username = fields.parsed_if_present("username", Username::parse);
        match (&email, &username) {
            (Some(None), Some(None)) => fields.complain("email", "required", "give either email or username"),
            (Some(Some(_)), Some(Some(_))) => {
                fields.complain("username", "ambiguous", "give either email or username, not both");
            }
            _ => {}
        }
        let password = fields.text("password");
        let remember = fields.flag("remember");
        let transport = fields.parsed_if_present("transport", |text| {
            text.parse::<Transport>().map_err(|()| FieldIssue::new("unknown_value", "must be \"cookie\" or \"bearer\""))
        });
        Some(Self {
            email: email?,
            username: username?,
            password: Password::new(&password?),
            remember: remember?,
            transport: transport?.unwrap_or(Transport::Cookie),
        })
    }
}

/// Sign in
///
/// With the address or the username. A session that the request presents ends. An account can sign in before its
/// address is confirmed, but does not pass the guard.
#[utoipa::path(
    post, path = "/login", tag = "session", request_body = Credentials,
    responses((status = 200, description = "Signed in; with the transport `cookie` the session cookie is set",
               body = Login, headers(("Set-Cookie" = Option<String>, description = "The session cookie"))),
              WrongCredentials, BodyProblems, HashingFaults)
)]
pub async fn create_session(
    req: HttpRequest,
    app: web::Data<App>,
    client: Client,
    Json(credentials): Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let candidates = find_candidates(&app, &credentials).await?;
    let (parameters, accounts) = match candidates {
        Some(Candidates { parameters, accounts }) => (parameters, accounts),
        None => (HashParameters::random(app.config.bcrypt_cost), Vec::new()),
    };
    let hash = app.hashing.hash(&credentials.password, parameters).await?;
    // All are compared, the confirmed account first: which one it is takes no other time.
    let matching = accounts.into_iter().filter(|(_, stored)| stored.matches(&hash)).collect::<Vec<_>>();
    let (user, _) = matching.into_iter().next().ok_or_else(|| Problem::new(Code::InvalidCredentials))?;

    let session = NewSession::new(&app.config.session, client, credentials.remember, app.clock.now());
    let is_inserted =
        app.db.transaction(async |conn| session::queries::insert(conn, &session, &user, &hash).await).await?;
    if !is_inserted {
        return Err(Problem::new(Code::InvalidCredentials));
    }
    if parameters.cost != app.config.bcrypt_cost {
        renew_hash(&app, &user, &credentials.password).await;
    }
    session::sign_in(&req, &user, &session, credentials.transport)?;
    Ok(HttpResponse::Ok().json(answer(&user, &session, credentials.transport)))
}

async fn find_candidates(app: &App, credentials: &Credentials) -> Result<Option<Candidates>, Problem> {
    let found = app.db.run(async |conn| match (&credentials.email, &credentials.username) {
        (Some(email), _) => queries::find_candidates_by_email(conn, email).await,
        (None, Some(username)) => queries::find_candidates_by_username(conn, username).await,
        (None, None) => Ok(None),
    });
    found.await.map_err(Problem::from)
}

fn answer(user: &User, session: &NewSession, transport: Transport) -> Login {
    let token = (transport == Transport::Bearer).then(|| session.token.reveal().to_owned());
    Login {
        user: AccountView::from(user),
        session: SessionHandle { id: session.id, expires_at: session.expires_at, token },
    }
}

/// Hashes with the cost that is set now. If that does not work, the old hash serves as before.
async fn renew_hash(app: &App, user: &User, password: &Password) {
    let parameters = HashParameters::random(app.config.bcrypt_cost);
    let renewed = async {
        let hash: PasswordHash = app.hashing.hash(password, parameters).await?;
        let set = app.db.transaction(async |conn| {
            queries::lock_address(conn, &user.email_canonical, parameters, app.clock.now()).await?;
            queries::set_password_hash_if_alone(conn, user, &hash, parameters).await
        });
        set.await.map_err(Problem::from)
    };
    if let Err(problem) = renewed.await {
        log::warn!("the password hash of {} was not renewed: {problem}", user.id);
    }
}
