//! Login: an account's name and password against a new session.
//!
//! Exactly one hash is computed, whoever is asked for: an unknown account, one of several of an address, a wrong
//! password. If it were more or fewer, the time of the answer would tell who has an account.

mod credentials;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::body::Json;
use crate::client::Client;
use crate::db::Connection;
use crate::password::{HashParameters, Password, PasswordHash};
use crate::problem::{Code, Problem};
use crate::session::{self, NewSession, Transport};
use crate::throttle::{self, LoginAttempt, LoginName};
use crate::user::User;
use crate::user::queries::{self, Candidates};

use super::answers::AccountView;
use super::responses::{BodyProblems, ForeignOrigin, HashingFaults, Throttled, WrongCredentials};
pub use credentials::Credentials;
use credentials::{CredentialsBody, Name};

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

/// Sign in
///
/// With the address or the username. A session that the request presents ends. An account can sign in before its
/// address is confirmed, but does not pass the guard.
#[utoipa::path(
    post, path = "/login", tag = "session", request_body = CredentialsBody,
    responses((status = 200, description = "Signed in; with the transport `cookie` the session cookie is set",
               body = Login, headers(("Set-Cookie" = Option<String>, description = "The session cookie"))),
              WrongCredentials, BodyProblems, ForeignOrigin, Throttled, HashingFaults)
)]
pub async fn create_session(
    req: HttpRequest,
    app: web::Data<App>,
    client: Client,
    Json(credentials): Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let attempt = begin_attempt(&app, &client, &credentials).await?;
    let Candidates { parameters, accounts } = find_candidates(&app, &credentials).await?;
    let hash = match app.hashing.hash(&credentials.password, parameters).await {
        Ok(hash) => hash,
        Err(full) => {
            forgive(&app, attempt.as_ref()).await;
            return Err(full.into());
        }
    };
    // All are compared, the confirmed account first: which one it is takes no other time.
    let matching = accounts.into_iter().filter(|(_, stored)| stored.matches(&hash)).collect::<Vec<_>>();
    let (user, _) = matching.into_iter().next().ok_or_else(|| Problem::new(Code::InvalidCredentials))?;

    let session = NewSession::new(&app.config.session, client, credentials.remember, app.clock.now());
    if !begin_session(&app, &session, &user, &hash, attempt.as_ref()).await? {
        return Err(Problem::new(Code::InvalidCredentials));
    }
    if parameters.cost != app.config.bcrypt_cost {
        renew_hash(&app, &user, &credentials.password).await;
    }
    session::sign_in(&req, &user, &session, credentials.transport)?;
    Ok(HttpResponse::Ok().json(answer(&user, &session, credentials.transport)))
}

/// Counts the attempt as a failure, before its password is looked at. `None` without limits.
async fn begin_attempt(app: &App, client: &Client, credentials: &Credentials) -> Result<Option<LoginAttempt>, Problem> {
    if !app.config.has_rate_limits {
        return Ok(None);
    }
    let name = match &credentials.name {
        Name::Email(email) => LoginName::of_email(email),
        Name::Username(username) => LoginName::of_username(username),
    };
    let now = app.clock.now();
    let begun = app.db.transaction(async |conn| throttle::begin_login(conn, client.ip, &name, now).await).await?;
    Ok(Some(begun?))
}

/// An attempt that no thread had time for is none. If that cannot be written down, it counts: so it fails safe.
async fn forgive(app: &App, attempt: Option<&LoginAttempt>) {
    if let Some(attempt) = attempt {
        let _ = app.db.transaction(async |conn| throttle::forgive_login(conn, attempt).await).await;
    }
}

/// The accounts to compare; none, and parameters to hash with all the same, for an unknown name.
async fn find_candidates(app: &App, credentials: &Credentials) -> Result<Candidates, Problem> {
    let found = app.db.run(async |conn| match &credentials.name {
        Name::Email(email) => queries::find_candidates_by_email(conn, email).await,
        Name::Username(username) => queries::find_candidates_by_username(conn, username).await,
    });
    let unknown = || Candidates { parameters: HashParameters::random(app.config.bcrypt_cost), accounts: Vec::new() };
    Ok(found.await?.unwrap_or_else(unknown))
}

/// One transaction: the session, and the end of the failures. `false` where the password was changed meanwhile.
///
/// An unconfirmed account ends no failures: else registering somebody's address with a guessed password, and signing in,
/// would lift the limit on guessing theirs.
async fn begin_session(
    app: &App,
    session: &NewSession,
    user: &User,
    hash: &PasswordHash,
    attempt: Option<&LoginAttempt>,
) -> Result<bool, Problem> {
    let begin = async |conn: &mut Connection| {
        let is_inserted = session::queries::insert(conn, session, user, hash).await?;
        if let Some(attempt) = attempt.filter(|_| is_inserted && user.is_confirmed()) {
            throttle::settle_login_success(conn, attempt, user).await?;
        }
        Ok(is_inserted)
    };
    Ok(app.db.transaction(begin).await?)
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
