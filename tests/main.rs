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

mod change_email;
mod change_email_undo;
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
mod reset_password_form;
mod show_account;

mod address;
mod architecture;
mod cleaning;
mod contract;
mod errors;
mod events;
mod foreign_hashes;
mod guard;
mod mail;
mod import;
mod import_faults;
mod mail_smtp;
mod outrun;
mod passlib;
mod races;
mod schema;
mod session;
mod start;
mod user_commands;

mod browser;
mod security;

mod readme;
mod settings;
