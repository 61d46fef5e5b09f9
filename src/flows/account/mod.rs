//! The account: register, view, rename, delete, take a copy.

pub mod delete;
pub mod export;
pub mod register;
pub mod show;
pub mod update;
