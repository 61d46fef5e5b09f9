//! Vestibule: sign-up, sign-in and e-mail confirmation as a ready-to-run JSON service.
//!
//! The modules, read from top to bottom, are the story: *somebody registers, proves a password, is given a session,
//! receives a mail, spends its link, and only then passes the guard.* Each module uses only modules above it;
//! `tests/architecture.rs` keeps it so.

// What everything stands on.
pub mod cause;
pub mod clock;
pub mod config;
pub mod db;

// Who somebody is, and how they show it. None of these knows HTTP.
pub mod client;
pub mod password;
pub mod user;
pub mod event;
pub mod link;
pub mod throttle;
pub mod mail;

// What an answer can be, and who may ask.
pub mod app;
pub mod problem;
pub mod proof;
pub mod session;
pub mod operator;
pub mod guard;
pub mod body;
pub mod page;

// What people can do, and the house it happens in.
pub mod flows;
pub mod openapi;
pub mod server;
