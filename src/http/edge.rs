//! The edge: what every answer has. Request id, problem bodies, security headers, the access log, the time limit.
//!
//! If an answer could bypass it, an error of the framework would be no problem document, and a panic an empty reply.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_http::{Request, Response};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL,
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName,
    HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, web};
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::app::App;
use crate::db;
use crate::problem::{Code, Problem, RequestId};
use crate::session;

use super::body::MAX_BODY;

/// How long a request may take as a whole.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// What an answer that is no page may do in a browser: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// Two years, as the preload list asks.
const HSTS: &str = "max-age=63072000; includeSubDomains";
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The headers that scripts of the allowed origins may read.
pub const READABLE: [HeaderName; 2] = [RETRY_AFTER, X_REQUEST_ID];

/// What the edge keeps of a request.
pub(super) struct Exchange {
    app: web::Data<App>,
    request_id: String,
    method: Method,
    /// The allowed origin whose script asks.
    reader: Option<HeaderValue>,
    began_at: Instant,
}

/// The outermost middleware. Its errors carry a complete answer.
pub async fn edge<B: MessageBody + 'static>(
    app: web::Data<App>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exchange = Exchange::new(app, req.method(), req.headers());
    req.extensions_mut().insert(RequestId(exchange.request_id.clone()));
    let answering = AssertUnwindSafe(db::in_limited_time(next.call(req))).catch_unwind();
    let problem = match tokio::time::timeout(REQUEST_TIMEOUT, answering).await {
        Ok(Ok(Ok(answer))) => return Ok(exchange.finish(answer.map_into_boxed_body())),
        Ok(Ok(Err(error))) => problem_of(&error),
        Ok(Err(_panic)) => Problem::internal("a handler panicked"),
        Err(_) => Problem::with_detail(Code::Unavailable, "The request took longer than 15 s."),
    };
    // The request is gone with the service that had it: the answer leaves inside an error.
    let answer = exchange.answer(&problem);
    exchange.log(answer.status(), "-");
    Err(InternalError::from_response(problem, answer).into())
}

/// The client's own id, if it is harmless, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let is_harmless = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(is_harmless);
    given.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned)
}

fn reader(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    headers.get(ORIGIN).filter(|origin| allowed.iter().any(|one| one.as_bytes() == origin.as_bytes())).cloned()
}

fn problem_of(error: &Error) -> Problem {
    own_problem(error).unwrap_or_else(|| problem_of_status(error.as_response_error().status_code(), error))
}

/// The problem that an error of ours means.
pub(super) fn own_problem(error: &Error) -> Option<Problem> {
    error
        .as_error::<Problem>()
        .cloned()
        .or_else(|| error.as_error::<session::Error>().map(|error| error.clone().into()))
}

/// What an answer of the framework means.
fn problem_of_status(status: StatusCode, error: impl std::fmt::Display) -> Problem {
    match status {
        // A preflight that actix-cors refuses.
        StatusCode::BAD_REQUEST => Problem::new(Code::CrossOrigin),
        StatusCode::NOT_FOUND => Problem::new(Code::NotFound),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(Code::MethodNotAllowed),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::PayloadTooLarge),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(Code::UnsupportedMediaType),
        status if status.is_client_error() => Problem::new(Code::NotFound),
        _ => Problem::internal(error),
    }
}

/// Decides about `Expect: 100-continue`, before any middleware: a body that is announced as too large is refused before
/// the client sends it.
pub async fn expect(app: web::Data<App>, request: Request) -> Result<Request, Response<BoxBody>> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_none_or(|length: usize| length <= MAX_BODY) {
        return Ok(request);
    }
    let exchange = Exchange::new(app, request.method(), request.headers());
    let answer = exchange.answer(&Problem::new(Code::PayloadTooLarge));
    exchange.log(answer.status(), "-");
    Err(answer.into())
}

impl Exchange {
    pub(super) fn new(app: web::Data<App>, method: &Method, headers: &HeaderMap) -> Self {
        Self {
            request_id: request_id(headers),
            method: method.clone(),
            reader: reader(headers, &app.config.allowed_origins),
            began_at: Instant::now(),
            app,
        }
    }

    /// Adds what every answer has.
    fn finish(&self, answer: ServiceResponse) -> ServiceResponse {
        let problem = match answer.response().error() {
            Some(error) => Some(problem_of(error)),
            None if is_bare_error(answer.response()) => Some(problem_of_status(answer.status(), "a bare error answer")),
            None => None,
        };
        let pattern = answer.request().match_pattern();
        let mut answer = match problem {
            Some(problem) => {
                let mut written = self.answer(&problem);
                for name in [ALLOW, LOCATION] {
                    if let Some(value) = answer.headers().get(&name).cloned() {
                        written.headers_mut().insert(name, value);
                    }
                }
                answer.into_response(written)
            }
            None => answer,
        };
        self.complete(answer.response_mut());
        self.log(answer.status(), pattern.as_deref().unwrap_or("-"));
        answer
    }

