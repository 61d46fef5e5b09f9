//! The guard, as arguments of handlers: whoever reads a signature knows who may call.
//!
//! If a check were a call inside a handler, one could be forgotten.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use uuid::Uuid;

use crate::app::App;
use crate::client::{self, Client, Occasion};
use crate::problem::{Code, Problem, RequestId};
use crate::session::{self, Presented};
use crate::user::User;

/// Somebody with a session, confirmed or not. Else 401 `unauthenticated`.
#[derive(Debug)]
pub struct SignedIn {
    /// Who, as of this request.
    pub user: User,
    /// With which session.
    pub session_id: Uuid,
}

/// Somebody with a session and a confirmed address. Else 401 `unauthenticated` or 403 `unconfirmed`.
#[derive(Debug)]
pub struct Confirmed {
    /// Who, as of this request.
    pub user: User,
    /// With which session.
    pub session_id: Uuid,
}

/// Whoever it is: the session that was presented, if there is one, and its account.
#[derive(Debug)]
pub struct Anyone(pub Option<Presented>);

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let signed_in = session::presented(req).map(|Presented { session_id, user }| Self { user, session_id });
        ready(signed_in.ok_or_else(|| Problem::new(Code::Unauthenticated)))
    }
}

impl FromRequest for Confirmed {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let signed_in = SignedIn::from_request(req, payload).into_inner();
        ready(signed_in.and_then(|SignedIn { user, session_id }| {
            if user.is_confirmed() { Ok(Self { user, session_id }) } else { Err(Problem::new(Code::Unconfirmed)) }
        }))
    }
}

impl FromRequest for Anyone {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(session::presented(req))))
    }
}

impl FromRequest for Occasion {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let client = Client::from_request(req, payload).into_inner();
        let app = req.app_data::<web::Data<App>>().ok_or_else(|| Problem::internal("a request without app"));
        let language = req.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        ready(client.and_then(|client| {
            let app = app?;
            let request_id = req.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            Ok(Self { at: app.clock.now(), client, language: app.mailer.templates().choose(language), request_id })
        }))
    }
}

impl FromRequest for Client {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = req.app_data::<web::Data<App>>();
        let Some(app) = app else {
            return ready(Err(Problem::internal("a request without app")));
        };
        // Who hung up before anybody looked has no address any more, and will not read the answer: no fault of ours.
        let Some(peer) = req.peer_addr() else {
            return ready(Err(Problem::new(Code::Unavailable)));
        };
        // Lossy: a line that is no text must not hide what a trusted proxy added at its end.
        let texts = |name: &str| -> Vec<Cow<'_, str>> {
            req.headers().get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect()
        };
        let (forwarded_for, user_agent) = (texts("x-forwarded-for"), texts(USER_AGENT.as_str()));
        let trusted = &app.config.trusted_proxies;
        if !forwarded_for.is_empty() && client::is_likely_proxy(peer.ip(), trusted) && app.told.is_first() {
            log::warn!(
                "requests come from {} with X-Forwarded-For, which is not believed: all its clients count as one. If it \
                 is your proxy, set TRUSTED_PROXIES={}",
                peer.ip(),
                peer.ip()
            );
        }
        let forwarded_for: Vec<&str> = forwarded_for.iter().map(AsRef::as_ref).collect();
        let user_agent = user_agent.first().map(AsRef::as_ref);
        ready(Ok(Self::new(peer.ip(), &forwarded_for, trusted, user_agent)))
    }
}
