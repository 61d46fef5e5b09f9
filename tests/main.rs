//! The tests, as one binary: black box over TCP, real PostgreSQL, real SMTP.

mod readme;
mod settings;
mod support;
