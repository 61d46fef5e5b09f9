//! Links from emails: `GET` describes a link, `POST` spends it.
//!
//! Mail scanners and link previews follow every link: if `GET` confirmed, a machine would confirm addresses for people. The
//! link proves the mailbox only: without a proof of the registration, a stranger who registers your address would
//! get it with one careless click. It gives no session: a stranger who reads the mailbox does not get into the account.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use utoipa::ToSchema;

use crate::account::{LinkState, Proof};
use crate::app::App;
use crate::flows::documented_errors::{
    BodyErrors, DatabaseErrors, HashingErrors, LinkErrors, LinkProof, OrPage, RateLimits,
};
use crate::flows::views::{Confirmation, ConfirmationStatus};
use crate::http::extract::Anyone;
use crate::http::pages::{self, LinkPage};
use crate::http::{Fields, FromFields, Json, form_field, has_body, is_form};
use crate::link::{Link, NewLink, Purpose};
use crate::password::Password;
use crate::problem::{Code, FieldIssue, Problem};
use crate::request::RequestContext;
use crate::token::Token;
use crate::user::User;

/// The links that are spent here.
const PURPOSES: &[Purpose] = &[Purpose::ConfirmEmail, Purpose::ChangeEmail, Purpose::UndoEmailChange];

/// What a link is.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkDescription {
    #[schema(value_type = LinkPurpose)]
    purpose: &'static str,
    /// The address that it confirms, or that the account gets back.
    #[schema(format = "idn-email", example = "ada@example.com")]
    email: String,
    expires_at: DateTime<Utc>,
    /// Whether the link was spent already.
    confirmed: bool,
    /// Whether spending it needs `password` or `registration`, because the session of the request proves nothing.
    password_required: bool,
}

/// What a link is for.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "the schema of the names of `PURPOSES`")]
pub enum LinkPurpose {
    ConfirmEmail,
    ChangeEmail,
    UndoEmailChange,
}

/// A proof of the registration: one of both, or neither with a session of the account. Of both, the password counts.
#[derive(ToSchema)]
#[schema(as = ConfirmationProof)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the schema of a body that is read field by field")]
pub struct ConfirmationProofBody {
    /// What `POST /register` answered.
    // The last character has two bits that no token has.
    #[schema(pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    registration: Option<String>,
    /// The password of the registration, or of the account whose address changes.
    #[schema(format = Password, example = "plum-orbit-kettle-42")]
    password: Option<String>,
}

/// What the body of a confirmation proves, if it has one.
pub struct ConfirmationProof {
    registration: Option<Token>,
    password: Option<String>,
}

impl FromFields for ConfirmationProof {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let registration = fields.parsed_if_present("registration", |text| {
            Token::parse(text).ok_or_else(|| FieldIssue::new("malformed", "must be what POST /register answered"))
        });
        let password = fields.parsed_if_present("password", |text| Ok::<_, FieldIssue>(text.to_owned()));
        Some(Self { registration: registration?, password: password? })
    }
}

impl FromRequest for Proof {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let anyone = Anyone::from_request(req, payload).into_inner();
        let form = is_form(req).then(|| form_field(req, payload, "password"));
        let body = (form.is_none() && has_body(req)).then(|| Json::<ConfirmationProof>::from_request(req, payload));
        Box::pin(async move {
            let session = Self::Session(anyone?.0.map(|current| Box::new(current.user)));
            let (registration, password) = match (form, body) {
                // An empty field of a form is none.
                (Some(form), _) => (None, Some(form.await?).filter(|password| !password.is_empty())),
                (None, Some(body)) => body.await.map(|Json(proof)| (proof.registration, proof.password))?,
                (None, None) => (None, None),
            };
            Ok(match (registration, password) {
                (_, Some(password)) => Self::Password(Password::new(&password)),
                (Some(token), None) => Self::Registration(token),
                (None, None) => session,
            })
        })
    }
}

