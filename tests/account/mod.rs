//! The account: register, view, rename, delete, export.

mod delete;
mod export;
mod register;
mod show;
mod update;
