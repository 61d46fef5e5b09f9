//! Child processes that end with us, even when we are killed.
//!
//! A killed process cannot clean up, so a shell between us and the child does. Its standard input is a pipe, and only we
//! hold the other end: the lifeline. The kernel closes that end when we die, and the shell then stops the child. To stop
//! the child on purpose, drop the lifeline.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::{account::Account, data_dir::ServerLog};

/// Runs its arguments as a command, and stops that when standard input closes.
///
/// - The command gets neither the pipe nor our terminal.
/// - A postmaster shuts down fast on SIGINT. But a shell starts background jobs with SIGINT ignored, so until the
///   postmaster has set its handlers, only SIGTERM ends it. It gets both: the faster shutdown wins, and neither harms
///   `initdb` or a postmaster that already stops.
/// - After ten seconds it gets SIGQUIT, on which a postmaster quits at once and recovers at its next start, and two seconds
///   later SIGKILL. The watcher looks every second: so it notices the end even if the main shell was killed, and never
///   signals another process that got the same id.
/// - The watcher kills its `sleep` when it is stopped, and the shell waits for all its children: in a container no init
///   process may do that.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(
    exec >/dev/null 2>&1
    read -r line <&3
    sleeper=
    trap 'kill $sleeper; wait; exit' TERM
    seconds=0
    while [ "$seconds" -lt 13 ] && kill -0 "$program"; do
        kill -s TERM "$program"
        kill -s INT "$program"
        case $seconds in
            10) kill -s QUIT "$program" ;;
            12) kill -s KILL "$program" ;;
        esac
        sleep 1 3<&- &
        sleeper=$!
        wait "$sleeper"
        seconds=$((seconds + 1))
    done
) &
watcher=$!
exec 3<&-
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$code"
"#;

/// What children keep of our environment. The rest may hold secrets, and `PG…` variables would change what they do.
const KEPT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];

/// Starts programs as a user, with their output in the log.
pub(crate) struct Launcher {
    pub(crate) account: Option<Account>,
    pub(crate) log: ServerLog,
}

/// A running program: it ends when `lifeline` is dropped, and `shell` ends after it.
pub(crate) struct Running {
    pub(crate) shell: Child,
    pub(crate) lifeline: ChildStdin,
}

impl Launcher {
    /// Fails only if the shell does not start. If `program` does not start, the exit code of the shell says so.
    pub(crate) fn launch(&self, program: &Path, arguments: &[OsString]) -> io::Result<Running> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))))
            // English messages in the log, and no search for the time zone in initdb.
            .envs([("LC_ALL", "C"), ("TZ", "UTC")])
            // The account may not be able to enter our working directory.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(self.log.open()?)
            .stderr(self.log.open()?)
            // Otherwise Ctrl-C in our terminal stops the server before we have finished with it.
            .process_group(0);
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        let mut shell = command.spawn()?;
        let lifeline = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Running { shell, lifeline })
    }
}
