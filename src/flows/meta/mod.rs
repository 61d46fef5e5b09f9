//! The service itself: health, errors, documentation.

pub mod docs;
pub mod health;
pub mod problems;
