//! What flows share of HTTP: the guard and other extractors, bodies, pages, and what every answer gets.

mod body;
pub mod edge;
pub mod extract;
pub mod pages;

pub use body::{Fields, FromFields, Json, read_form};
