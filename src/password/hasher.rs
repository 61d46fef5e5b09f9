//! Where hashes are computed: on as many threads as there are cores, behind a bounded queue.
//!
//! A hash keeps a core busy for a third of a second. On the async threads it would stop every other request. In an
//! unbounded queue, a flood of logins would make everyone wait for minutes; so a request that finds the queue full is
//! refused at once.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::hash::HashInput;
use super::{HashParameters, Password, PasswordHash};

/// At a third of a second for each job, the last one waits for five seconds.
const QUEUE_PER_THREAD: usize = 16;
/// The part of all places that one client can hold: a client that floods the service leaves room for others.
const SHARE: usize = 4;
/// How many jobs of equal effort a thread takes at once. An engine that interleaves several hashes on one core would take more.
const LANES: usize = 1;

/// The queue is full. A retry after a few seconds will work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct QueueFull;

/// The threads that hash. They end when its last clone is dropped.
#[derive(Clone)]
pub struct Hasher {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    places: usize,
    shares: Shares,
}

/// How many places each client holds.
#[derive(Clone, Default)]
struct Shares(Arc<Mutex<HashMap<IpNet, usize>>>);

/// The right to one place in the queue, until it is dropped.
pub struct HashPermit {
    _permit: OwnedSemaphorePermit,
    held: Option<(Shares, IpNet)>,
}

impl Shares {
    fn take(&self, client: IpNet, most: usize) -> Result<(), QueueFull> {
        let mut shares = self.lock();
        let held = shares.entry(client).or_default();
        if *held >= most {
            return Err(QueueFull);
        }
        *held += 1;
        Ok(())
    }

    fn give_back(&self, client: IpNet) {
        let mut shares = self.lock();
        if let Some(held) = shares.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                shares.remove(&client);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpNet, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HashPermit {
    fn drop(&mut self) {
        if let Some((shares, client)) = &self.held {
            shares.give_back(*client);
        }
    }
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
    /// Starts so many threads.
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
        // For the jobs that wait, and for those that are being computed.
        let places = threads * (QUEUE_PER_THREAD + 1);
        let permits = Arc::new(Semaphore::new(places));
        let owner = Arc::new(Owner { shared: Arc::clone(&shared), permits, places, shares: Shares::default() });
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())?;
        }
        Ok(Self { owner })
    }

    /// Reserves a place for a request that will hash, out of the share of its client if that is given. Call it before
    /// anything else: in a flood, the requests that find no place are then refused before they cost a query.
    ///
    /// # Errors
    /// [`QueueFull`], at once.
    pub fn reserve(&self, client: Option<IpNet>) -> Result<HashPermit, QueueFull> {
        let permit = Arc::clone(&self.owner.permits).try_acquire_owned().map_err(|_| QueueFull)?;
        let shares = &self.owner.shares;
        if let Some(client) = client {
            shares.take(client, self.owner.places / SHARE)?;
        }
        Ok(HashPermit { _permit: permit, held: client.map(|client| (shares.clone(), client)) })
    }

    /// Hashes a password. With a [`HashPermit`] in hand, there is a place in the queue.
    ///
    /// # Errors
    /// [`QueueFull`], at once, or if the computation panics.
    pub async fn hash(&self, password: &Password, parameters: &HashParameters) -> Result<PasswordHash, QueueFull> {
        let (answer, answered) = oneshot::channel();
        self.owner.shared.push(Job { input: HashInput::new(password, parameters), answer })?;
        // Only a panic drops a job without an answer.
        answered.await.map_err(|_| QueueFull)
    }

    /// How many hashes were computed so far. Tests see by it what an answer costs, and so what its time can tell.
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
            // Requests that were given up need no hash.
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
                    // Before the answer, so that the caller finds it counted.
                    self.computed.fetch_add(1, Ordering::Relaxed);
                    // A panic must not end the thread: when the last one is gone, nobody could sign in.
                    if let Ok(hash) = catch_unwind(AssertUnwindSafe(|| job.input.compute())) {
                        let _ = job.answer.send(hash);
                    }
                }
            }
        }
    }

    /// Waits for jobs and takes up to [`LANES`] with the effort of the first. `None` when the hasher is dropped.
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
        let hasher = Hasher::start(1).unwrap();
        let parameters = HashParameters::random(6);
        let tries: Vec<_> = (0..64)
            .map(|_| {
                let (hasher, parameters) = (hasher.clone(), parameters.clone());
                tokio::spawn(async move { hasher.hash(&Password::new("x"), &parameters).await })
            })
            .collect();
        let mut served = 0;
        for attempt in tries {
            served += usize::from(attempt.await.unwrap().is_ok());
        }
        assert!((QUEUE_PER_THREAD..64).contains(&served), "{served} served");
    }

    #[tokio::test]
    async fn a_client_holds_a_quarter_of_the_places_at_most() {
        let hasher = Hasher::start(1).unwrap();
        let (client, other): (IpNet, IpNet) = ("192.0.2.1/32".parse().unwrap(), "192.0.2.2/32".parse().unwrap());
        let mut held: Vec<_> = std::iter::from_fn(|| hasher.reserve(Some(client)).ok()).collect();
        assert_eq!(held.len(), (QUEUE_PER_THREAD + 1) / SHARE);
        assert!(hasher.reserve(Some(other)).is_ok());
        held.pop();
        assert!(hasher.reserve(Some(client)).is_ok());
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_job_and_no_other() {
        let hasher = Hasher::start(1).unwrap();
        let password = Password::new("x");
        assert_eq!(hasher.hash(&password, &HashParameters::panicking()).await.map(drop), Err(QueueFull));
        let parameters = HashParameters::random(4);
        let hash = hasher.hash(&password, &parameters).await.unwrap();
        assert_eq!(hash.parameters().unwrap(), parameters);
    }
}
