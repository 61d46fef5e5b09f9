//! Children that do not outlive us, whatever ends us.
//!
//! A process that is killed cannot tidy up, so somebody else has to notice. A shell stands between us and the server; its
//! standard input is a pipe whose other end, the lifeline, only we hold. The kernel closes that end with our last breath,
//! and the shell stops the server. Stopping it on purpose is the same thing: let go of the lifeline.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::{account::Account, data_dir::ServerLog};

/// The arguments are the program and its own.
///
/// - The program gets neither the pipe nor our terminal.
/// - SIGINT is the "fast shutdown" of a postmaster. But a shell starts its background jobs with SIGINT ignored, so in its
///   first moments, before it has handlers of its own, only SIGTERM ends one. Both together, fast wins; `initdb` and a
///   server that is stopping already do not mind either.
/// - Whoever does not end within ten seconds gets SIGQUIT, on which a postmaster drops everything (it recovers at its next
///   start), and SIGKILL two seconds later. The watcher looks each second, so that it soon sees the end even if the shell
///   that should tell it is dead, and never signals whoever has the process id next.
/// - When the watcher is told to go it takes its `sleep` along, and everybody is waited for: in a container nobody else
///   buries the dead.
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

/// What the children keep of our environment. The rest is none of their business: it holds the service's secrets, and the
/// `PG…` variables of a developer's shell would change what they do.
const KEPT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"];

/// As whom to run a program, and where its words go.
pub(super) struct Launcher {
    pub(super) account: Option<Account>,
    pub(super) log: ServerLog,
}

/// A running program: it ends when `lifeline` is dropped. To wait for `shell` is to wait for the program.
pub(super) struct Running {
    pub(super) shell: Child,
    pub(super) lifeline: ChildStdin,
}

impl Launcher {
    /// Starts `program`.
    ///
    /// # Errors
    ///
    /// If the shell cannot be started. That `program` cannot shows in the exit code of the shell.
    pub(super) fn launch(&self, program: &Path, arguments: &[OsString]) -> io::Result<Running> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?))))
            // Known words in the log, and for initdb a time zone that it need not search for.
            .envs([("LC_ALL", "C"), ("TZ", "UTC")])
            // Ours may be closed to the account.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(self.log.appender()?)
            .stderr(self.log.appender()?)
            // Else ^C in our terminal hits the server while requests are still being answered.
            .process_group(0);
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        let mut shell = command.spawn()?;
        let lifeline = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Running { shell, lifeline })
    }
}
