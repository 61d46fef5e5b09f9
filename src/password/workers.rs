//! The threads that hash, and how they share what waits: each takes its part, so many hashes at once as it is good at.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bcrypt_lanes::MAX_LANES;
use ipnet::IpNet;

use super::QueueFull;
use super::engine::{self, Engine};
use super::hash::HashInput;
use super::queue::{Job, Queue};

/// After a batch, for which part of its time a thread waits for as many jobs again. In a storm of sign-ins, the clients
/// that were answered come back soon. Without this wait, the first of them would have a thread to itself, and all others
/// would wait for the end of its hash.
const GATHER: u32 = 8;

/// What the threads share.
pub(super) struct Workers {
    state: Mutex<State>,
    wake: Condvar,
    threads: usize,
    capacity: usize,
    computed: AtomicU64,
    engine: Engine,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// How many jobs are being computed.
    computing: usize,
    /// How many jobs the threads wait for that have just finished a batch.
    expected: usize,
    is_closed: bool,
}

impl Workers {
    /// Starts so many threads. They end when [`Workers::close`] is called.
    pub(super) fn start(threads: usize, capacity: usize) -> std::io::Result<Arc<Self>> {
        let workers = Arc::new(Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            threads,
            capacity,
            computed: AtomicU64::new(0),
            engine: engine::choose(),
        });
        for number in 0..threads {
            let workers = Arc::clone(&workers);
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || workers.work())?;
        }
        Ok(workers)
    }

    pub(super) fn push(&self, client: Option<IpNet>, job: Job) -> Result<(), QueueFull> {
        let mut state = self.lock();
        if state.queue.len() >= self.capacity {
            state.queue.forget_given_up();
            if state.queue.len() >= self.capacity {
                return Err(QueueFull);
            }
        }
        state.queue.push(client, job);
        drop(state);
        // All: a thread that waits for more would keep the news from one that would take the job at once.
        self.wake.notify_all();
        Ok(())
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    pub(super) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the queue would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let (mut last, mut took) = (0, Duration::ZERO);
        while let Some(batch) = self.next_batch(last, took / GATHER) {
            last = batch.len();
            let began = Instant::now();
            let (inputs, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|job| (job.input, job.answer)).unzip();
            // Before the answers, so that the callers find them counted.
            self.computed.fetch_add(last as u64, Ordering::Relaxed);
            // A panic must not end the thread: when the last one is gone, nobody could sign in.
            let hashes = catch_unwind(AssertUnwindSafe(|| HashInput::compute(&inputs, self.engine)));
            took = began.elapsed();
            for (answer, hash) in answers.into_iter().zip(hashes.unwrap_or_default()) {
                let _ = answer.send(hash);
            }
        }
    }

    /// Waits for jobs, and takes this thread's part of them. `last` is the length of its last batch, which ended just
    /// now: for as many, it waits that long. `None` when the hasher is dropped.
    fn next_batch(&self, last: usize, gather: Duration) -> Option<Vec<Job>> {
        let expected = if last > 1 { last } else { 0 };
        let mut state = self.lock();
        state.computing -= last;
        state.expected += expected;
        if expected > 0 {
            let is_short = |state: &mut State| state.queue.len() < state.expected && !state.is_closed;
            let gathered = self.wake.wait_timeout_while(state, gather, is_short);
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.expected -= expected;
        loop {
            state.queue.forget_given_up();
            if !state.queue.is_empty() {
                return Some(state.take_part(self.threads));
            }
            if state.is_closed {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    /// Takes what each of so many threads has to compute, if all have as much of what waits and is being computed: two
    /// batches of four are ready before one of six and one of two.
    fn take_part(&mut self, threads: usize) -> Vec<Job> {
        let part = (self.queue.len() + self.computing).div_ceil(threads).min(MAX_LANES);
        let batch = self.queue.take(part);
        self.computing += batch.len();
        batch
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::{HashParameters, Password, PasswordHash};
    use super::*;

    type Answered = oneshot::Receiver<PasswordHash>;

    fn job(parameters: &HashParameters) -> (Job, Answered) {
        let (answer, answered) = oneshot::channel();
        (Job { input: HashInput::new(&Password::new("x"), parameters), answer }, answered)
    }

    /// Jobs that wait, while others are being computed.
    fn waiting(count: usize, computing: usize) -> (State, Vec<Answered>) {
        let (mut state, mut requests) = (State { computing, ..State::default() }, Vec::new());
        for _ in 0..count {
            let (job, answered) = job(&HashParameters::random(4));
            state.queue.push(None, job);
            requests.push(answered);
        }
        (state, requests)
    }

    #[test]
    fn idle_threads_share_what_waits() {
        for (count, parts) in [(1, [1, 0]), (2, [1, 1]), (8, [4, 4]), (9, [5, 4]), (20, [6, 6])] {
            let (mut state, _requests) = waiting(count, 0);
            assert_eq!([(); 2].map(|()| state.take_part(2).len()), parts, "{count} jobs");
        }
    }

    #[test]
    fn a_thread_leaves_what_a_busy_one_computes_as_fast() {
        for (count, computing, part) in [(1, 6, 1), (6, 2, 4), (2, 6, 2), (6, 6, 6)] {
            let (mut state, _requests) = waiting(count, computing);
            assert_eq!(state.take_part(2).len(), part, "{count} jobs, {computing} elsewhere");
        }
    }

    #[test]
    fn a_thread_alone_takes_what_waits_up_to_all_lanes() {
        for (count, part) in [(1, 1), (5, 5), (6, 6), (7, 6)] {
            let (mut state, _requests) = waiting(count, 0);
            assert_eq!(state.take_part(1).len(), part);
        }
    }

    #[tokio::test]
    async fn a_panic_fails_its_batch_and_no_other() {
        let workers = Workers::start(1, 100).unwrap();
        let (good, bad) = (HashParameters::random(10), HashParameters::panicking());
        // The thread is busy with the first job while the others are pushed.
        let mut requests = Vec::new();
        for parameters in [&good, &bad, &bad, &good] {
            let (job, answered) = job(parameters);
            workers.push(None, job).unwrap();
            requests.push(answered);
        }
        let mut answers = Vec::new();
        for answered in requests {
            answers.push(answered.await.is_ok());
        }
        workers.close();
        assert_eq!(answers, [true, false, false, true]);
        assert_eq!(workers.computed(), 4);
    }
}
