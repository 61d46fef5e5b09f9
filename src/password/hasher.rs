//! Where hashes are computed: on threads of their own, behind a bounded queue.
//!
//! A hash keeps a core busy for a third of a second. On the async threads it would stop every other request. In an
//! unbounded queue, a flood of logins would make everyone wait for minutes; so a request that finds the queue full is
//! refused at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bcrypt_lanes::MAX_LANES;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::hash::HashInput;
use super::queue::Job;
use super::workers::Workers;
use super::{HashParameters, Password, PasswordHash};

/// In full batches, a thread computes nine hashes in a second or more: the last job waits for less than four. Hashes of
/// other systems are computed one by one; of them, the last one waits for ten, and a request may take 15.
const QUEUE_PER_THREAD: usize = 32;
/// The part of all places that one client can hold: a client that floods the service leaves room for others.
const SHARE: usize = 4;

/// The queue is full. A retry after a few seconds will work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are waiting to be hashed")]
pub struct QueueFull;

/// The threads that hash. They end when the last clone of this and the last permit are dropped.
#[derive(Clone)]
pub struct Hasher {
    owner: Arc<Owner>,
}

struct Owner {
    workers: Arc<Workers>,
    permits: Arc<Semaphore>,
    places: usize,
    shares: Shares,
}

/// How many places each client holds.
#[derive(Default)]
struct Shares(Mutex<HashMap<IpNet, usize>>);

/// The right to one place in the queue, until it is dropped. Its client has its turn among all that wait.
pub struct HashPermit {
    owner: Arc<Owner>,
    client: Option<IpNet>,
    _permit: OwnedSemaphorePermit,
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
        if let Some(client) = self.client {
            self.owner.shares.give_back(client);
        }
    }
}

impl Hasher {
    /// Starts so many threads.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let workers = Workers::start(threads, threads * QUEUE_PER_THREAD)?;
        // For the jobs that wait, and for those that are being computed.
        let places = threads * (QUEUE_PER_THREAD + MAX_LANES);
        let permits = Arc::new(Semaphore::new(places));
        Ok(Self { owner: Arc::new(Owner { workers, permits, places, shares: Shares::default() }) })
    }

    /// Reserves a place for a request that will hash, out of the share of its client if that is given. Call it before
    /// anything else: in a flood, the requests that find no place are then refused before they cost a query.
    ///
    /// # Errors
    /// [`QueueFull`], at once.
    pub fn reserve(&self, client: Option<IpNet>) -> Result<HashPermit, QueueFull> {
        let owner = Arc::clone(&self.owner);
        let permit = Arc::clone(&owner.permits).try_acquire_owned().map_err(|_| QueueFull)?;
        if let Some(client) = client {
            owner.shares.take(client, owner.places / SHARE)?;
        }
        Ok(HashPermit { owner, client, _permit: permit })
    }

    /// Hashes a password for no client, with a permit of its own.
    ///
    /// # Errors
    /// [`QueueFull`], at once, or if the computation panics.
    pub async fn hash(&self, password: &Password, parameters: &HashParameters) -> Result<PasswordHash, QueueFull> {
        self.reserve(None)?.hash(password, parameters).await
    }

    /// How many threads hash.
    pub fn threads(&self) -> usize {
        self.owner.workers.threads()
    }

    /// How many hashes were computed so far. Tests see by it what an answer costs, and so what its time can tell.
    pub fn computed(&self) -> u64 {
        self.owner.workers.computed()
    }
}

impl HashPermit {
    /// Hashes a password, when it is the turn of the client.
    ///
    /// # Errors
    /// [`QueueFull`] if the computation panics.
    pub async fn hash(&self, password: &Password, parameters: &HashParameters) -> Result<PasswordHash, QueueFull> {
        let (answer, answered) = oneshot::channel();
        let job = Job { input: HashInput::new(password, parameters), answer };
        self.owner.workers.push(self.client, job)?;
        // Only a panic drops a job without an answer.
        answered.await.map_err(|_| QueueFull)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.workers.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: usize = 4 * QUEUE_PER_THREAD;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_serves_those_who_wait() {
        let hasher = Hasher::start(1).unwrap();
        let parameters = HashParameters::random(6);
        let tries: Vec<_> = (0..ASKED)
            .map(|_| {
                let (hasher, parameters) = (hasher.clone(), parameters.clone());
                tokio::spawn(async move { hasher.hash(&Password::new("x"), &parameters).await })
            })
            .collect();
        let mut served = 0;
        for attempt in tries {
            served += usize::from(attempt.await.unwrap().is_ok());
        }
        assert!((QUEUE_PER_THREAD..ASKED).contains(&served), "{served} served");
    }

    #[tokio::test]
    async fn a_client_holds_a_quarter_of_the_places_at_most() {
        let hasher = Hasher::start(1).unwrap();
        let (client, other): (IpNet, IpNet) = ("192.0.2.1/32".parse().unwrap(), "192.0.2.2/32".parse().unwrap());
        let mut held: Vec<_> = std::iter::from_fn(|| hasher.reserve(Some(client)).ok()).collect();
        assert_eq!(held.len(), (QUEUE_PER_THREAD + MAX_LANES) / SHARE);
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
