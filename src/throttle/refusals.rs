//! Who was told to wait a moment ago: refused again without a look at the database.
//!
//! A client that ignores `Retry-After` would otherwise cost as much as one that may sign in. The database decides again every
//! few seconds, because another instance may have lifted the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};
use ipnet::IpNet;

use super::{LoginName, Wait, wait_until};

/// How long a refusal is remembered at most.
const REMEMBERED: Duration = Duration::seconds(5);
/// How many are remembered at most. Beyond that, the database decides.
const CAPACITY: usize = 10_000;

/// The refusals of one instance. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<HashMap<(IpNet, LoginName), Refusal>>>);

#[derive(Clone, Copy, Debug)]
struct Refusal {
    at: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Refusals {
    /// How long a client must still wait before it tries this name again, if it was told to wait a moment ago.
    pub fn find(&self, client: IpNet, name: &LoginName, now: DateTime<Utc>) -> Option<Wait> {
        let refused = self.lock().get(&(client, name.clone())).copied()?;
        let is_fresh = refused.at <= now && now < (refused.at + REMEMBERED).min(refused.until);
        is_fresh.then(|| wait_until(refused.until, now))
    }

    pub fn remember(&self, client: IpNet, name: &LoginName, wait: Wait, now: DateTime<Utc>) {
        let mut refusals = self.lock();
        if refusals.len() >= CAPACITY {
            refusals.retain(|_, refusal| refusal.at + REMEMBERED > now);
        }
        if refusals.len() < CAPACITY {
            let until = now + Duration::seconds(wait.seconds.into());
            refusals.insert((client, name.clone()), Refusal { at: now, until });
        }
    }

    /// For an account whose failures are forgotten.
    pub fn forget(&self, names: &[LoginName]) {
        self.lock().retain(|(_, name), _| !names.contains(name));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(IpNet, LoginName), Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_a_moment_and_for_its_name_and_client_only() {
        let (refusals, now) = (Refusals::default(), Utc::now());
        let (client, other): (IpNet, IpNet) = ("192.0.2.1/32".parse().unwrap(), "192.0.2.2/32".parse().unwrap());
        let (ada, eve) = (LoginName::of_email("ada@example.com"), LoginName::of_email("eve@example.com"));
        refusals.remember(client, &ada, Wait { seconds: 60 }, now);
        assert_eq!(refusals.find(client, &ada, now + Duration::seconds(1)), Some(Wait { seconds: 59 }));
        assert_eq!(refusals.find(client, &ada, now + REMEMBERED), None);
        assert_eq!(refusals.find(other, &ada, now), None);
        assert_eq!(refusals.find(client, &eve, now), None);
        refusals.forget(std::slice::from_ref(&ada));
        assert_eq!(refusals.find(client, &ada, now), None);
    }
}
