//! The route table, one line per operation, and a file per flow. A flow reads the request, calls one operation of
//! `account/`, and answers.

mod account;
mod dev;
mod documented_errors;
mod email;
mod meta;
mod password;
mod route;
mod session;
mod token;
mod views;

/// What is read from bodies, for the fuzz targets.
pub use account::register::Registration;
pub use email::resend::ResendRequest;
pub use session::login::Credentials;

use actix_web::Route;
use actix_web::http::Method;
use actix_web::web::ServiceConfig;

use crate::session::Sessions;

/// Declares the operations: routes and OpenAPI document come from the same lines. The first word says what the operation
/// does with sessions: `open` looks at none, `session` at that of the request, or begins one, `look` only looks, whatever the
/// method.
macro_rules! operations {
    ($($access:ident $method:ident $path:literal => $group:ident :: $module:ident :: $handler:ident)+) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($group::$module::$handler),+))]
        pub(crate) struct Operations;

        fn operations() -> Vec<route::Operation> {
            vec![$(route::Operation::$access(Method::$method, $path, || Route::new().to($group::$module::$handler))),+]
        }
    };
}

operations! {
    open    POST   "/register"             => account::register::register_account
    session POST   "/login"                => session::login::create_session
    session POST   "/logout"               => session::logout::end_session
    session POST   "/confirm/code"         => email::code::confirm_with_code
    session GET    "/confirm/{token}"      => email::confirm::show_link
    session POST   "/confirm/{token}"      => email::confirm::confirm_email
    session POST   "/resend"               => email::resend::resend_confirmation
    session GET    "/me"                   => account::show::get_account
    session PATCH  "/me"                   => account::update::update_account
    session DELETE "/me"                   => account::delete::delete_account
    session GET    "/me/export"            => account::export::export_account
    open    POST   "/password/forgot"      => password::forgot::request_password_reset
    open    POST   "/password/reset"       => password::reset::reset_password
    session POST   "/password/change"      => password::change::change_password
    session POST   "/email/change"         => email::change::request_email_change
    session GET    "/sessions"             => session::list::list_sessions
    session DELETE "/sessions"             => session::end::end_other_sessions
    session DELETE "/sessions/{id}"        => session::end::end_one_session
    session POST   "/token"                => token::issue::issue_access_token
    look    GET    "/verify"               => token::verify::verify_session
    open    GET    "/.well-known/jwks.json" => token::discovery::get_key_set
    open    GET    "/.well-known/openid-configuration" => token::discovery::get_openid_configuration
    open    GET    "/.well-known/oauth-authorization-server" => token::discovery::get_oauth_metadata
    open    GET    "/health/live"          => meta::health::get_liveness
    open    GET    "/health/ready"         => meta::health::get_readiness
    open    GET    "/problems/{code}"      => meta::problems::explain_problem
    open    GET    "/openapi.json"         => meta::docs::get_document
    open    GET    "/dev/mailbox"          => dev::mailbox::list_mails
    open    DELETE "/dev/mailbox"          => dev::mailbox::delete_mails
    open    GET    "/dev/mailbox/{id}"     => dev::mailbox::get_mail
}

/// Whether a path of ours begins with this segment.
pub fn have_paths_under(segment: &str) -> bool {
    let operations = operations();
    let paths = operations.iter().map(route::Operation::path).chain(meta::docs::PAGES);
    paths.into_iter().any(|path| path.split('/').nth(1) == Some(segment))
}

/// Registers every route.
pub fn routes(config: &mut ServiceConfig, sessions: &Sessions) {
    route::register(config, operations(), sessions);
    meta::docs::pages(config);
    // Pages, and paths that Envoy makes up: no operations of the document.
    let undocumented = vec![
        route::Operation::look(Method::GET, "/verify/{anything:.*}", || Route::new().to(token::verify::verify_session)),
        route::Operation::open(Method::GET, "/password/reset/{token}", || {
            Route::new().to(password::reset_page::reset_form)
        }),
        route::Operation::open(Method::POST, "/password/reset/{token}", || {
            Route::new().to(password::reset_page::submit_form)
        }),
    ];
    route::register(config, undocumented, sessions);
}

/// Registers the description of the issuer, at a path of its own.
pub fn issuer_metadata(config: &mut ServiceConfig) {
    config.service(route::read_only("", || Route::new().to(token::discovery::get_oauth_metadata)));
}
