//! The guard, as arguments of handlers: a handler's signature says who may call it.
//!
//! A check inside a handler could be forgotten; without a value of these types, the handler cannot be called.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::app::App;
use crate::problem::{Code, Problem, RequestId};
use crate::request::{self, Client, RequestContext};
use crate::session::{self, CurrentSession};
use crate::user::User;

/// A user with a session, whether or not their email address is confirmed. As an argument of a handler, it lets nobody else
/// in: `401 unauthenticated`.
///
/// The account is as the database has it at this request. In your own application, wrap the route with
/// [`Vestibule::sessions`](crate::Vestibule::sessions); without that, nobody gets in, the answer is `500`, and the log says
/// why.
///
/// ```
/// async fn whoami(user: vestibule::SignedIn) -> String {
///     format!("{}, confirmed: {}", user.email(), user.is_confirmed())
/// }
/// ```
#[derive(Debug)]
pub struct SignedIn {
    pub(crate) user: User,
    pub(crate) session_id: Uuid,
    pub(crate) signed_in_at: DateTime<Utc>,
}

/// A user with a session and a confirmed email address. As an argument of a handler, it lets nobody else in:
/// `401 unauthenticated` or `403 unconfirmed`.
///
/// As with [`SignedIn`], the account is as of this request, and in your own application the route needs
/// [`Vestibule::sessions`](crate::Vestibule::sessions).
///
/// ```
/// async fn notes(user: vestibule::Confirmed) -> String {
///     format!("The notes of {}", user.id())
/// }
/// ```
#[derive(Debug)]
pub struct Confirmed {
    pub(crate) user: User,
    pub(crate) session_id: Uuid,
    pub(crate) signed_in_at: DateTime<Utc>,
}

/// What handlers of other applications see of an account: never what only the database may know.
macro_rules! account_of_a_guard {
    ($($guard:ident)+) => {$(
        impl $guard {
            /// The id of the account, a UUIDv7. It never changes, so it is what your own tables refer to.
            pub fn id(&self) -> Uuid {
                self.user.id
            }

            /// The email address, as the user typed it.
            pub fn email(&self) -> &str {
                &self.user.email
            }

            /// The username, if the user chose one.
            pub fn username(&self) -> Option<&str> {
                self.user.username.as_deref()
            }

            /// The id of the session, as in `GET /sessions`.
            pub fn session_id(&self) -> Uuid {
                self.session_id
            }
        }
    )+};
}

account_of_a_guard!(SignedIn Confirmed);

impl SignedIn {
    /// Whether the email address is confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.user.is_confirmed()
    }
}

/// Any caller, with the session of the request if it has one.
#[derive(Debug)]
pub struct Anyone(pub Option<CurrentSession>);

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match session::current(req) {
            Ok(Some(CurrentSession { session_id, signed_in_at, user })) => Ok(Self { user, session_id, signed_in_at }),
            Ok(None) => Err(unauthenticated(req)),
            Err(error) => Err(error.into()),
        })
    }
}

impl FromRequest for Confirmed {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed_in = SignedIn::from_request(req, payload).into_inner();
        ready(signed_in.and_then(|SignedIn { user, session_id, signed_in_at }| {
            if user.is_confirmed() {
                Ok(Self { user, session_id, signed_in_at })
            } else {
                Err(Problem::new(Code::Unconfirmed))
            }
        }))
    }
}

/// Why a request has no session. People send an access token of ours where the token of a session belongs.
pub fn unauthenticated(req: &HttpRequest) -> Problem {
    if session::sends_jwt(req) {
        let detail = "This looks like an access token, which is for your other services. Send the token of a session here: \
                      POST /login with \"transport\": \"bearer\" answers one.";
        return Problem::with_detail(Code::Unauthenticated, detail);
    }
    Problem::new(Code::Unauthenticated)
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(session::current(req).map(Self).map_err(Problem::from))
    }
}

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request_context(req))
    }
}

fn request_context(req: &HttpRequest) -> Result<RequestContext, Problem> {
    let app = req.app_data::<web::Data<App>>().ok_or_else(|| Problem::internal("a request without app"))?;
    // A client that closed the connection already has no address any more, and will not read the answer.
    let peer = req.peer_addr().ok_or_else(|| Problem::new(Code::Unavailable))?;
    let accept_language = req.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Ok(RequestContext {
        at: app.clock.now(),
        client: client(req, app, peer.ip()),
        language: app.mailer.templates().choose(accept_language),
        request_id: req.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
    })
}

fn client(req: &HttpRequest, app: &App, peer: IpAddr) -> Client {
    // Lossy: a line that is no text must not hide what a trusted proxy added at its end.
    let texts = |name: &str| -> Vec<Cow<'_, str>> {
        req.headers().get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
    };
    let (forwarded_for, user_agent) = (texts("x-forwarded-for"), texts(USER_AGENT.as_str()));
    let trusted = &app.config.trusted_proxies;
    if !forwarded_for.is_empty() && request::is_likely_proxy(peer, trusted) && app.proxy_warning.is_first() {
        log::warn!(
            "ignoring X-Forwarded-For from {peer}, so all its clients count as one: if it is your proxy, set \
             TRUSTED_PROXIES={peer}"
        );
    }
    let forwarded_for: Vec<&str> = forwarded_for.iter().map(AsRef::as_ref).collect();
    Client::new(peer, &forwarded_for, trusted, user_agent.first().map(AsRef::as_ref))
}