/// Describe a link
///
/// Changes nothing. A browser (`Accept: text/html`) gets a page with a button, and a field for the password if it is needed.
#[utoipa::path(
    get, path = "/confirm/{token}", tag = "account",
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 200, description = "A link that can be spent, or was", content(
                   (LinkDescription = "application/json"), (String = "text/html"))),
              OrPage<LinkErrors>, OrPage<DatabaseErrors>),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn show_link(
    req: HttpRequest,
    app: web::Data<App>,
    session: Anyone,
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let session = session.0.map(|current| current.user);
    let described = describe(&app, &token, session.as_ref()).await;
    if !pages::wants_html(&req) {
        return described.map(|(link, state)| {
            HttpResponse::Ok().json(LinkDescription {
                purpose: link.purpose.name(),
                email: state.email,
                expires_at: link.expires_at,
                confirmed: state.was_spent,
                password_required: state.is_password_required,
            })
        });
    }
    let page = match described {
        Ok((link, state)) if state.was_spent => done(&app, &link, state)?,
        Ok((link, state)) => LinkPage::Ask {
            is_undo: is_undo(&link),
            email: state.email,
            needs_password: state.is_password_required,
            complaint: None,
        },
        Err(problem) => LinkPage::Failed(problem),
    };
    Ok(pages::link(&app.templates, &page))
}

/// Confirm an address
///
/// Spends a link: of a registration, of a change of address, or to undo one. To confirm needs two proofs: the link proves the
/// mailbox; a session, `registration` or `password` proves who registered. That registration becomes the account, and the
/// other unconfirmed ones of the address are deleted. Gives no session. A browser's form gets a page.
#[utoipa::path(
    post, path = "/confirm/{token}", tag = "account",
    params(("token" = String, Path, description = "The token of the link")),
    request_body(content = ConfirmationProofBody,
                 description = "Not needed with a session of the account, or to undo a change"),
    responses((status = 200, description = "The address is confirmed", content(
                   (Confirmation = "application/json"), (String = "text/html"))),
              OrPage<BodyErrors>, OrPage<LinkErrors>, OrPage<LinkProof>, OrPage<RateLimits>, OrPage<HashingErrors>),
    security((), ("bearer" = []), ("session_cookie" = []))
)]
pub async fn confirm_email(
    req: HttpRequest,
    app: web::Data<App>,
    request: RequestContext,
    token: web::Path<String>,
    proof: Proof,
) -> Result<HttpResponse, Problem> {
    let spent = spend(&app, &token, &proof, &request).await;
    if !pages::wants_html(&req) {
        let (link, state) = spent?;
        let status = ConfirmationStatus::new(state.was_spent);
        let reset_token = state.without_password.map(|user| reset_token(&app, &link, &user)).transpose()?;
        return Ok(HttpResponse::Ok().json(Confirmation { status, reset_token }));
    }
    let page = match spent {
        Ok((link, state)) => done(&app, &link, state)?,
        Err(problem) => ask_again(&app, &token, problem).await,
    };
    Ok(pages::link(&app.templates, &page))
}

async fn describe(app: &App, token: &str, session: Option<&User>) -> Result<(Link, LinkState), Problem> {
    let link = app.links.read(token, PURPOSES, app.clock.now())?;
    let state = app.accounts.describe_link(&link, session).await?;
    Ok((link, state))
}

async fn spend(app: &App, token: &str, proof: &Proof, request: &RequestContext) -> Result<(Link, LinkState), Problem> {
    let link = app.links.read(token, PURPOSES, request.at)?;
    let state = app.accounts.spend_link(&link, proof, request).await?;
    Ok((link, state))
}

/// The form again, if another password can help; else why the link does not work.
async fn ask_again(app: &App, token: &str, problem: Problem) -> LinkPage {
    if !matches!(problem.code, Code::PasswordRequired | Code::WrongPassword) {
        return LinkPage::Failed(problem);
    }
    match describe(app, token, None).await {
        Ok((_, state)) => {
            LinkPage::Ask { is_undo: false, email: state.email, needs_password: true, complaint: Some(problem) }
        }
        Err(problem) => LinkPage::Failed(problem),
    }
}

fn done(app: &App, link: &Link, state: LinkState) -> Result<LinkPage, Problem> {
    let reset = state.without_password.as_ref().map(|user| reset_token(app, link, user)).transpose()?;
    let reset_url = reset.map(|token| app.config.links.reset_url.link(&token));
    Ok(LinkPage::Done { is_undo: is_undo(link), email: state.email, reset_url })
}

/// For the account of an undone change. Its link came from the old mailbox, which is what a reset asks for.
fn reset_token(app: &App, link: &Link, user: &User) -> Result<String, Problem> {
    let new = NewLink {
        purpose: Purpose::ResetPassword,
        user_id: link.user_id,
        email_canonical: &user.email_canonical,
        reference: Some(user.credential_version.to_string()),
        ttl: app.config.links.reset_ttl,
    };
    app.links.sign(new, app.clock.now()).map_err(Problem::internal)
}

fn is_undo(link: &Link) -> bool {
    link.purpose == Purpose::UndoEmailChange
}
