//! Registration: an account for an address that nobody has proved yet, and a letter to prove it.
//!
//! Whether the address is known changes nothing here, neither the answer nor the work: it only changes which letter
//! leaves. If it did, everybody could find out who has an account.

use actix_web::{HttpResponse, web};
use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields, Json};
use crate::client::Occasion;
use crate::db::Connection;
use crate::event::{self, EventKind};
use crate::mail::{LetterKind, Promise, queue};
use crate::password::{HashParameters, NewPassword, PasswordHash};
use crate::problem::{Code, Problem};
use crate::throttle;
use crate::user::queries::{self, NewUser};
use crate::user::{Email, UserId, Username};

use super::answers::ConfirmationSent;
use super::responses::{BodyProblems, HashingFaults, Taken, Throttled};

/// Who wants an account.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The address, compared without case and in one Unicode spelling.
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Email,
    /// 8 characters or more (`PASSWORD_MIN_LENGTH`), and not easy to guess.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256, example = "plum-orbit-kettle-42")]
    password: NewPassword,
    /// A public name to sign in with: letters, digits and `. _ -`; unique without case.
    #[schema(value_type = Option<String>, min_length = 3, max_length = 32,
             pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$", example = "ada")]
    username: Option<Username>,
}

impl FromFields for Registration {
    fn from_fields(fields: &mut Fields, app: &App) -> Option<Self> {
        let email = fields.parsed("email", Email::parse);
        let username = fields.parsed_if_present("username", Username::parse);
        let own_words = [
            email.as_ref().map_or("", Email::as_typed),
            username.as_ref().and_then(Option::as_ref).map_or("", Username::as_typed),
        ];
        let password = fields.parsed("password", |text| app.password_policy.check(text, &own_words));
        Some(Self { email: email?, password: password?, username: username? })
    }
}

/// Register an account
///
/// Sends a letter with a link to the address. The account can sign in at once, but only a confirmed one passes the
/// guard. The answer is the same whether the address is known or not.
#[utoipa::path(
    post, path = "/register", tag = "account", request_body = Registration,
    responses((status = 202, description = "A letter is on its way", body = ConfirmationSent,
               links(("sign_in" = (operation_id = "create_session",
                                   request_body = json!({"email": "$request.body#/email",
                                                         "password": "$request.body#/password"}))),
                     ("send_again" = (operation_id = "resend_confirmation",
                                      request_body = json!({"email": "$request.body#/email"}))))),
              BodyProblems, Taken, Throttled, HashingFaults)
)]
pub async fn register_account(
    app: web::Data<App>,
    occasion: Occasion,
    Json(registration): Json<Registration>,
) -> Result<HttpResponse, Problem> {
    let _permit = app.hasher.reserve()?;
    throttle(&app, &occasion).await?;
    let mut parameters = shared_parameters(&app, &registration.email).await?;
    // The parameters of an address change only when its only account renews its hash: once more is enough.
    for _ in 0..2 {
        let hash = app.hasher.hash(registration.password.password(), &parameters).await?;
        match insert(&app, &registration, &occasion, &parameters, &hash).await? {
            Inserted::Done => {
                app.mailer.wake();
                return Ok(HttpResponse::Accepted().json(ConfirmationSent::BODY));
            }
            Inserted::ParametersChanged(current) => parameters = current,
        }
    }
    Err(Problem::new(Code::Overloaded))
}

/// So many registrations of a client, and no more.
async fn throttle(app: &App, occasion: &Occasion) -> Result<(), Problem> {
    if !app.config.has_rate_limits {
        return Ok(());
    }
    let count = async |conn: &mut Connection| throttle::count_registration(conn, occasion.client.ip, occasion.at).await;
    Ok(app.db.transaction(count).await??)
}

/// The parameters that all accounts of the address share, made now if this is its first.
async fn shared_parameters(app: &App, email: &Email) -> Result<HashParameters, Problem> {
    let fresh = HashParameters::random(app.config.bcrypt_cost);
    let now = app.clock.now();
    let locked = app.db.run(async |conn| queries::lock_address(conn, email.canonical(), &fresh, now).await);
    locked.await.map_err(Problem::from)
}

enum Inserted {
    Done,
    ParametersChanged(HashParameters),
}

/// One transaction: the account, no more than the newest three of its address, and the promise of the letter.
async fn insert(
    app: &App,
    registration: &Registration,
    occasion: &Occasion,
    parameters: &HashParameters,
    password_hash: &PasswordHash,
) -> Result<Inserted, Problem> {
    let Registration { email, username, .. } = registration;
    app.db
        .transaction(async |conn| {
            let current = queries::lock_address(conn, email.canonical(), parameters, app.clock.now()).await?;
            if current != *parameters {
                return Ok(Inserted::ParametersChanged(current));
            }
            // Only now: by the time before the wait for the lock, this account could be the oldest of four, and surplus.
            let now = app.clock.now();
            let id = UserId::new();
            let user = NewUser { id, email, username: username.as_ref(), password_hash, created_at: now };
            queries::insert(conn, &user).await?;
            queries::delete_surplus(conn, email.canonical()).await?;
            queue::insert(conn, Promise::to_account(LetterKind::ConfirmEmail, id), occasion).await?;
            event::record(conn, id, EventKind::Registered, occasion).await?;
            Ok(Inserted::Done)
        })
        .await
        .map_err(Problem::from)
}
