//! What flows share of HTTP: the guard and other extractors, bodies, pages, and what every answer gets.

mod body;
pub mod edge;
pub mod extract;
mod fields;
pub mod pages;

pub use body::{Json, read_form};
pub use fields::{Fields, FromFields};
