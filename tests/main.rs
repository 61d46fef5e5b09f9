//! The tests from outside: every one talks to a running service over TCP, with a database of its own. One binary, so
//! that they link once and share one PostgreSQL; one file per flow, with the name that it has in `src/flows`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how tests fail")]

mod support;

mod mail;
mod show_account;
