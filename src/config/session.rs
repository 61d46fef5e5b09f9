//! The settings of sessions and of their cookie.

use std::time::Duration;

use url::Url;

use super::{ConfigError, SameSitePolicy, Settings};

/// The session cookie under http, unless `COOKIE_NAME` says otherwise.
pub(crate) const DEFAULT_COOKIE_NAME: &str = "vestibule_session";

/// Lifetimes and cookie of sessions.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the settings say what they mean")]
pub struct SessionConfig {
    /// For a session that ends with the browser: at most, and without use.
    pub ttl: (Duration, Duration),
    /// For a session with `remember`: at most, and without use.
    pub remember_ttl: (Duration, Duration),
    pub same_site: SameSitePolicy,
    /// The whole name of the cookie, with its prefix.
    pub cookie_name: String,
    /// The domain whose hosts share the cookie, instead of the service's own host alone.
    pub cookie_domain: Option<String>,
    /// Whether the cookie is `Secure` and has a prefix: with an https `PUBLIC_URL`.
    pub is_secure: bool,
}

impl SessionConfig {
    pub(crate) fn new(settings: &Settings, is_secure: bool) -> Self {
        Self {
            ttl: (settings.session_ttl, settings.session_idle_ttl),
            remember_ttl: (settings.remember_ttl, settings.remember_idle_ttl),
            same_site: settings.cookie_samesite,
            cookie_name: cookie_name(settings, is_secure),
            cookie_domain: settings.cookie_domain.clone(),
            is_secure,
        }
    }
}

/// Cookies ignore ports: under http, `session` would be the cookie of every development server on the same machine. The
/// `__Host-` prefix, which browsers accept from `Secure` cookies only, keeps other hosts of the domain from setting it. A
/// cookie for a whole domain cannot have it.
fn cookie_name(settings: &Settings, is_secure: bool) -> String {
    let chosen = settings.cookie_name.as_deref();
    match (is_secure, &settings.cookie_domain) {
        (false, _) => chosen.unwrap_or(DEFAULT_COOKIE_NAME).to_owned(),
        (true, None) => format!("__Host-{}", chosen.unwrap_or("session")),
        (true, Some(_)) => format!("__Secure-{}", chosen.unwrap_or("session")),
    }
}

/// Refuses a cookie that browsers would drop.
pub(super) fn check_cookie(settings: &Settings, public_url: &Url) -> Result<(), ConfigError> {
    if settings.cookie_samesite == SameSitePolicy::None && public_url.scheme() != "https" {
        let reason = "none needs an https PUBLIC_URL: browsers refuse such a cookie without https".into();
        return Err(ConfigError { setting: "COOKIE_SAMESITE", reason });
    }
    let (Some(domain), Some(host)) = (&settings.cookie_domain, public_url.host_str()) else {
        return Ok(());
    };
    let is_inside = host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let reason = || format!("must be the host of PUBLIC_URL ({host}) or a domain that it is in");
    is_inside.then_some(()).ok_or_else(|| ConfigError { setting: "COOKIE_DOMAIN", reason: reason() })
}
