//! The clock as a value, so that tests of what expires move it instead of sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, SubsecRound, Utc};

/// The time of the service. Clones share one offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    /// The current time, in the microseconds that PostgreSQL keeps.
    pub fn now(&self) -> DateTime<Utc> {
        let offset = Duration::seconds(self.offset_seconds.load(Ordering::Relaxed));
        Utc::now().trunc_subsecs(6) + offset
    }

    /// Moves this clock and all its clones, for tests.
    pub fn advance(&self, duration: Duration) {
        self.offset_seconds.fetch_add(duration.num_seconds(), Ordering::Relaxed);
    }
}
