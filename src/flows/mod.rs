//! What people can do: the route table, one line per operation, and one file per flow.

mod answers;
mod change_email;
mod change_password;
mod change_username;
mod confirm_email;
mod delete_account;
mod dev_mailbox;
mod docs;
mod end_sessions;
mod export_account;
mod forgot_password;
mod health;
mod list_sessions;
mod login;
mod logout;
mod problems;
mod register;
mod resend;
mod reset_password;
mod responses;
mod route;
mod show_account;

/// What can be read from bodies.
pub use login::Credentials;
pub use register::Registration;
pub use resend::Resend;

use actix_web::Route;
use actix_web::http::Method;
use actix_web::web::ServiceConfig;

/// Declares the operations: routes and OpenAPI document come from the same lines. `session` stands before those that
/// look at the session that a request presents.
macro_rules! operations {
    ($($who:ident $method:ident $path:literal => $module:ident :: $handler:ident)+) => {
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($module::$handler),+))]
        pub(crate) struct Operations;

        fn operations() -> Vec<route::Operation> {
            vec![$(route::Operation::$who(actix_web::http::Method::$method, $path, || {
                actix_web::Route::new().to($module::$handler)
            })),+]
        }
    };
}

operations! {
    open    POST   "/register"             => register::register_account
    session POST   "/login"                => login::create_session
    session POST   "/logout"               => logout::end_session
    open    GET    "/confirm/{token}"      => confirm_email::show_link
    open    POST   "/confirm/{token}"      => confirm_email::confirm_email
    session POST   "/resend"               => resend::resend_confirmation
    session GET    "/me"                   => show_account::get_account
    session PATCH  "/me"                   => change_username::update_account
    session DELETE "/me"                   => delete_account::delete_account
    session GET    "/me/export"            => export_account::export_account
    open    POST   "/password/forgot"      => forgot_password::request_password_reset
    open    POST   "/password/reset"       => reset_password::reset_password
    session POST   "/password/change"      => change_password::change_password
    session POST   "/email/change"         => change_email::request_email_change
    session GET    "/sessions"             => list_sessions::list_sessions
    session DELETE "/sessions"             => end_sessions::end_other_sessions
    session DELETE "/sessions/{id}"        => end_sessions::end_one_session
    open    GET    "/health/live"          => health::get_liveness
    open    GET    "/health/ready"         => health::get_readiness
    open    GET    "/problems/{code}"      => problems::explain_problem
    open    GET    "/openapi.json"         => docs::get_document
    open    GET    "/dev/mailbox"          => dev_mailbox::list_mails
    open    DELETE "/dev/mailbox"          => dev_mailbox::delete_mails
    open    GET    "/dev/mailbox/{id}"     => dev_mailbox::get_mail
}

/// Registers every route.
pub fn routes(config: &mut ServiceConfig, app: &crate::app::App, manager: &crate::session::LoginManager) {
    route::register(config, operations(), app, manager);
    docs::pages(config);
    // The form of a reset link: a page, and so no operation of the document.
    let form = vec![
        route::Operation::open(Method::GET, "/password/reset/{token}", || Route::new().to(reset_password::reset_form)),
        route::Operation::open(Method::POST, "/password/reset/{token}", || {
            Route::new().to(reset_password::submit_form)
        }),
    ];
    route::register(config, form, app, manager);
}
