//! The password: forgotten, reset, changed.

pub mod change;
pub mod forgot;
pub mod reset;
pub mod reset_page;
