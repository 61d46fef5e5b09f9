//! The service itself: health, explained problems, documentation.

mod docs;
mod health;
mod problems;
