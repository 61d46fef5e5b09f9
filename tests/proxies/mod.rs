//! Behind real reverse proxies.
//!
//! `cargo test --test main proxies:: -- --ignored`

mod base_path;
mod forward_auth;
mod stage;
