//! A private PostgreSQL for development and tests: your program starts it, and it ends with your program.
//!
//! ```no_run
//! use std::path::Path;
//! use dev_postgres::{DevPostgres, Settings};
//!
//! let postgres = DevPostgres::start(&Settings {
//!     name: "shop",
//!     data_dir: Path::new(".shop"),
//!     bin_dir: None,
//!     min_major: 15,
//!     durable: true,
//! })?;
//! let url = postgres.url("postgres"); // for tokio-postgres: postgres://shop@%2Fhome%2F…/postgres
//! // … and at the end:
//! drop(postgres);
//! # Ok::<(), dev_postgres::Error>(())
//! ```
//!
//! The feature `bundled` carries a PostgreSQL 17 inside your binary. Without it, and where it cannot run, an installed
//! PostgreSQL is used.
//!
//! - The server listens on a Unix socket in a private folder, never on TCP, and asks for no password.
//! - It stops when your process ends, even by SIGKILL, and starts again when it crashes.
//! - A kill during the setup leaves nothing half-made: the next start clears up and begins again.
//! - It works as root too. An installed PostgreSQL refuses root, so another user runs it then.
//!
//! Do not use it in production: the bundled PostgreSQL gets no security updates.

mod account;
mod cluster;
mod data_dir;
mod process;
mod programs;
mod server;
mod supervisor;

use std::{
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use cluster::{Cluster, SocketDir};
use data_dir::DataDir;
use process::Launcher;
use programs::Programs;
use server::Server;
use supervisor::Supervisor;

/// All but the unreserved characters of URLs (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which PostgreSQL to run, and where.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The name of your program, made of letters, digits and underscores. The superuser of the database has this name,
    /// and folders outside of `data_dir` begin with it.
    pub name: &'a str,
    /// The folder for the data, the log and the bundled programs. It is created if it does not exist, and used by one
    /// process at a time.
    pub data_dir: &'a Path,
    /// The folder with the programs `postgres` and `initdb` to use; `None` for the bundled ones, else the newest that are
    /// installed.
    pub bin_dir: Option<&'a Path>,
    /// The oldest major version of PostgreSQL that you support.
    pub min_major: u32,
    /// Whether the data must survive a crash of the machine. Tests are faster without.
    pub durable: bool,
}

/// A running PostgreSQL, which is started again if it ends by itself.
///
/// Dropping this stops the server, and blocks until it has ended, at most 15 seconds.
pub struct DevPostgres {
    // Fields are dropped in this order: the server first, the lock of the data directory last.
    _supervisor: Supervisor,
    socket_dir: SocketDir,
    _data_dir: DataDir,
    name: String,
    version: String,
    source: String,
}

impl DevPostgres {
    /// Starts the server, which is set up the first time, and returns when it accepts connections.
    ///
    /// This blocks, for about a second the first time: in async programs, use `spawn_blocking`.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn start(settings: &Settings<'_>) -> Result<Self, Error> {
        let data_dir = DataDir::lock(settings.data_dir)?;
        let log = data_dir.server_log()?;
        let programs = Programs::find(settings, data_dir.path())?;
        let cluster = Cluster::choose(*settings, data_dir.path(), &programs)?;
        if !cluster.dir.starts_with(data_dir.path()) {
            let (private, dir) = (data_dir.path().display(), cluster.dir.display());
            log::info!(
                "PostgreSQL refuses to run as root, and no other user can enter {private}: its data is in {dir}"
            );
        }
        let launcher = Launcher { account: cluster.account.clone(), log };
        cluster.ensure(&programs, &launcher)?;
        let socket_dir = cluster.socket_dir()?;
        let supervisor = Supervisor::start(Server {
            program: programs.bin_dir.join("postgres"),
            superuser: settings.name.to_owned(),
            cluster: cluster.dir,
            socket_dir: socket_dir.path.clone(),
            durable: settings.durable,
            launcher,
        })?;
        Ok(Self {
            _supervisor: supervisor,
            socket_dir,
            _data_dir: data_dir,
            name: settings.name.to_owned(),
            source: programs.source(),
            version: programs.version,
        })
    }

    /// The URL of `database` for its superuser, in the form that tokio-postgres reads.
    ///
    /// The database `postgres` always exists; create any other yourself.
    pub fn url(&self, database: &str) -> String {
        let user = percent_encode(self.name.as_bytes(), ESCAPED);
        let host = percent_encode(self.socket_dir.path.as_os_str().as_bytes(), ESCAPED);
        let database = percent_encode(database.as_bytes(), ESCAPED);
        format!("postgres://{user}@{host}/{database}")
    }

    /// The version of the server, such as `17.5`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the programs come from: `bundled`, or their folder.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Why [`DevPostgres::start`] failed.
///
/// Each text is one line that includes the cause. Add what your users can do about it, in the words of your program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("cannot use {}: {error}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another running process uses the data directory.
    #[error("{} is in use by another process (pid {pid})", data_dir.display())]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
        /// The id of the other process, or `?` if it has not written it down yet.
        pid: String,
    },
    /// A server that should have ended with an earlier process still runs.
    #[error("a PostgreSQL of an earlier run still uses {} (pid {pid})", cluster.display())]
    StillRunning {
        /// The folder of its data.
        cluster: PathBuf,
        /// The id of the server process.
        pid: u32,
    },
    /// Neither a bundled nor an installed PostgreSQL can be used.
    #[error("no usable PostgreSQL: {reason}")]
    NoPrograms {
        /// What was tried, and why it cannot be used.
        reason: String,
    },
    /// [`Settings::bin_dir`] cannot be used.
    #[error("{} holds no usable PostgreSQL: {reason}", bin_dir.display())]
    BinDir {
        /// The folder from the settings.
        bin_dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// We are root, an installed PostgreSQL refuses root, and no other user can run it.
    #[error("PostgreSQL refuses to run as root, and no other user can run it: {reason}")]
    Root {
        /// Why there is no such user.
        reason: String,
    },
    /// `initdb` failed.
    #[error("cannot create a database in {}: {reason} (see {})", cluster.display(), log.display())]
    Initdb {
        /// The folder that was to be created.
        cluster: PathBuf,
        /// The last error in the log.
        reason: String,
        /// The whole log.
        log: PathBuf,
    },
    /// The server ended, or did not answer in time.
    #[error("PostgreSQL does not start: {reason} (see {})", log.display())]
    NotReady {
        /// The last error in the log.
        reason: String,
        /// The whole log.
        log: PathBuf,
    },
}

impl Error {
    /// For `map_err`: adds the path to an I/O error.
    fn folder(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Folder { path, error }
    }
}
