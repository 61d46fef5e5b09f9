//! Keeps the server running: a thread waits for its end, and starts it again unless we stopped it.

use std::{
    process::{Child, ChildStdin},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Error,
    server::{Predecessor, Server},
};

/// How long to wait for the end of a server whose owner died, and of what is left of a killed one.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before a restart doubles each time, until a server has run for [`STABLE_AFTER`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Longer than the script in [`crate::process`] takes from the first signal to SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// The server and its thread. Dropping this stops both.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    server: Server,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Once true, nothing is started any more.
    is_stopping: bool,
    /// The thread has ended.
    is_over: bool,
    /// Held while a server should run: see [`crate::process`].
    lifeline: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts the server and returns when it is ready.
    pub(crate) fn start(server: Server) -> Result<Self, Error> {
        let shared = Arc::new(Shared { server, state: Mutex::default(), changed: Condvar::new() });
        let failed = |reason: &str| shared.server.not_ready(reason.to_owned());
        // From here on, an early return drops the lifeline in `shared`, which stops the server.
        let shell = shared.bring_up()?.ok_or_else(|| failed("it was stopped"))?;
        let watcher = Arc::clone(&shared);
        thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || watcher.watch(shell))
            .map_err(|error| failed(&error.to_string()))?;
        Ok(Self { shared })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_stopping = true;
        state.lifeline = None;
        self.shared.changed.notify_all();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, STOP_TIMEOUT, |state| !state.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.is_over {
            log::warn!("the development database did not stop within {STOP_TIMEOUT:?}");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn watch(&self, mut shell: Child) {
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            let status = shell.wait();
            // If only the shell was killed, its server still runs: this stops it, and `bring_up` waits for that.
            self.lock().lifeline = None;
            if since.elapsed() > STABLE_AFTER {
                pause = FIRST_PAUSE;
            }
            if !self.lock().is_stopping {
                let end = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                log::warn!("the development database ended ({end}): restarting it");
            }
            match self.restart(&mut pause) {
                Some(next) => shell = next,
                None => break,
            }
        }
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Tries until the server runs again, with growing pauses; `None` when we are stopping.
    fn restart(&self, pause: &mut Duration) -> Option<Child> {
        loop {
            self.sleep(*pause);
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            match self.bring_up() {
                Ok(Some(shell)) => {
                    log::warn!("the development database runs again");
                    return Some(shell);
                }
                Ok(None) => return None,
                Err(error) if !self.lock().is_stopping => log::warn!("{error}"),
                Err(_) => {}
            }
        }
    }

    /// Starts the server and returns its shell when it is ready; `Ok(None)` when we are stopping.
    fn bring_up(&self) -> Result<Option<Child>, Error> {
        let deadline = Instant::now() + PREDECESSOR_TIMEOUT;
        loop {
            let predecessor = self.server.predecessor();
            let log_start = self.server.launcher.log.len();
            if let Predecessor::Running(pid) = predecessor {
                if self.lock().is_stopping {
                    return Ok(None);
                }
                if Instant::now() > deadline {
                    return Err(Error::StillRunning { cluster: self.server.cluster.clone(), pid });
                }
                self.sleep(Duration::from_millis(50));
                continue;
            }
            let Some(mut shell) = self.launch()? else {
                return Ok(None);
            };
            let Err(error) = self.server.await_ready(&mut shell, log_start) else {
                return Ok(Some(shell));
            };
            self.lock().lifeline = None;
            let _ = shell.wait();
            // A server does not start while child processes of a killed one still hold the shared memory.
            let may_retry = matches!(predecessor, Predecessor::Killed) && Instant::now() < deadline;
            if !may_retry {
                return Err(error);
            }
            self.sleep(Duration::from_millis(200));
        }
    }

    /// Starts the server under the lock, so that a stop cannot miss it.
    fn launch(&self) -> Result<Option<Child>, Error> {
        let mut state = self.lock();
        if state.is_stopping {
            return Ok(None);
        }
        let running = self.server.launch()?;
        state.lifeline = Some(running.lifeline);
        Ok(Some(running.shell))
    }

    /// Sleeps until the pause is over or we are stopping.
    fn sleep(&self, pause: Duration) {
        let state = self.lock();
        let _ = self.changed.wait_timeout_while(state, pause, |state| !state.is_stopping);
    }
}
