//! What an error says, with its causes: many libraries say "db error" and keep to themselves which.

use std::error::Error;

/// An error with its causes, in one line; a cause that the text ends with already is not said twice.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
