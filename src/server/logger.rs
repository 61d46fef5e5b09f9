//! What the log may say, whatever filter somebody sets to look for a fault.

use env_logger::{Builder, Logger, Target};
use log::{Level, Log, Metadata, Record, SetLoggerError};

/// What these say below a warning are requests, statements and their values: secrets.
const REDACTED: [&str; 8] =
    ["tokio_postgres", "diesel", "actix_http", "actix_web", "actix_session", "actix_server", "hyper", "rustls"];

/// A log that judges each line itself: a filter of env_logger's can be undone by a longer one.
struct RedactingLogger(Logger);

/// Starts the log of a service, with a filter as env_logger reads it.
///
/// # Errors
/// There is a log already.
pub fn start_log(filter: &str, target: Target) -> Result<(), SetLoggerError> {
    let logger = Builder::new().parse_filters(filter).format_target(false).target(target).build();
    let most = logger.filter();
    log::set_boxed_logger(Box::new(RedactingLogger(logger)))?;
    log::set_max_level(most);
    Ok(())
}

impl Log for RedactingLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        may_say(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if may_say(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn may_say(metadata: &Metadata<'_>) -> bool {
    metadata.level() <= Level::Warn || !REDACTED.iter().any(|module| metadata.target().starts_with(module))
}
