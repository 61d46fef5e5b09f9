//! What exists in development only.

mod mailbox;
