//! What the log may say.

use env_logger::Builder;
use log::LevelFilter;

/// The log of a service, with a filter as env_logger reads it; to be given a target, and started.
#[must_use]
pub fn logger(filter: &str) -> Builder {
    let mut builder = Builder::new();
    builder.parse_filters(filter).format_target(false);
    // What these say below a warning are requests, statements and their values: secrets, whatever the filter.
    for module in
        ["tokio_postgres", "diesel", "actix_http", "actix_web", "actix_session", "actix_server", "hyper", "rustls"]
    {
        builder.filter_module(module, LevelFilter::Warn);
    }
    builder
}
