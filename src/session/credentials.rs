//! How a session token travels: as the session cookie or as `Authorization: Bearer`, one token for both.
//!
//! actix-session knows signed cookies only. This middleware stands around it: it turns the token that a request
//! presents into that cookie, signed with a key that never leaves the process, and keeps actix-session's own cookies
//! from the answer. What the client gets is the plain token, which carries nothing that a signature could protect, so
//! a change of keys ends no session.

use std::str::FromStr;

use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};

use crate::config::{Config, SameSitePolicy, SessionConfig};
use crate::problem::{Code, Problem};

use super::{NewSession, Origins, SessionToken};

/// The cookie between this middleware and actix-session; no client ever sees it.
pub(super) const INTERNAL_COOKIE: &str = "internal";

/// The operation that sets a cookie for whoever has none.
const LOGIN: &str = "/login";

/// How a client wants to present its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As the session cookie.
    Cookie,
    /// As `Authorization: Bearer`.
    Bearer,
}

impl FromStr for Transport {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "cookie" => Ok(Self::Cookie),
            "bearer" => Ok(Self::Bearer),
            _ => Err(()),
        }
    }
}

/// What is the same for all sessions of a server: its cookie, and the internal key.
#[derive(Clone)]
pub struct LoginManager {
    config: SessionConfig,
    origins: Origins,
    key: Key,
}

/// The change to the client's cookie that a handler asked for.
struct CookieChange(Cookie<'static>);

impl LoginManager {
    /// A login manager with a new internal key.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let origins = Origins::new(&config.public_url, &config.allowed_origins);
        Self { config: config.session.clone(), origins, key: Key::generate() }
    }

    /// The cookie's name; browsers accept the `__Host-` prefix from `Secure` cookies only.
    #[must_use]
    pub fn cookie_name(&self) -> &'static str {
        if self.config.is_secure { "__Host-session" } else { "session" }
    }

    pub(super) fn internal_key(&self) -> Key {
        self.key.clone()
    }

    pub(super) fn set_cookie(&self, req: &HttpRequest, session: &NewSession) {
        let mut cookie = self.cookie(session.token.reveal().to_owned());
        // Without Max-Age the cookie ends with the browser. The server ends the session by itself in any case.
        if session.is_remembered {
            cookie.set_max_age(Duration::seconds((session.expires_at - session.created_at).num_seconds()));
        }
        req.extensions_mut().insert(CookieChange(cookie));
    }

    pub(super) fn remove_cookie(&self, req: &HttpRequest) {
        let mut cookie = self.cookie(String::new());
        cookie.make_removal();
        req.extensions_mut().insert(CookieChange(cookie));
    }

    fn cookie(&self, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::new(self.cookie_name(), value);
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_secure(self.config.is_secure);
        cookie.set_same_site(match self.config.same_site {
            SameSitePolicy::Lax => SameSite::Lax,
            SameSitePolicy::Strict => SameSite::Strict,
            SameSitePolicy::None => SameSite::None,
        });
        cookie
    }

    /// The token that a request presents. With an `Authorization: Bearer` the cookie does not count.
    #[must_use]
    pub fn presented_token(&self, headers: &HeaderMap) -> Option<SessionToken> {
        if let Some(token) = bearer_token(headers) {
            return SessionToken::parse(token);
        }
        self.cookies(headers).find_map(|cookie| SessionToken::parse(cookie.value()))
    }

    /// The session cookies of a request; a browser sends one. Other cookies of the host may be no text.
    fn cookies<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Cookie<'a>> {
        headers
            .get_all(COOKIE)
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| std::str::from_utf8(pair).ok())
            .filter_map(|pair| Cookie::parse(pair.trim()).ok())
            .filter(|cookie| cookie.name() == self.cookie_name())
    }

    /// Whether a page of a foreign origin may be behind this request, and it would change something by a cookie: one
    /// that it has, or one that a login would set.
    fn is_forged(&self, req: &ServiceRequest) -> bool {
        let headers = req.headers();
        let has_cookie = bearer_token(headers).is_none() && self.cookies(headers).next().is_some();
        let sets_cookie = req.match_pattern().as_deref() == Some(LOGIN);
        !req.method().is_safe() && (has_cookie || sets_cookie) && !self.origins.may_change(headers)
    }

    fn sign(&self, token: &SessionToken) -> Option<HeaderValue> {
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(Cookie::new(INTERNAL_COOKIE, token.reveal().to_owned()));
        HeaderValue::from_str(&jar.get(INTERNAL_COOKIE)?.stripped().encoded().to_string()).ok()
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The middleware. It stands outside of actix-session's.
///
/// # Errors
/// Those of the services inside; a failed session store becomes the [`Problem`] that it was.
pub async fn credentials<B: MessageBody + 'static>(
    manager: web::Data<LoginManager>,
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if manager.is_forged(&req) {
        return Err(Problem::new(Code::CrossOrigin).into());
    }
    let token = manager.presented_token(req.headers());
    req.headers_mut().remove(COOKIE);
    if let Some(cookie) = token.and_then(|token| manager.sign(&token)) {
        req.headers_mut().insert(COOKIE, cookie);
    }
    let mut res = next.call(req).await.map_err(problem_of_store)?;
    res.headers_mut().remove(SET_COOKIE);
    let change = res.request().extensions_mut().remove::<CookieChange>();
    if let Some(CookieChange(cookie)) = change
        && !res.status().is_server_error()
    {
        res.response_mut().add_cookie(&cookie)?;
    }
    Ok(res)
}

/// actix-session wraps what its store says; the text begins with the code.
fn problem_of_store(error: Error) -> Error {
    let Some(wrapped) = error.as_error::<InternalError<anyhow::Error>>() else {
        return error;
    };
    let text = wrapped.to_string();
    let parts = text.split_once(": ").and_then(|(code, cause)| Some((Code::from_name(code)?, cause)));
    match parts {
        Some((code, cause)) => Problem { cause: Some(cause.to_owned()), ..Problem::new(code) }.into(),
        None => Problem::internal(text).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Settings;

    fn manager() -> LoginManager {
        let key = format!("--secret-key={}", "ab".repeat(32));
        let flags = ["--smtp-url=smtp://127.0.0.1:1", &key];
        let settings = Settings::of_flags(&flags);
        LoginManager::new(&Config::new(&settings, settings.listen).unwrap())
    }

    fn presented(
        manager: &LoginManager,
        name: actix_web::http::header::HeaderName,
        value: &[u8],
    ) -> Option<SessionToken> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).ok()?);
        manager.presented_token(&headers)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_header_has_a_token_or_has_none(bytes: Vec<u8>, text in ".*") {
            let manager = manager();
            for name in [COOKIE, AUTHORIZATION] {
                let texts = [text.clone(), format!("session={text}"), format!("Bearer {text}")];
                for value in texts.iter().map(String::as_bytes).chain([&bytes[..]]) {
                    if let Some(token) = presented(&manager, name.clone(), value) {
                        prop_assert!(String::from_utf8_lossy(value).contains(token.reveal()));
                    }
                }
            }
        }

        #[test]
        fn the_token_is_found_among_other_cookies(
            before in "([a-z]{1,5}=[!-:<-~é]{0,9}; ?){0,4}",
            after in "(; ?[ -~é]{0,9}){0,4}",
        ) {
            let token = SessionToken::random();
            let header = format!("{before}session={}{after}", token.reveal());
            prop_assert_eq!(presented(&manager(), COOKIE, header.as_bytes()), Some(token));
        }
    }
}
