//! The shared state: holds everything, decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::link::Links;
use crate::mail::Mailer;
use crate::password::{Hasher, PasswordPolicy};

/// What every flow can reach, behind `web::Data`.
#[derive(Clone)]
pub struct App {
    /// What the service runs with.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Where passwords are hashed.
    pub hasher: Hasher,
    /// Which passwords are accepted.
    pub password_policy: PasswordPolicy,
    /// Mints and reads links.
    pub links: Links,
    /// Delivers what was promised.
    pub mailer: Mailer,
    /// Whether the service is about to stop.
    pub stopping: Stopping,
    /// What the operator was told, so that it is said once.
    pub told: Told,
}

/// Whether the service is about to stop: readiness says so before the listener closes.
#[derive(Clone, Debug, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// From now on it is.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether the operator was told about a proxy that is not in `TRUSTED_PROXIES`.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<AtomicBool>);

impl Told {
    /// Whether this is the first time.
    #[must_use]
    pub fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
