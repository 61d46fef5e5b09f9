//! How a session token travels: as the session cookie or as `Authorization: Bearer`, one token for both.
//!
//! actix-session knows signed cookies only. This middleware wraps it: it turns the token of a request into that cookie,
//! signed with a key that never leaves the process, and keeps actix-session's own cookies out of the answer. The client
//! gets the plain token. There is nothing in it that a signature could protect, so a change of keys ends no session.

use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, web};
use strum::EnumString;

use crate::config::{Config, SameSitePolicy, SessionConfig};
use crate::token::Token;

use super::middleware::UNAVAILABLE;
use super::{AllowedOrigins, Error, LookedUp, NewSession};

/// The cookie between this middleware and actix-session; no client ever sees it.
pub(super) const INTERNAL_COOKIE: &str = "vestibule_internal";

/// How a client sends its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "lowercase")]
pub enum Transport {
    Cookie,
    Bearer,
}

/// The session cookie of this service, who may use it, and the internal key.
#[derive(Clone)]
pub struct SessionCookies {
    config: SessionConfig,
    origins: AllowedOrigins,
    key: Key,
}

/// The change to the client's cookie that a handler asked for.
struct CookieChange(Cookie<'static>);

impl SessionCookies {
    pub fn new(config: &Config) -> Self {
        let origins = AllowedOrigins::new(&config.public_url, &config.allowed_origins);
        Self { config: config.session.clone(), origins, key: Key::generate() }
    }

    pub fn name(&self) -> &str {
        &self.config.cookie_name
    }

    pub(super) fn internal_key(&self) -> Key {
        self.key.clone()
    }

    pub(super) fn set(&self, req: &HttpRequest, session: &NewSession) {
        let mut cookie = self.cookie(session.token.reveal().to_owned());
        // Without Max-Age the cookie ends with the browser. The server ends the session itself in any case.
        if session.is_remembered {
            cookie.set_max_age(Duration::seconds((session.expires_at - session.created_at).num_seconds()));
        }
        req.extensions_mut().insert(CookieChange(cookie));
    }

    pub(super) fn remove(&self, req: &HttpRequest) {
        let mut cookie = self.cookie(String::new());
        cookie.make_removal();
        req.extensions_mut().insert(CookieChange(cookie));
    }

    fn cookie(&self, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::new(self.name().to_owned(), value);
        cookie.set_path("/");
        if let Some(domain) = &self.config.cookie_domain {
            cookie.set_domain(domain.clone());
        }
        cookie.set_http_only(true);
        cookie.set_secure(self.config.is_secure);
        cookie.set_same_site(match self.config.same_site {
            SameSitePolicy::Lax => SameSite::Lax,
            SameSitePolicy::Strict => SameSite::Strict,
            SameSitePolicy::None => SameSite::None,
        });
        cookie
    }

    /// The token of a request. If it has an `Authorization: Bearer`, the cookie does not count.
    pub fn token_of(&self, headers: &HeaderMap) -> Option<Token> {
        if let Some(token) = bearer_token(headers) {
            return Token::parse(token);
        }
        self.cookies(headers).find_map(|cookie| Token::parse(cookie.value()))
    }

    /// The session cookies of a request; a browser sends one.
    fn cookies<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Cookie<'a>> {
        all_cookies(headers).map(|(_, cookie)| cookie).filter(|cookie| cookie.name() == self.name())
    }

    /// What is inside of this middleware sees the internal cookie instead of a session's, and the other cookies of the
    /// client: those of an application around this service. One that is malformed would hide all others.
    fn inner_cookies(&self, headers: &HeaderMap, token: Option<&Token>) -> Option<HeaderValue> {
        let is_other = |pair: &str, cookie: &Cookie<'_>| {
            let decoded = Cookie::parse_encoded(pair);
            cookie.name() != self.name() && decoded.is_ok_and(|cookie| cookie.name() != INTERNAL_COOKIE)
        };
        let others = all_cookies(headers).filter(|(pair, cookie)| is_other(pair, cookie));
        let own = token.and_then(|token| self.sign(token)).into_iter();
        let pairs: Vec<String> = own.chain(others.map(|(pair, _)| pair.to_owned())).collect();
        if pairs.is_empty() { None } else { HeaderValue::from_bytes(pairs.join("; ").as_bytes()).ok() }
    }

    /// Whether the origin of a request with these headers may change something with a cookie, or get one.
    pub(super) fn may_change(&self, headers: &HeaderMap) -> bool {
        self.origins.may_change(headers)
    }

    /// Whether a page of another origin may be changing something with the cookie of its visitor.
    fn is_forged(&self, req: &ServiceRequest) -> bool {
        let headers = req.headers();
        let has_cookie = bearer_token(headers).is_none() && self.cookies(headers).next().is_some();
        !req.method().is_safe() && has_cookie && !self.may_change(headers)
    }

    fn sign(&self, token: &Token) -> Option<String> {
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(Cookie::new(INTERNAL_COOKIE, token.reveal().to_owned()));
        Some(jar.get(INTERNAL_COOKIE)?.stripped().encoded().to_string())
    }
}

