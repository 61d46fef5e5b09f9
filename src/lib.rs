//! Vestibule: sign-up, sign-in and email confirmation as a ready-to-run JSON service.
//!
//! Run it next to your application as the program `vestibule`, or mount it into your own actix-web application:
//!
//! ```no_run
#![cfg_attr(any(doc, doctest), doc = include_str!("../examples/embedded.rs"))]
//! ```
//!
//! - [`Settings`] are the settings of the service, from the environment or by hand. `PUBLIC_URL` needs a path, such as
//!   `https://app.example.com/auth`: all routes of the service are under it, and so are links in emails.
//! - [`Vestibule`] is the service. [`Vestibule::mount`] registers its routes, such as `POST /auth/register`,
//!   [`Vestibule::sessions`] is the middleware of your own routes that have a guard, and [`Vestibule::run`] does the work in
//!   the background.
//! - [`SignedIn`] and [`Confirmed`] are the guard, as arguments of your handlers: without a session, or without a confirmed
//!   email address, the handler is not called.
//!
//! Your other routes stay as they are: no headers, no error pages of the service. Three things differ from the program:
//!
//! - Your server answers `Expect: 100-continue` itself, so a body that is announced as too large is refused after it was
//!   sent.
//! - Your server stops as you stop it; `GET /auth/health/ready` does not say so beforehand.
//! - The log is yours. Below `warn`, `tokio_postgres`, `diesel`, `actix_http`, `actix_web`, `actix_session`,
//!   `actix_server`, `hyper` and `rustls` log statements and requests, with secrets in them.
//!
//! The modules are in import order: each uses only modules above it, and `tests/architecture.rs` checks that. Those hidden
//! from this documentation are internals, public only for the command line, tests, benches and fuzz targets.

// What everything stands on.
#[doc(hidden)]
pub mod cause;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod db;
#[doc(hidden)]
pub mod templates;
#[doc(hidden)]
pub mod token;

// The data and the mechanisms. None of these knows HTTP, except how a session travels.
#[doc(hidden)]
pub mod request;
#[doc(hidden)]
pub mod password;
#[doc(hidden)]
pub mod user;
#[doc(hidden)]
pub mod audit;
#[doc(hidden)]
pub mod link;
#[doc(hidden)]
pub mod throttle;
#[doc(hidden)]
pub mod mail;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod access_token;

// Everything that can be done to an account.
#[doc(hidden)]
pub mod account;

// From HTTP to an operation and back.
#[doc(hidden)]
pub mod app;
#[doc(hidden)]
pub mod problem;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod flows;
#[doc(hidden)]
pub mod openapi;
#[doc(hidden)]
pub mod server;

#[doc(inline)]
pub use config::{
    AccessClaim, AccessTokenType, ArgumentsError, DevMailbox, KeyRing, LinkTemplate, PublicUrl, SameSitePolicy, Secret,
    Settings, Switch,
};
#[doc(inline)]
pub use http::extract::{Confirmed, SignedIn};
#[doc(inline)]
pub use server::{StartError, Vestibule};
