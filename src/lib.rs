//! Vestibule: sign-up, sign-in and email confirmation as a ready-to-run JSON service.
//!
//! [`config::Settings`] is what can be set; [`server::Service`] is the service itself, to run in a process of your own:
//!
//! ```no_run
//! use clap::Parser;
//! use vestibule::clock::Clock;
//! use vestibule::config::Settings;
//! use vestibule::server::Service;
//!
//! #[derive(Parser)]
//! struct Arguments {
//!     #[command(flatten)]
//!     settings: Settings,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let service = Service::prepare(&Arguments::parse().settings, Clock::default())?;
//!     println!("listening on {}", service.address());
//!     Ok(service.run(true).await?)
//! }
//! ```
//!
//! The modules are in import order: each uses only modules above it, and `tests/architecture.rs` checks that. Those hidden
//! from this documentation are internals, public only for the command line, tests, benches and fuzz targets.

// What everything stands on.
#[doc(hidden)]
pub mod cause;
pub mod clock;
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
pub mod openapi;
pub mod server;
