//! The password: forgotten, reset, changed.

mod change;
mod forgot;
mod reset;
mod reset_page;
