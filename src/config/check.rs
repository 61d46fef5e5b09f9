//! The settings as a whole: what must fit together, and what the service creates for itself.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use lettre::message::Mailbox;
use rand::Rng as _;
use url::Url;

use super::{DevMailbox, KeyRing, LinkTemplate, SameSitePolicy, Secret, Settings, Switch, is_loopback, value};

/// The session cookie under http, unless `COOKIE_NAME` says otherwise.
pub(crate) const DEFAULT_COOKIE_NAME: &str = "vestibule_session";

/// Settings that do not fit together, or a data directory that cannot be used. Its text names the setting.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct ConfigError {
    setting: &'static str,
    reason: String,
}

/// What the service runs with.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the settings say what they mean")]
pub struct Config {
    /// Where users reach the service.
    pub public_url: Url,
    /// What mails call the service: the name of `MAIL_FROM`, else the host of `PUBLIC_URL`.
    pub service_name: String,
    /// Signs links.
    pub secret_key: KeyRing,
    pub mail_transport: MailTransport,
    pub mail_from: Mailbox,
    /// Where links lead, and how long they are valid.
    pub links: LinkConfig,
    pub session: SessionConfig,
    /// How long events are kept.
    pub event_ttl: Duration,
    pub password_min_length: usize,
    pub bcrypt_cost: u32,
    /// As browsers write them.
    pub allowed_origins: Vec<String>,
    /// `None` without limits.
    pub limits: Option<Limits>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where mails go.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "SMTP needs no words")]
pub enum MailTransport {
    Smtp(Secret),
    /// The development mailbox, in this folder.
    Mailbox(PathBuf),
}

/// Where links lead, and how long they are valid.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the settings say what they mean")]
pub struct LinkConfig {
    /// For links that confirm an address.
    pub confirm_url: LinkTemplate,
    /// The service's own page for such links, for those that a front-end does not know.
    pub own_confirm_url: LinkTemplate,
    /// For links that reset a password.
    pub reset_url: LinkTemplate,
    pub confirm_ttl: Duration,
    pub reset_ttl: Duration,
    pub email_change_ttl: Duration,
}

impl LinkConfig {
    fn new(settings: &Settings, public_url: &Url) -> Self {
        let own = |path| LinkTemplate::own_page(public_url, path);
        Self {
            confirm_url: settings.confirm_url.clone().unwrap_or_else(|| own("confirm")),
            own_confirm_url: own("confirm"),
            reset_url: settings.reset_url.clone().unwrap_or_else(|| own("password/reset")),
            confirm_ttl: settings.confirm_ttl,
            reset_ttl: settings.reset_ttl,
            email_change_ttl: settings.email_change_ttl,
        }
    }
}

/// How often a client may do something. A client is an IPv4 address or the /64 of an IPv6 address.
#[derive(Clone, Debug)]
pub struct Limits {
    /// In 15 minutes.
    pub sign_ins: i32,
    /// In 15 minutes; also of tries with typed codes.
    pub failed_sign_ins: i32,
    /// In an hour.
    pub registrations: i32,
    /// In an hour.
    pub mails: i32,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        (settings.rate_limits == Switch::On).then_some(Self {
            sign_ins: settings.limit_sign_ins,
            failed_sign_ins: settings.limit_failed_sign_ins,
            registrations: settings.limit_registrations,
            mails: settings.limit_mails,
        })
    }
}

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
    /// Whether the cookie is `Secure` and has the `__Host-` prefix: with an https `PUBLIC_URL`.
    pub is_secure: bool,
}

impl SessionConfig {
    pub(crate) fn new(settings: &Settings, is_secure: bool) -> Self {
        Self {
            ttl: (settings.session_ttl, settings.session_idle_ttl),
            remember_ttl: (settings.remember_ttl, settings.remember_idle_ttl),
            same_site: settings.cookie_samesite,
            cookie_name: cookie_name(settings.cookie_name.as_deref(), is_secure),
            is_secure,
        }
    }
}

/// Cookies ignore ports: under http, `session` would be the cookie of every development server on the same machine. The
/// `__Host-` prefix, which browsers accept from `Secure` cookies only, keeps other hosts of the domain from setting it.
fn cookie_name(chosen: Option<&str>, is_secure: bool) -> String {
    match (chosen, is_secure) {
        (chosen, true) => format!("__Host-{}", chosen.unwrap_or("session")),
        (chosen, false) => chosen.unwrap_or(DEFAULT_COOKIE_NAME).to_owned(),
    }
}

