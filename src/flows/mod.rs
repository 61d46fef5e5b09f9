//! What people can do: the route table, one line per operation, and one file per flow.

mod answers;
mod confirm_email;
mod dev_mailbox;
mod docs;
mod health;
mod list_sessions;
mod login;
mod logout;
mod problems;
mod register;
mod resend;
mod responses;
mod route;
mod show_account;

/// What can be read from bodies.
pub use login::Credentials;
pub use register::Registration;
pub use resend::Resend;

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
    session GET    "/sessions"             => list_sessions::list_sessions
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
}
