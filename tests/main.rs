//! Black-box tests: each talks to a running service over TCP and has a database of its own. They are one binary, which
//! links once and shares one PostgreSQL. The flow `src/flows/<group>/<flow>.rs` is tested in `tests/<group>/<flow>.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail with a panic, and may print"
)]

mod support;

mod account;
mod dev;
mod email;
mod meta;
mod password;
mod session;
mod token;

mod address;
mod architecture;
mod base_path;
mod cleanup;
mod contract;
mod embedded;
mod engine;
mod environment;
mod errors;
mod events;
mod foreign_hashes;
mod guard;
mod guides;
mod import;
mod import_faults;
mod import_passwordless;
mod mail;
mod migrations;
mod overtaken;
mod passlib;
mod races;
mod round_trips;
mod schema;
mod start;
mod user_command_names;
mod user_commands;
mod vocabulary;

mod browser;
mod proxies;
mod security;

mod readme;
mod settings;
