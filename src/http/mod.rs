//! What flows share of HTTP: the guard and other extractors, bodies, pages, and what every answer gets.

mod asked_page;
mod body;
pub mod edge;
pub mod extract;
mod form;
pub mod host;
pub mod pages;

pub use asked_page::asked_page;
pub use body::{Fields, FromFields, Json};
pub use form::{form_field, has_body, is_form};
