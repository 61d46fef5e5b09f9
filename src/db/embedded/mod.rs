//! The PostgreSQL of development and tests: `cargo run` on a machine with nothing set up gets a real database.
//!
//! Not for production: one folder, no TCP, no passwords, and in a bundled version that gets no security updates. What it
//! does promise: nothing half-made survives a kill, nothing runs on when we are gone, and it comes back when it is shot.
//!
//! - `programs`: which PostgreSQL; `bundled` is the one inside this binary
//! - `data_dir`: the folder and its lock
//! - `cluster`, `account`: where the data and the socket lie, and whose they are
//! - `process`: the lifeline, which ends the server when we end, even by SIGKILL
//! - `server`, `supervisor`: starting it, and starting it again

mod account;
#[cfg(bundled_postgres)]
mod bundled;
mod cluster;
mod data_dir;
mod error;
mod process;
mod programs;
mod server;
mod supervisor;

use std::{fmt::Write as _, os::unix::ffi::OsStrExt, path::Path};

pub use error::EmbeddedError;

use cluster::{Cluster, SUPERUSER, SocketDir};
use data_dir::DataDir;
use process::Launcher;
use programs::Programs;
use server::Server;
use supervisor::Supervisor;

/// What a caller decides about the server.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Where everything goes; it is created if need be, and belongs to one instance at a time.
    pub data_dir: &'a Path,
    /// The folder of the programs to use (`POSTGRES_BIN_DIR`); `None` for the bundled ones, else installed ones.
    pub bin_dir: Option<&'a Path>,
    /// Whether the data shall survive a crash of the machine. Tests say no and are quicker.
    pub durable: bool,
}

/// A running PostgreSQL. Dropping it stops the server and waits for that, at most 15 seconds.
///
/// It is started again by itself if it ends for another reason. If this process is killed, the server stops as well.
pub struct Embedded {
    // The order matters: fields are dropped from the top, and the lock goes last.
    _supervisor: Supervisor,
    socket_dir: SocketDir,
    _data_dir: DataDir,
    version: String,
    source: String,
}

impl Embedded {
    /// Starts the server, after setting everything up if this is the first time, and returns when it takes connections.
    /// This blocks, for about a second the first time: call it before the runtime starts, or with `spawn_blocking`.
    /// Dropping blocks as well.
    ///
    /// # Errors
    ///
    /// See [`EmbeddedError`]: each is one line for the person who started the service.
    pub fn start(settings: &Settings<'_>) -> Result<Self, EmbeddedError> {
        let data_dir = DataDir::take(settings.data_dir)?;
        let log = data_dir.server_log()?;
        let programs = Programs::locate(settings.bin_dir, data_dir.path())?;
        let cluster = Cluster::choose(data_dir.path(), &programs)?;
        if !cluster.dir.starts_with(data_dir.path()) {
            let (private, dir) = (data_dir.path().display(), cluster.dir.display());
            log::info!("PostgreSQL refuses root, and no other user can enter {private}: its data is in {dir}");
        }
        let launcher = Launcher { account: cluster.account.clone(), log };
        cluster.ensure(&programs, &launcher, settings.durable)?;
        let socket_dir = cluster.socket_dir()?;
        let supervisor = Supervisor::start(Server {
            program: programs.bin_dir.join("postgres"),
            cluster: cluster.dir,
            socket_dir: socket_dir.path.clone(),
            durable: settings.durable,
            launcher,
        })?;
        let source = programs.source();
        Ok(Self { _supervisor: supervisor, socket_dir, _data_dir: data_dir, version: programs.version, source })
    }

    /// The URL of `database` for tokio-postgres: the superuser's, over the socket. `postgres` always exists; any other
    /// is the caller's to create.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let host = percent_encoded(self.socket_dir.path.as_os_str().as_bytes());
        let database = percent_encoded(database.as_bytes());
        format!("postgres://{SUPERUSER}@{host}/{database}")
    }

    /// The version of the server, such as `17.5`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where its programs come from: `bundled`, or their folder.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn percent_encoded(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