    /// The whole answer of a problem, and its cause for the log.
    pub(super) fn answer(&self, problem: &Problem) -> HttpResponse {
        match (&problem.cause, problem.code) {
            (Some(cause), Code::Internal) => log::error!("{}: internal error: {cause}", self.request_id),
            (Some(cause), _) => log::warn!("{}: {}: {cause}", self.request_id, problem.code.name()),
            (None, _) => {}
        }
        let body = problem.body(&self.app.config.public_url, &self.request_id);
        let mut answer = HttpResponse::build(problem.code.status());
        answer.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(seconds) = problem.retry_after {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if problem.code.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2: every 401 names a scheme.
            answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        let mut answer = answer.json(body);
        self.let_read(answer.headers_mut());
        self.complete(&mut answer);
        answer
    }

    /// What actix-cors does for other answers: a front-end that cannot read an error cannot tell what is wrong.
    fn let_read(&self, headers: &mut HeaderMap) {
        if let Some(reader) = &self.reader {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, reader.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            for name in READABLE {
                headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, name.into());
            }
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
    }

    fn complete<B>(&self, answer: &mut HttpResponse<B>) {
        if self.app.stopping.is_cancelled() {
            // A client that keeps the connection learns in time to send its next request elsewhere.
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let headers = answer.headers_mut();
        let mut add_missing = |name: HeaderName, value: &'static str| {
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        };
        // Nearly every answer depends on who asks; the few files that do not say so themselves.
        add_missing(CACHE_CONTROL, "no-store");
        add_missing(CONTENT_SECURITY_POLICY, POLICY);
        add_missing(X_CONTENT_TYPE_OPTIONS, "nosniff");
        add_missing(X_FRAME_OPTIONS, "DENY");
        add_missing(REFERRER_POLICY, "no-referrer");
        add_missing(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
        if self.app.config.session.is_secure {
            add_missing(STRICT_TRANSPORT_SECURITY, HSTS);
        }
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(X_REQUEST_ID, id);
        }
    }

    /// The route pattern, not the path: a path can have a token in it.
    fn log(&self, status: StatusCode, pattern: &str) {
        log::info!(
            target: "vestibule::access",
            "{} {pattern} {} {} ms {}",
            self.method,
            status.as_u16(),
            self.began_at.elapsed().as_millis(),
            self.request_id
        );
    }
}

/// Whether the framework made this error answer: ours have a body.
fn is_bare_error(answer: &HttpResponse) -> bool {
    let is_error = answer.status().is_client_error() || answer.status().is_server_error();
    is_error && !answer.headers().contains_key(CONTENT_TYPE)
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::{App as ActixApp, test};
    use serde_json::Value;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Settings;
    use crate::server::Service;

    /// A service that never connects to anything.
    fn app() -> App {
        let flags = [
            "--listen=127.0.0.1:0",
            "--database-url=postgres://127.0.0.1:1/none",
            "--smtp-url=smtp://127.0.0.1:1",
            "--secret-key=abababababababababababababababababababababababababababababababab",
        ];
        let settings = Settings::of_flags(&flags).unwrap();
        Service::prepare(&settings, Clock::default()).unwrap().app().clone()
    }

    async fn panicking() -> HttpResponse {
        panic!("with a secret in its text")
    }

    #[actix_web::test]
    async fn a_panic_is_a_problem_with_a_request_id_and_the_next_request_is_answered() {
        let service = ActixApp::new()
            .app_data(web::Data::new(app()))
            .wrap(from_fn(edge))
            .route("/panic", web::get().to(panicking))
            .route("/fine", web::get().to(HttpResponse::NoContent));
        let service = test::init_service(service).await;
        for _ in 0..3 {
            let request = test::TestRequest::get().uri("/panic").insert_header(("X-Request-Id", "mine")).to_request();
            let error = test::try_call_service(&service, request).await.unwrap_err();
            let answer = error.error_response();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            for name in ["x-request-id", "x-content-type-options", "content-security-policy", "cache-control"] {
                assert!(answer.headers().contains_key(name), "{name}");
            }
            let body = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((body["code"].as_str(), body["request_id"].as_str()), (Some("internal"), Some("mine")));
            assert!(!body.to_string().contains("secret"));
        }
        let request = test::TestRequest::get().uri("/fine").to_request();
        assert_eq!(test::call_service(&service, request).await.status(), StatusCode::NO_CONTENT);
    }
}
