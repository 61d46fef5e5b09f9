//! One `postgres`: how it is called, how one knows that it is ready, and whether a former one is still in its place.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read, Write},
    iter,
    os::unix::{ffi::OsStrExt, net::UnixStream},
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use super::{
    EmbeddedError,
    cluster::{SOCKET, SUPERUSER},
    process::{Launcher, Running},
};

/// How long a server may take to answer; recovery after a crash is part of it.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What the server is told in any case.
const SETTINGS: [&str; 5] = [
    "listen_addresses=",
    "port=5432",
    // The bundled initdb writes 400 kB and 25.
    "shared_buffers=64MB",
    "max_connections=100",
    "logging_collector=off",
];

/// What makes it forget its data in a crash of the machine, and tests quick.
const CARELESS: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// Everything that is needed to start the server, again and again.
pub(super) struct Server {
    pub(super) program: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) durable: bool,
    pub(super) launcher: Launcher,
}

/// What `postmaster.pid` says about the server before ours.
pub(super) enum Predecessor {
    /// It ended in good order, or never was.
    None,
    /// It was killed; processes of it may need a moment to notice.
    Killed,
    /// It runs.
    Alive(u32),
}

impl Server {
    /// Starts a postmaster; that it gets ready is another matter.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::NotReady`] if not even a shell can be started.
    pub(super) fn launch(&self) -> Result<Running, EmbeddedError> {
        self.launcher.launch(&self.program, &self.arguments()).map_err(|error| self.not_ready(error.to_string()))
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["-D".into(), self.cluster.clone().into_os_string()];
        // A list of folders; in quotes, so that a comma in a path is only a comma.
        let mut sockets = b"unix_socket_directories=\"".to_vec();
        for &byte in self.socket_dir.as_os_str().as_bytes() {
            sockets.extend(iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 }));
        }
        sockets.push(b'"');
        let careless = CARELESS.iter().filter(|_| !self.durable);
        let settings = SETTINGS.iter().chain(careless).map(OsString::from);
        let sockets = OsStr::from_bytes(&sockets).to_owned();
        for setting in settings.chain([sockets]) {
            arguments.extend(["-c".into(), setting]);
        }
        arguments
    }

    /// Returns when the server that `shell` runs accepts connections. `log_start` is where its log began.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::NotReady`] if it ended, or does not answer within 30 seconds.
    pub(super) fn await_ready(&self, shell: &mut Child, log_start: u64) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + READY_WITHIN;
        let mut pause = Duration::from_millis(5);
        while Instant::now() < deadline {
            if self.answers().unwrap_or(false) {
                return Ok(());
            }
            if !matches!(shell.try_wait(), Ok(None)) {
                return Err(self.not_ready(self.launcher.log.telling_line(log_start)));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        let line = self.launcher.log.telling_line(log_start);
        Err(self.not_ready(format!("no answer for {} s; {line}", READY_WITHIN.as_secs())))
    }

    /// Asks for a connection, and hangs up. A server that is still starting refuses it with an `E`.
    fn answers(&self) -> io::Result<bool> {
        let mut socket = UnixStream::connect(self.socket_dir.join(SOCKET))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.set_write_timeout(Some(Duration::from_secs(2)))?;
        // StartupMessage of protocol 3.0: its length, the version, then names and values, each ended by a zero.
        let parameters = format!("user\0{SUPERUSER}\0database\0postgres\0\0");
        let length = u32::try_from(8 + parameters.len()).map_err(io::Error::other)?;
        let mut message = length.to_be_bytes().to_vec();
        message.extend(196_608_u32.to_be_bytes());
        message.extend(parameters.as_bytes());
        socket.write_all(&message)?;
        let mut answer = [0];
        socket.read_exact(&mut answer)?;
        // Terminate, so that the server does not log a lost connection.
        let _ = socket.write_all(b"X\0\0\0\x04");
        Ok(answer == *b"R")
    }

    /// Looks for the server before ours, and removes a `postmaster.pid` that would keep ours from starting for no reason:
    /// process ids come round again, in containers with every restart, and PostgreSQL does not look closer than that.
    pub(super) fn predecessor(&self) -> Predecessor {
        let pid_file = self.cluster.join("postmaster.pid");
        let Ok(text) = fs::read_to_string(&pid_file) else {
            return Predecessor::None;
        };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else {
            return Predecessor::Killed;
        };
        match self.occupant(pid) {
            Occupant::Server => return Predecessor::Alive(pid),
            Occupant::Nobody => {}
            Occupant::Stranger => {
                let _ = fs::remove_file(pid_file);
            }
        }
        Predecessor::Killed
    }

    /// Who has the process id `pid` now.
    fn occupant(&self, pid: u32) -> Occupant {
        if cfg!(target_os = "linux") {
            // A postmaster works in its data directory.
            let process = PathBuf::from(format!("/proc/{pid}"));
            return match fs::read_link(process.join("cwd")) {
                Ok(dir) if dir == self.cluster => Occupant::Server,
                Ok(_) => Occupant::Stranger,
                // The dead whom nobody buried have no command line any more, but still count as alive for `kill`.
                Err(_) => match fs::read(process.join("cmdline")) {
                    Ok(line) if line.is_empty() => Occupant::Stranger,
                    // Of another user: PostgreSQL itself does not mind those.
                    _ => Occupant::Nobody,
                },
            };
        }
        let pid = pid.to_string();
        let Ok(answer) = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid]).output() else {
            return Occupant::Nobody;
        };
        let cluster = self.cluster.as_os_str().as_bytes();
        if answer.stdout.windows(cluster.len()).any(|part| part == cluster) {
            Occupant::Server
        } else if answer.stdout.is_empty() {
            Occupant::Nobody
        } else {
            Occupant::Stranger
        }
    }

    /// For a caller who knows the reason; the log is named with it.
    pub(super) fn not_ready(&self, reason: String) -> EmbeddedError {
        EmbeddedError::NotReady { reason, log: self.launcher.log.path().to_owned() }
    }
}

enum Occupant {
    /// A server on our data.
    Server,
    /// A process that has nothing to do with it.
    Stranger,
    Nobody,
}
