//! For what stands behind this service: access tokens, the keys that verify them, and forward authentication.

pub mod discovery;
pub mod issue;
mod login_page;
pub mod verify;
