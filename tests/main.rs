//! The tests from outside: every one talks to a running service over TCP, with a database of its own. One binary, so
//! that they link once and share one PostgreSQL; one file per flow, with the name that it has in `src/flows`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "that is how tests fail"
)]

mod support;

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
mod show_account;

mod address;
mod architecture;
mod contract;
mod errors;
mod guard;
mod mail;
mod mail_smtp;
mod passlib;
mod races;
mod schema;
mod session;
mod start;

mod security;

mod readme;
mod settings;
