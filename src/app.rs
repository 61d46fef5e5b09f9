//! The shared state: holds everything, decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::access_token::AccessTokens;
use crate::account::Accounts;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::link::Links;
use crate::mail::Mailer;
use crate::password::{Hasher, PasswordPolicy};
use crate::templates::Templates;

/// What every flow can reach, behind `web::Data`.
#[derive(Clone)]
pub struct App {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub hasher: Hasher,
    pub password_policy: PasswordPolicy,
    pub accounts: Accounts,
    pub links: Links,
    pub access_tokens: AccessTokens,
    pub mailer: Mailer,
    pub templates: Templates,
    /// Cancelled when the service is about to stop: readiness says so before the listener closes.
    pub stopping: CancellationToken,
    pub proxy_warning: WarnOnce,
}

/// Lets a warning through once.
#[derive(Clone, Debug, Default)]
pub struct WarnOnce(Arc<AtomicBool>);

impl WarnOnce {
    pub fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
