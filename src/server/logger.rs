//! What the log may contain, whatever its filter.

use env_logger::{Builder, Logger, Target};
use log::{Level, Log, Metadata, Record, SetLoggerError};

/// Below a warning, these log requests, statements and their values: secrets.
const REDACTED: [&str; 8] =
    ["tokio_postgres", "diesel", "actix_http", "actix_web", "actix_session", "actix_server", "hyper", "rustls"];

/// Checks each line itself, because a longer filter of env_logger undoes a shorter one.
struct RedactingLogger(Logger);

/// Starts the log of the process, with a filter in the syntax of env_logger.
///
/// # Errors
/// The process has a log already.
pub fn start_log(filter: &str, target: Target) -> Result<(), SetLoggerError> {
    let logger = Builder::new().parse_filters(filter).format_target(false).target(target).build();
    let most = logger.filter();
    log::set_boxed_logger(Box::new(RedactingLogger(logger)))?;
    log::set_max_level(most);
    Ok(())
}

impl Log for RedactingLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        may_log(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if may_log(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

fn may_log(metadata: &Metadata<'_>) -> bool {
    metadata.level() <= Level::Warn || !REDACTED.iter().any(|module| metadata.target().starts_with(module))
}
