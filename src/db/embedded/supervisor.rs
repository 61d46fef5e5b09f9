//! Keeps the server running: a thread of its own waits for it and starts it again when it ends unasked.

use std::{
    process::{Child, ChildStdin},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    EmbeddedError,
    server::{Predecessor, Server},
};

/// How long a server whose owner died may take to end, and what is left of a killed one to notice.
const PREDECESSOR_BOUND: Duration = Duration::from_secs(10);

/// The pause before the server is started again: it doubles each time, until one has run for a while.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// Longer than the lifeline's script takes to get from asking to killing.
const STOP_BOUND: Duration = Duration::from_secs(15);

/// The running server and the thread that looks after it. Dropping this stops both.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
}

struct Shared {
    server: Server,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Set once; from then on nothing is started any more.
    is_stopping: bool,
    /// The thread has seen the server end.
    is_over: bool,
    /// Held while a server is meant to run: see [`super::process`].
    lifeline: Option<ChildStdin>,
}

impl Supervisor {
    /// Starts the server and returns when it is ready.
    ///
    /// # Errors
    ///
    /// [`EmbeddedError::StillRunning`], [`EmbeddedError::NotReady`].
    pub(super) fn start(server: Server) -> Result<Self, EmbeddedError> {
        let shared = Arc::new(Shared { server, state: Mutex::default(), changed: Condvar::new() });
        let failed = |reason: &str| shared.server.not_ready(reason.to_owned());
        // From here on a return drops the lifeline with `shared`, and so ends the server.
        let shell = shared.bring_up()?.ok_or_else(|| failed("it was told to stop"))?;
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
            .wait_timeout_while(state, STOP_BOUND, |state| !state.is_over)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.is_over {
            log::warn!("the development database has not stopped within {STOP_BOUND:?}");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: waits for the server to end, and starts it again unless that was meant.
    fn watch(&self, mut shell: Child) {
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            let status = shell.wait();
            // If only the shell was killed, its server lives: this stops it, and `bring_up` waits for that.
            self.lock().lifeline = None;
            if since.elapsed() > STABLE_AFTER {
                pause = FIRST_PAUSE;
            }
            if !self.lock().is_stopping {
                let end = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                log::warn!("the development database ended ({end}): starting it again");
            }
            match self.bring_back(&mut pause) {
                Some(next) => shell = next,
                None => break,
            }
        }
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Tries until the server is back, with growing pauses; `None` when it is to stop.
    fn bring_back(&self, pause: &mut Duration) -> Option<Child> {
        loop {
            self.sleep(*pause);
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            match self.bring_up() {
                Ok(Some(shell)) => {
                    log::warn!("the development database is back");
                    return Some(shell);
                }
                Ok(None) => return None,
                Err(error) if !self.lock().is_stopping => log::warn!("{error}"),
                Err(_) => {}
            }
        }
    }

    /// Starts the server and returns its shell when it is ready; `Ok(None)` when we are to stop.
    fn bring_up(&self) -> Result<Option<Child>, EmbeddedError> {
        let deadline = Instant::now() + PREDECESSOR_BOUND;
        loop {
            let predecessor = self.server.predecessor();
            let log_start = self.server.launcher.log.len();
            if let Predecessor::Alive(pid) = predecessor {
                if self.lock().is_stopping {
                    return Ok(None);
                }
                if Instant::now() > deadline {
                    let cluster = self.server.cluster.clone();
                    return Err(EmbeddedError::StillRunning { cluster, pid });
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
            // A new server refuses to start while processes of a killed one still hold its memory.
            let may_pass = matches!(predecessor, Predecessor::Killed) && Instant::now() < deadline;
            if !may_pass {
                return Err(error);
            }
            self.sleep(Duration::from_millis(200));
        }
    }

    /// Starts the server under the lock, so that it cannot slip past a stop.
    fn launch(&self) -> Result<Option<Child>, EmbeddedError> {
        let mut state = self.lock();
        if state.is_stopping {
            return Ok(None);
        }
        let running = self.server.launch()?;
        state.lifeline = Some(running.lifeline);
        Ok(Some(running.shell))
    }

    /// Sleeps, but no longer than until we are to stop.
    fn sleep(&self, pause: Duration) {
        let state = self.lock();
        let _ = self.changed.wait_timeout_while(state, pause, |state| !state.is_stopping);
    }
}
