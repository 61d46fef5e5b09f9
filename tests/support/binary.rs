//! The real binary, started as an admin starts it: with an environment, an exit status and signals.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::http::Http;
use super::{canary, within};

/// How long a start or a stop may take.
const LONG: Duration = Duration::from_secs(30);

/// A program that ends with the tests, however they end: a shell reads from a pipe of theirs, and kills its process group
/// when that closes. The shell ends with the program.
pub fn tied(program: &str, arguments: &[impl AsRef<OsStr>]) -> Command {
    const LIFELINE: &str = r#"{ "$0" "$@" </dev/null; kill -KILL 0; } & exec >&-; read -r _; kill -KILL 0"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", LIFELINE, program]).args(arguments).stdin(Stdio::piped()).process_group(0);
    shell
}

/// The command, without the settings in the environment of the test run.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = program(Path::new(env!("CARGO_BIN_EXE_vestibule")));
    command.args(arguments);
    command
}

fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear();
    for kept in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "POSTGRES_BIN_DIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// Runs the binary until it exits, and fails if that takes too long.
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = command(arguments);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id().to_string();
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    ended.recv_timeout(LONG).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-KILL", &pid]).status();
        panic!("{arguments:?} {variables:?} does not end");
    })
}

/// The resident memory of a process in KiB; 0 if the system does not report it or the process has ended.
pub fn memory_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).map_or(0, |kib| kib.parse().unwrap())
}

/// A service as its own process; dropping this kills it.
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts the service on a free port, with this data directory and these variables.
    pub fn start(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        Self::run(command(&["serve"]), data_dir, variables)
    }

    /// Starts an example in the same way. `cargo test` builds it, `cargo test --test main` does not.
    pub fn start_example(name: &str, data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_BIN_EXE_vestibule")).with_file_name("examples").join(name);
        assert!(path.exists(), "{} is missing: cargo build --example {name}", path.display());
        Self::run(program(&path), data_dir, variables)
    }

    fn run(mut command: Command, data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = command
            .env("LISTEN", "127.0.0.1:0")
            .env("BCRYPT_COST", "10")
            .env("DATA_DIR", data_dir)
            .envs(canary::is_on().then_some(("RUST_LOG", "trace")))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let (writing, lines) = (Arc::clone(&log), BufReader::new(child.stderr.take().unwrap()).lines());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                canary::logged(&line);
                writing.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self { child, log }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn memory(&self) -> u64 {
        memory_of(self.child.id())
    }

    /// Waits until the log names the address of the API.
    pub async fn http(&self) -> Http {
        Http::new(self.url_after("API ").await)
    }

    /// Waits until a line of the log has these words, and returns its last one.
    pub async fn url_after(&self, words: &str) -> String {
        within(LONG, "the service says where it listens", async || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(words))?.to_owned();
            line.split_whitespace().last().map(ToOwned::to_owned)
        })
        .await
    }

    /// Waits until the service is ready.
    pub async fn ready(&self) -> Http {
        Self::until_ready(self.http().await).await
    }

    pub async fn until_ready(http: Http) -> Http {
        within(LONG, "the service gets ready", async || {
            let answer = http.request("GET", "/health/ready").try_send().await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        http
    }

    /// Kills the process, which cannot clean up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM, and returns the exit status.
    pub async fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        within(LONG, "the service ends", async || self.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
