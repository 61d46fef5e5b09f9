//! Who was told to wait a moment ago: refused again without a look at the database.
//!
//! A client that ignores `Retry-After` would otherwise cost as much as one that may sign in. The database decides again every
//! few seconds, because another instance may have lifted the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use ipnet::IpNet;

use super::{LoginName, Refused, Wait, wait_until};

/// How long a refusal is remembered at most.
const REMEMBERED: Duration = Duration::seconds(5);
/// How many are remembered at most. Beyond that, the database decides.
const CAPACITY: usize = 10_000;

/// The refusals of one instance. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<Map>>);

/// By client and name; without a name, whatever name the client tries.
type Map = HashMap<(IpNet, Option<LoginName>), Refusal>;

#[derive(Clone, Copy, Debug)]
struct Refusal {
    at: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Refusals {
    /// How long a client must still wait before it tries this name again, if it was told to wait a moment ago.
    pub fn find(&self, client: IpNet, name: &LoginName, now: DateTime<Utc>) -> Option<Wait> {
        let refusals = self.lock();
        let found = [Some(name.clone()), None].into_iter().filter_map(|name| refusals.get(&(client, name)));
        let fresh = found.filter(|refusal| refusal.at <= now && now < (refusal.at + REMEMBERED).min(refusal.until));
        fresh.map(|refusal| wait_until(refusal.until, now)).max_by_key(|wait| wait.seconds)
    }

    pub fn remember(&self, client: IpNet, name: &LoginName, refused: Refused, now: DateTime<Utc>) {
        let (name, wait) = match refused.of_client {
            Some(wait) if wait == refused.wait => (None, wait),
            _ => (Some(name.clone()), refused.wait),
        };
        let mut refusals = self.lock();
        if refusals.len() >= CAPACITY {
            refusals.retain(|_, refusal| refusal.at + REMEMBERED > now);
        }
        if refusals.len() < CAPACITY {
            let until = now + Duration::seconds(wait.seconds.into());
            refusals.insert((client, name), Refusal { at: now, until });
        }
    }

    /// For an account whose failures are forgotten.
    pub fn forget(&self, names: &[LoginName]) {
        self.lock().retain(|(_, name), _| name.as_ref().is_none_or(|name| !names.contains(name)));
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
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
        let wait = Wait { seconds: 60 };
        refusals.remember(client, &ada, Refused { wait, of_client: None }, now);
        assert_eq!(refusals.find(client, &ada, now + Duration::seconds(1)), Some(Wait { seconds: 59 }));
        assert_eq!(refusals.find(client, &ada, now + REMEMBERED), None);
        assert_eq!(refusals.find(other, &ada, now), None);
        assert_eq!(refusals.find(client, &eve, now), None);
        refusals.forget(std::slice::from_ref(&ada));
        assert_eq!(refusals.find(client, &ada, now), None);
        refusals.remember(client, &ada, Refused { wait, of_client: Some(wait) }, now);
        assert_eq!(refusals.find(client, &eve, now), Some(wait), "the client must wait with any name");
    }
}
