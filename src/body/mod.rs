//! Request bodies: one JSON object, read strictly, with every wrong field named at once.
//!
//! If this were left to a framework, an array would pass for an object, the last of two equal keys would win, a wrong
//! type would be reported alone and with its value, passwords included.

mod fields;
mod json;

pub use fields::{Fields, FromFields};
pub use json::{Json, read_form};
