//! Verify: forward authentication. A reverse proxy asks here before it lets a request through to an application.
//!
//! nginx passes only 2xx and Envoy only 200; nginx makes an error of its own of all but 401 and 403. The client itself can
//! ask too, with any query: the query can only ask for more. No decision depends on `X-Forwarded-…`, which a client can send.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::header::{HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::form_urlencoded;

use crate::access_token::Subject;
use crate::app::App;
use crate::flows::documented_errors::{DatabaseErrors, NotEnough};
use crate::http::extract::{Anyone, unauthenticated};
use crate::http::{asked_page, pages};
use crate::problem::{Code, FieldIssue, FieldProblem, Problem};
use crate::request::RequestContext;
use crate::session::CurrentSession;

/// How long the token is valid that goes to the application with a request: as long as that should take.
const TOKEN_TTL: Duration = Duration::from_secs(60);
/// For an account without a username. Never empty: a proxy would let the client's own header pass.
const NONE: &str = "-";
/// An address can have characters outside of ASCII, which applications read in different ways.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// What the proxy asks for in its query.
#[derive(Debug, Default, PartialEq, Eq)]
struct Requirements {
    /// The user signed in no longer ago than this.
    fresh: Option<Duration>,
    second_factor: bool,
    /// A browser without a session is sent to the login page.
    redirect: bool,
}

impl Requirements {
    /// The strictest of what the query says. What cannot be understood is refused.
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut requirements = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "fresh" => {
                    let wanted = humantime::parse_duration(&value)
                        .map_err(|_| wrong("fresh", "must be a duration such as 15m"))?;
                    requirements.fresh = Some(requirements.fresh.map_or(wanted, |other| other.min(wanted)));
                }
                "second_factor" => requirements.second_factor |= flag("second_factor", &value)?,
                "redirect" => requirements.redirect |= flag("redirect", &value)?,
                // Envoy appends the query of the client.
                _ => {}
            }
        }
        Ok(requirements)
    }

    fn check(&self, session: &CurrentSession, request: &RequestContext) -> Result<(), Problem> {
        if !session.user.is_confirmed() {
            return Err(Problem::new(Code::Unconfirmed));
        }
        // A time that far ahead comes from a clock that was wrong, and counts as past.
        let age = (request.at - session.signed_in_at).abs().to_std();
        let is_stale = self.fresh.is_some_and(|fresh| age.is_ok_and(|age| age > fresh));
        // No account has a second factor yet.
        if is_stale || self.second_factor {
            return Err(Problem::new(Code::ReauthenticationRequired));
        }
        Ok(())
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| wrong(name, "must be true or false"))
}

fn wrong(parameter: &str, what: &str) -> Problem {
    Problem::validation_failed(vec![FieldProblem::new(parameter, FieldIssue::new("malformed", what))])
}

/// Let a request through
///
/// For a reverse proxy, with any method, and at any path below `/verify/`. `200` tells the application who the user is. The
/// proxy must replace these headers, so that a client cannot send its own.
#[utoipa::path(
    get, path = "/verify", tag = "token",
    params(
        ("fresh" = Option<String>, Query, description = "The user must have signed in no longer ago than this", example = "15m"),
        ("second_factor" = Option<bool>, Query, description = "The user must have signed in with a second factor"),
        ("redirect" = Option<bool>, Query, description = "Send browsers without a session to `LOGIN_URL`: 302, or 303 if \
            the method is neither GET nor HEAD")
    ),
    responses(
        (status = 200, description = "A confirmed user", headers(
            ("X-Auth-User-Id" = String, description = "A UUIDv7"),
            ("X-Auth-Email" = String, description = "Percent-encoded, if it has `%` or characters outside of ASCII"),
            ("X-Auth-Username" = String, description = "`-` if there is none"),
            ("X-Auth-Session-Id" = String, description = "A UUIDv7"),
            ("X-Auth-Token" = String, description = "An access token of 60 seconds"))),
        (status = 302, description = "To the login page, with `redirect`", headers(("Location" = String))),
        (status = 303, description = "The same, for other methods than GET and HEAD", headers(("Location" = String))),
        NotEnough, DatabaseErrors
    ),
    security(("bearer" = []), ("session_cookie" = []))
)]
pub async fn verify_session(
    req: HttpRequest,
    Anyone(session): Anyone,
    app: web::Data<App>,
    request: RequestContext,
) -> Result<HttpResponse, Problem> {
    let requirements = Requirements::parse(req.query_string())?;
    let Some(session) = session else {
        return Ok(sign_in(&req, &app, requirements.redirect));
    };
    requirements.check(&session, &request)?;
    let CurrentSession { session_id, signed_in_at, user } = &session;
    let subject = Subject { user, session_id: *session_id, signed_in_at: *signed_in_at };
    let token = app.access_tokens.issue(&app.db, subject, TOKEN_TTL, request.at).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("X-Auth-User-Id", user.id.to_string()))
        .insert_header(("X-Auth-Email", Cow::from(utf8_percent_encode(&user.email, ENCODED)).as_ref()))
        .insert_header(("X-Auth-Username", user.username.as_deref().unwrap_or(NONE)))
        .insert_header(("X-Auth-Session-Id", session_id.to_string()))
        .insert_header(("X-Auth-Token", token))
        .finish())
}

/// Sends a visitor to the login page, or tells the proxy where it is.
fn sign_in(req: &HttpRequest, app: &App, may_redirect: bool) -> HttpResponse {
    let page = login_page(req, app);
    let mut answer = match &page {
        Some(_) if may_redirect && pages::wants_html(req) => {
            let is_read = matches!(*req.method(), Method::GET | Method::HEAD);
            HttpResponse::new(if is_read { StatusCode::FOUND } else { StatusCode::SEE_OTHER })
        }
        _ => HttpResponse::from_error(unauthenticated(req)),
    };
    if let Some(page) = page {
        answer.headers_mut().insert(LOCATION, page);
    }
    answer
}

/// `LOGIN_URL`, with the page that was asked for as `next`.
fn login_page(req: &HttpRequest, app: &App) -> Option<HeaderValue> {
    let mut url = app.config.verify.login_url.clone()?;
    if let Some(next) = asked_page(req, app) {
        url.query_pairs_mut().append_pair("next", next.as_str());
    }
    HeaderValue::from_str(url.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_asks_for_the_strictest_of_what_it_names() {
        let parse = |query| Requirements::parse(query);
        assert_eq!(parse("").unwrap(), Requirements::default());
        assert_eq!(parse("page=2&q=fresh").unwrap(), Requirements::default());
        let minute = Some(Duration::from_secs(60));
        assert_eq!(parse("fresh=1h&fresh=1m&fresh=2h").unwrap().fresh, minute);
        assert!(parse("second_factor=true&second_factor=false").unwrap().second_factor);
        assert!(!parse("redirect=false").unwrap().redirect);
        for query in ["fresh=soon", "fresh=", "fresh", "second_factor=yes", "second_factor", "redirect=1"] {
            assert_eq!(parse(query).unwrap_err().code, Code::ValidationFailed, "{query}");
        }
    }
}
