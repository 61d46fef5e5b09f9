//! The tests from outside, in one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "that is how tests fail")]

mod readme;
mod settings;
