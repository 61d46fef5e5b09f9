//! Where hashes are computed: a few threads of their own behind a bounded queue.
//!
//! A hash keeps a core busy for a third of a second. On the async threads it would stop every other request; in an
//! unbounded queue a flood of logins would make everybody wait for minutes. So there are as many threads as cores, and
//! who does not fit into the queue is told to come again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::hash::HashInput;
use super::{HashParameters, Password, PasswordHash};

/// Waiting jobs per thread at most: with a third of a second each, five seconds of waiting.
const QUEUE_PER_THREAD: usize = 16;
/// Jobs of one kind and cost that a thread takes at once. An engine that interleaves several hashes on one core would take more.
const LANES: usize = 1;

/// The queue is full; somebody who tries again in a few seconds will find a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct QueueFull;

/// The threads that hash. They end when the last clone of the pool is gone.
#[derive(Clone)]
pub struct Hasher {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

/// A place among those whose password is being hashed, or will be. Others can have it when it is dropped.
#[derive(Debug)]
pub struct HashPermit {
    _permit: OwnedSemaphorePermit,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    capacity: usize,
    computed: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

struct Job {
    input: HashInput,
    answer: oneshot::Sender<PasswordHash>,
}

impl Hasher {
    /// A pool of `threads` threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            capacity: threads * QUEUE_PER_THREAD,
            computed: AtomicU64::new(0),
        });
        // Those who wait, and those whose hash is being computed.
        let places = Arc::new(Semaphore::new(threads * (QUEUE_PER_THREAD + 1)));
        let owner = Arc::new(Owner { shared: Arc::clone(&shared), places });
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())?;
        }
        Ok(Self { owner })
    }

    /// Takes a place for a request that will hash, before it does anything else: of a flood, those who find none are told
    /// so before they have asked the database for anything.
    ///
    /// # Errors
    /// [`QueueFull`], at once.
    pub fn reserve(&self) -> Result<HashPermit, QueueFull> {
        let permit = Arc::clone(&self.owner.places).try_acquire_owned();
        permit.map(|permit| HashPermit { _permit: permit }).map_err(|_| QueueFull)
    }

    /// Hashes a password. A request that reserved a place finds one here.
    ///
    /// # Errors
    /// [`QueueFull`], at once.
    pub async fn hash(&self, password: &Password, parameters: &HashParameters) -> Result<PasswordHash, QueueFull> {
        let (answer, answered) = oneshot::channel();
        self.owner.shared.push(Job { input: HashInput::new(password, parameters), answer })?;
        // Only a panic ends a job without an answer.
        answered.await.map_err(|_| QueueFull)
    }

    /// How many hashes were computed so far: what an answer costs, and what its time can tell.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.owner.shared.computed.load(Ordering::Relaxed)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock; if it did, the queue would still be whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) -> Result<(), QueueFull> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.capacity {
            // Who has gone away needs no place.
            queue.jobs.retain(|job| !job.answer.is_closed());
            if queue.jobs.len() >= self.capacity {
                return Err(QueueFull);
            }
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            for job in batch {
                if !job.answer.is_closed() {
                    // Before the answer: who has it finds it counted.
                    self.computed.fetch_add(1, Ordering::Relaxed);
                    let _ = job.answer.send(job.input.compute());
                }
            }
        }
    }

    /// Waits for jobs and takes up to [`LANES`] of the kind and cost of the first. `None` when the pool is gone.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = self.lock();
        loop {
            if let Some(first) = queue.jobs.pop_front() {
                return Some(with_equals(first, &mut queue.jobs));
            }
            if queue.is_closed {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn with_equals(first: Job, jobs: &mut VecDeque<Job>) -> Vec<Job> {
    let effort = first.input.effort();
    let mut batch = vec![first];
    let mut at = 0;
    while batch.len() < LANES && at < jobs.len() {
        if jobs[at].input.effort() == effort {
            batch.extend(jobs.remove(at));
        } else {
            at += 1;
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_serves_those_who_wait() {
        let pool = Hasher::start(1).unwrap();
        let parameters = HashParameters::random(6);
        let tries: Vec<_> = (0..64)
            .map(|_| {
                let (pool, parameters) = (pool.clone(), parameters.clone());
                tokio::spawn(async move { pool.hash(&Password::new("x"), &parameters).await })
            })
            .collect();
        let mut served = 0;
        for attempt in tries {
            served += usize::from(attempt.await.unwrap().is_ok());
        }
        assert!((QUEUE_PER_THREAD..64).contains(&served), "{served} served");
    }
}