impl Config {
    /// Checks `settings` for a service that listens on `address` (which differs from `LISTEN` if that asks for any free
    /// port). Creates the data directory and the secret key if they are needed and missing.
    ///
    /// # Errors
    /// Names the setting that cannot work.
    pub fn new(settings: &Settings, address: SocketAddr) -> Result<Self, ConfigError> {
        let public_url = match &settings.public_url {
            Some(url) => url.clone(),
            None if address.ip().is_unspecified() => {
                let reason =
                    "required when LISTEN is not an address that users can reach: links in mails need one".into();
                return Err(ConfigError { setting: "PUBLIC_URL", reason });
            }
            None => Url::parse(&format!("http://{address}"))
                .map_err(|error| ConfigError { setting: "LISTEN", reason: error.to_string() })?,
        };
        let is_secure = public_url.scheme() == "https";
        if settings.cookie_samesite == SameSitePolicy::None && !is_secure {
            let reason = "none needs an https PUBLIC_URL: browsers refuse such a cookie without https".into();
            return Err(ConfigError { setting: "COOKIE_SAMESITE", reason });
        }
        Ok(Self {
            mail_transport: mail_transport(settings, address, &public_url)?,
            secret_key: secret_key(settings, is_secure)?,
            mail_from: settings.mail_from.clone(),
            service_name: service_name(&settings.mail_from, &public_url),
            links: LinkConfig::new(settings, &public_url),
            session: SessionConfig::new(settings, is_secure),
            event_ttl: settings.event_ttl,
            password_min_length: settings.password_min_length.into(),
            bcrypt_cost: settings.bcrypt_cost,
            allowed_origins: settings.allowed_origins.clone(),
            limits: Limits::new(settings),
            trusted_proxies: settings.trusted_proxies.clone(),
            public_url,
        })
    }
}

fn service_name(mail_from: &Mailbox, public_url: &Url) -> String {
    let name = mail_from.name.clone().filter(|name| !name.trim().is_empty());
    name.unwrap_or_else(|| public_url.host_str().unwrap_or("Vestibule").to_owned())
}

fn mail_transport(settings: &Settings, address: SocketAddr, public_url: &Url) -> Result<MailTransport, ConfigError> {
    let mailbox = || Ok(MailTransport::Mailbox(data_dir(settings)?.join("mails")));
    match (&settings.smtp_url, settings.dev_mailbox) {
        (_, DevMailbox::On) => mailbox(),
        (Some(url), _) => Ok(MailTransport::Smtp(url.clone())),
        // An https address means that others get in through a proxy, and could read the mailbox.
        (None, DevMailbox::Auto) if is_loopback(address.ip()) && public_url.scheme() != "https" => mailbox(),
        (None, DevMailbox::Auto) => Err(ConfigError {
            setting: "SMTP_URL",
            reason: "required when LISTEN is not loopback or PUBLIC_URL is https (on your own machine, DEV_MAILBOX=on \
                     does as well)"
                .into(),
        }),
        (None, DevMailbox::Off) => {
            Err(ConfigError { setting: "SMTP_URL", reason: "required with DEV_MAILBOX=off".into() })
        }
    }
}

fn secret_key(settings: &Settings, is_secure: bool) -> Result<KeyRing, ConfigError> {
    match &settings.secret_key {
        Some(ring) => Ok(ring.clone()),
        None if is_secure => Err(ConfigError {
            setting: "SECRET_KEY",
            reason: "required with an https PUBLIC_URL; `openssl rand -base64 32` makes one".into(),
        }),
        None => kept_key(&data_dir(settings)?.join("secret.key")),
    }
}

fn data_dir(settings: &Settings) -> Result<PathBuf, ConfigError> {
    let failed = |error: std::io::Error| ConfigError {
        setting: "DATA_DIR",
        reason: format!("{} cannot be used: {error}", settings.data_dir.display()),
    };
    // It holds a secret key, and mails with live links.
    let mut private = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
    private.recursive(true).create(&settings.data_dir).map_err(failed)?;
    fs::canonicalize(&settings.data_dir).map_err(failed)
}

/// The key in the data directory, created at the first start. Of two instances that create it at once, one wins.
fn kept_key(path: &Path) -> Result<KeyRing, ConfigError> {
    let failed = |reason: String| ConfigError { setting: "DATA_DIR", reason: format!("{}: {reason}", path.display()) };
    if !path.exists() {
        let mut bytes = [0u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        let made = path.with_extension(format!("new.{}", std::process::id()));
        write_private(&made, &STANDARD.encode(bytes)).map_err(|error| failed(error.to_string()))?;
        // A link, unlike a rename, fails if the other instance was first: then its key counts.
        let linked = fs::hard_link(&made, path);
        fs::remove_file(&made).map_err(|error| failed(error.to_string()))?;
        if let Err(error) = linked
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(failed(error.to_string()));
        }
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    value::key_ring(text.trim()).map_err(failed)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
