//! Login: an account's name and password against a new session.
//!
//! Exactly one hash is computed, whoever is asked for: an unknown account, one of several of an address, a wrong
//! password. If it were more or fewer, the time of the answer would tell who has an account.

mod credentials;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::body::Json;
use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::password::{HashParameters, Password, PasswordHash};
use crate::problem::{Code, Problem};
use crate::proof::Attempt;
use crate::session::{self, NewSession, Transport};
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
    occasion: Occasion,
    Json(credentials): Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let attempt = Attempt::begin(&app, &occasion, &credentials.name.login_name()).await?;
    let Candidates { parameters, accounts } = find_candidates(&app, &credentials).await?;
    let hash = app.hasher.hash(&credentials.password, &parameters).await?;
    // All are compared, the confirmed account first: which one it is takes no other time.
    let matching = accounts.iter().filter(|(_, stored)| stored.matches(&hash)).collect::<Vec<_>>();
    let Some((user, _)) = matching.first() else {
        return Err(refuse(&app, &occasion, accounts.first()).await);
    };
    let client = occasion.client.clone();
    let session = NewSession::new(&app.config.session, client, credentials.remember, occasion.at);
    let begun = app.db.transaction(async |conn| begin(conn, &session, user, &hash, &attempt, &occasion).await);
    if !begun.await? {
        return Err(refuse(&app, &occasion, accounts.first()).await);
    }
    if !parameters.is_current(app.config.bcrypt_cost) {
        renew_hash(&app, user, &credentials.password, &hash).await;
    }
    session::sign_in(&req, user, &session, credentials.transport)?;
    Ok(HttpResponse::Ok().json(answer(user, &session, credentials.transport)))
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

/// One transaction: the session, the end of the failures, and the event. `false` where the account was disabled, or its
/// password changed meanwhile.
async fn begin(
    conn: &mut Connection,
    session: &NewSession,
    user: &User,
    hash: &PasswordHash,
    attempt: &Attempt,
    occasion: &Occasion,
) -> QueryResult<bool> {
    if !session::queries::insert(conn, session, user, hash).await? {
        return Ok(false);
    }
    attempt.settle(conn, user).await?;
    event::record(conn, user.id(), EventKind::SignedIn, occasion).await?;
    Ok(true)
}

/// The one answer to a login that fails; if the name has an account, its owner can read of it.
async fn refuse(app: &App, occasion: &Occasion, account: Option<&(User, PasswordHash)>) -> Problem {
    if let Some((user, _)) = account {
        let id = user.id();
        let record = async |conn: &mut Connection| event::record(conn, id, EventKind::SignInRefused, occasion).await;
        // An account that was deleted meanwhile has no events any more.
        let _ = app.db.transaction(record).await.inspect_err(|error| log::debug!("an event was not kept: {error}"));
    }
    Problem::new(Code::InvalidCredentials)
}

fn answer(user: &User, session: &NewSession, transport: Transport) -> Login {
    let token = (transport == Transport::Bearer).then(|| session.token.reveal().to_owned());
    Login {
        user: AccountView::from(user),
        session: SessionHandle { id: session.id, expires_at: session.expires_at, token },
    }
}

/// Hashes with the cost that is set now. If that does not work, the old hash serves as before.
async fn renew_hash(app: &App, user: &User, password: &Password, replaced: &PasswordHash) {
    let parameters = HashParameters::random(app.config.bcrypt_cost);
    let renewed = async {
        let hash: PasswordHash = app.hasher.hash(password, &parameters).await?;
        let set = app.db.transaction(async |conn| {
            queries::lock_address(conn, &user.email_canonical, &parameters, app.clock.now()).await?;
            queries::set_password_hash_if_alone(conn, user, replaced, &hash, &parameters).await
        });
        set.await.map_err(Problem::from)
    };
    if let Err(problem) = renewed.await {
        log::warn!("the password hash of {} was not renewed: {problem}", user.id);
    }
}
