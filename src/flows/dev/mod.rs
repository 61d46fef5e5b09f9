//! Development only.

pub mod mailbox;
