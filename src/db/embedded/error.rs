//! What can keep the development PostgreSQL from starting. Every message is one line that ends in what to do, because
//! whoever reads it has just typed `cargo run` and does not know this module.

use std::{io, path::PathBuf};

/// Why [`super::Embedded::start`] gave up.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A file or folder under the data directory (or its stand-in for a service that runs as root) is out of reach.
    #[error("cannot use {} ({source}): make it accessible, set another DATA_DIR, or set DATABASE_URL", path.display())]
    Folder {
        /// What was to be read or written.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Another living process holds this data directory.
    #[error("{} is in use by another instance (pid {pid}): stop it, or set another DATA_DIR", data_dir.display())]
    InUse {
        /// The data directory of both.
        data_dir: PathBuf,
        /// The other's process id, or `?` when it has not written it down yet.
        pid: String,
    },
    /// A server still runs on the data although nobody holds the data directory.
    #[error("a PostgreSQL that nobody looks after still runs on {} (pid {pid}): stop it with `kill -INT {pid}`", cluster.display())]
    StillRunning {
        /// The folder that it serves.
        cluster: PathBuf,
        /// The process to stop.
        pid: u32,
    },
    /// Neither a bundled nor an installed PostgreSQL can be used.
    #[error("no development database: {reason}; install postgresql, or set DATABASE_URL, or set POSTGRES_BIN_DIR")]
    NoPrograms {
        /// What was looked at, and why it does not do.
        reason: String,
    },
    /// The folder that was asked for by name does not hold a usable PostgreSQL.
    #[error("POSTGRES_BIN_DIR={} does not hold a usable PostgreSQL ({reason}): correct it, or set DATABASE_URL", bin_dir.display())]
    BinDir {
        /// The folder as it was given.
        bin_dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// We are root, an installed PostgreSQL refuses root, and there is nobody to become.
    #[error("PostgreSQL refuses to run as root ({reason}): run the service as an ordinary user, or set DATABASE_URL")]
    Root {
        /// Why no other user could be taken.
        reason: String,
    },
    /// `initdb` failed.
    #[error("cannot make a database in {}: {reason} (see {}, or set DATABASE_URL)", cluster.display(), log.display())]
    Initdb {
        /// The folder that was to be made.
        cluster: PathBuf,
        /// The line of the log that says most.
        reason: String,
        /// Where the rest is.
        log: PathBuf,
    },
    /// The server ended, or did not answer in time.
    #[error("the development database does not come up: {reason} (see {}, or set DATABASE_URL)", log.display())]
    NotReady {
        /// The line of the log that says most.
        reason: String,
        /// Where the rest is.
        log: PathBuf,
    },
}

impl EmbeddedError {
    /// For `map_err`: says which path an I/O error was about.
    pub(super) fn folder(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { path, source }
    }
}