/// The cookies of a request, each as it was sent and parsed. Those that are no cookies are left out: others on the same host
/// may send them.
fn all_cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, Cookie<'_>)> {
    headers
        .get_all(COOKIE)
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok().map(str::trim))
        .filter_map(|pair| Some((pair, Cookie::parse(pair).ok()?)))
}

pub(super) fn has_bearer(headers: &HeaderMap) -> bool {
    bearer_token(headers).is_some()
}

pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    // Blanks around the token do not count, whichever they are: people paste it.
    let text = std::str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?;
    let (scheme, token) = text.trim().split_once(char::is_whitespace)?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses what a page of another origin may have sent. It is outside of all else.
pub async fn refuse_forged<B: MessageBody + 'static>(
    cookies: web::Data<SessionCookies>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if cookies.is_forged(&req) {
        return Err(Error::CrossOrigin.into());
    }
    next.call(req).await
}

/// The middleware outside of actix-session's.
pub async fn transport<B: MessageBody + 'static>(
    cookies: web::Data<SessionCookies>,
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if req.extensions().contains::<LookedUp>() {
        // An application can wrap a scope and a resource in it.
        return next.call(req).await;
    }
    let token = cookies.token_of(req.headers());
    let inner = cookies.inner_cookies(req.headers(), token.as_ref());
    req.headers_mut().remove(COOKIE);
    if let Some(inner) = inner {
        req.headers_mut().insert(COOKIE, inner);
    }
    req.extensions_mut().insert(LookedUp);
    let mut res = next.call(req).await.map_err(unwrap_store_error)?;
    remove_internal_cookie(res.headers_mut());
    let change = res.request().extensions_mut().remove::<CookieChange>();
    if let Some(CookieChange(cookie)) = change
        && !res.status().is_server_error()
    {
        res.response_mut().add_cookie(&cookie)?;
    }
    Ok(res)
}

fn remove_internal_cookie(headers: &mut HeaderMap) {
    for cookie in headers.remove(SET_COOKIE) {
        if !cookie.as_bytes().starts_with(INTERNAL_COOKIE.as_bytes()) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// Undoes what actix-session wraps around an error of its store.
fn unwrap_store_error(error: actix_web::Error) -> actix_web::Error {
    let Some(wrapped) = error.as_error::<InternalError<anyhow::Error>>() else {
        return error;
    };
    let text = wrapped.to_string();
    match text.strip_prefix(UNAVAILABLE) {
        Some(reason) => Error::Unavailable(reason.to_owned()).into(),
        None => Error::Internal(text).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Settings;

    fn cookies() -> SessionCookies {
        let key = format!("--secret-key={}", "ab".repeat(32));
        let flags = ["--smtp-url=smtp://127.0.0.1:1", &key];
        let settings = Settings::of_flags(&flags).unwrap();
        SessionCookies::new(&Config::new(&settings, settings.listen).unwrap())
    }

    fn token_in(cookies: &SessionCookies, name: actix_web::http::header::HeaderName, value: &[u8]) -> Option<Token> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).ok()?);
        cookies.token_of(&headers)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_header_has_a_token_or_has_none(bytes: Vec<u8>, text in ".*") {
            let cookies = cookies();
            for name in [COOKIE, AUTHORIZATION] {
                let texts = [text.clone(), format!("vestibule_session={text}"), format!("Bearer {text}")];
                for value in texts.iter().map(String::as_bytes).chain([&bytes[..]]) {
                    if let Some(token) = token_in(&cookies, name.clone(), value) {
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
            let token = Token::random();
            let header = format!("{before}vestibule_session={}{after}", token.reveal());
            prop_assert_eq!(token_in(&cookies(), COOKIE, header.as_bytes()), Some(token));
        }

        #[test]
        fn what_is_inside_can_read_every_cookie_and_finds_the_internal_one_first(bytes: Vec<u8>, text in "[ -~é]*") {
            let (cookies, token) = (cookies(), Token::random());
            for value in [bytes, text.into_bytes()] {
                let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
                let mut headers = HeaderMap::new();
                headers.append(COOKIE, HeaderValue::from_static("vestibule_internal=forged; theme=dark"));
                headers.append(COOKIE, value);
                let inner = cookies.inner_cookies(&headers, Some(&token)).unwrap();
                let inner = std::str::from_utf8(inner.as_bytes()).unwrap();
                let read: Vec<_> = inner.split(';').map(|pair| Cookie::parse_encoded(pair.trim()).unwrap()).collect();
                prop_assert_eq!(read[0].name(), INTERNAL_COOKIE);
                prop_assert_eq!((read[1].name(), read[1].value()), ("theme", "dark"));
                prop_assert_eq!(read.iter().filter(|cookie| cookie.name() == INTERNAL_COOKIE).count(), 1);
            }
        }
    }
}
