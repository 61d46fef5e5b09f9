//! For what stands behind this service: access tokens, the keys that verify them, and forward authentication.

pub mod discovery;
pub mod issue;
pub mod verify;
