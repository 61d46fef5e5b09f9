//! One PostgreSQL server: its command line, whether it is ready, and whether an earlier one still runs.

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

use crate::{
    Error,
    cluster::SOCKET,
    process::{Launcher, Running},
};

/// How long a start may take, including the recovery after a crash.
const READY_WITHIN: Duration = Duration::from_secs(30);

const SETTINGS: [&str; 5] = [
    "listen_addresses=",
    "port=5432",
    // The bundled initdb writes 400 kB and 25.
    "shared_buffers=64MB",
    "max_connections=100",
    "logging_collector=off",
];

/// Faster, but a crash of the machine can destroy the data.
const NOT_DURABLE: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// What it takes to start the server, again and again.
pub(crate) struct Server {
    pub(crate) program: PathBuf,
    pub(crate) superuser: String,
    pub(crate) cluster: PathBuf,
    pub(crate) socket_dir: PathBuf,
    pub(crate) durable: bool,
    pub(crate) launcher: Launcher,
}

/// The state of the previous server, by its `postmaster.pid`.
pub(crate) enum Predecessor {
    /// There was none, or it stopped properly.
    None,
    /// It was killed; its child processes may take a moment to notice.
    Killed,
    Running(u32),
}

impl Server {
    /// Starts the server, and does not wait until it is ready.
    pub(crate) fn launch(&self) -> Result<Running, Error> {
        self.launcher.launch(&self.program, &self.arguments()).map_err(|error| self.not_ready(error.to_string()))
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["-D".into(), self.cluster.clone().into_os_string()];
        // This setting is a list of folders, separated by commas. A quoted one can contain a comma.
        let mut sockets = b"unix_socket_directories=\"".to_vec();
        for &byte in self.socket_dir.as_os_str().as_bytes() {
            sockets.extend(iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 }));
        }
        sockets.push(b'"');
        let not_durable = NOT_DURABLE.iter().filter(|_| !self.durable);
        let settings = SETTINGS.iter().chain(not_durable).map(OsString::from);
        for setting in settings.chain([OsStr::from_bytes(&sockets).to_owned()]) {
            arguments.extend(["-c".into(), setting]);
        }
        arguments
    }

    /// Returns when the server of `shell` accepts connections. `log_start` is the length of the log before its start.
    pub(crate) fn await_ready(&self, shell: &mut Child, log_start: u64) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        let mut pause = Duration::from_millis(5);
        while Instant::now() < deadline {
            if self.accepts_connections().unwrap_or(false) {
                return Ok(());
            }
            if !matches!(shell.try_wait(), Ok(None)) {
                return Err(self.not_ready(self.launcher.log.error_line(log_start)));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        let line = self.launcher.log.error_line(log_start);
        Err(self.not_ready(format!("no answer within {} s; {line}", READY_WITHIN.as_secs())))
    }

    /// Opens a connection and closes it again. A server that still starts answers with an `E` (error).
    fn accepts_connections(&self) -> io::Result<bool> {
        let mut socket = UnixStream::connect(self.socket_dir.join(SOCKET))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.set_write_timeout(Some(Duration::from_secs(2)))?;
        // StartupMessage of protocol 3.0: its length, the version, then names and values, each terminated by a zero.
        let parameters = format!("user\0{}\0database\0postgres\0\0", self.superuser);
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

    /// Looks for the previous server, and removes a `postmaster.pid` whose process id belongs to another program by now, as
    /// happens at every restart of a container. PostgreSQL would refuse to start.
    pub(crate) fn predecessor(&self) -> Predecessor {
        let pid_file = self.cluster.join("postmaster.pid");
        let Ok(text) = fs::read_to_string(&pid_file) else {
            return Predecessor::None;
        };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else {
            return Predecessor::Killed;
        };
        match self.process_of(pid) {
            Process::Server => return Predecessor::Running(pid),
            Process::None => {}
            Process::Other => {
                let _ = fs::remove_file(pid_file);
            }
        }
        Predecessor::Killed
    }

    fn process_of(&self, pid: u32) -> Process {
        if cfg!(target_os = "linux") {
            // The working directory of a postmaster is its data directory.
            let process = PathBuf::from(format!("/proc/{pid}"));
            return match fs::read_link(process.join("cwd")) {
                Ok(dir) if dir == self.cluster => Process::Server,
                Ok(_) => Process::Other,
                // A zombie has no command line, but PostgreSQL takes it for a running process.
                Err(_) => match fs::read(process.join("cmdline")) {
                    Ok(line) if line.is_empty() => Process::Other,
                    // There is none, or it is of another user, which PostgreSQL ignores.
                    _ => Process::None,
                },
            };
        }
        let pid = pid.to_string();
        let Ok(output) = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid]).output() else {
            return Process::None;
        };
        let cluster = self.cluster.as_os_str().as_bytes();
        if output.stdout.windows(cluster.len()).any(|part| part == cluster) {
            Process::Server
        } else if output.stdout.is_empty() {
            Process::None
        } else {
            Process::Other
        }
    }

    pub(crate) fn not_ready(&self, reason: String) -> Error {
        Error::NotReady { reason, log: self.launcher.log.path().to_owned() }
    }
}

/// What a process id belongs to.
enum Process {
    /// A server on our data.
    Server,
    Other,
    None,
}
