//! The settings: each is an environment variable and a command-line flag. Nothing else reads the environment.
//!
//! [`Settings`] are the given values, each checked by itself; [`Config`] is what the service runs with, checked as a whole.

mod access;
mod check;
mod database_url;
mod environment;
mod origin;
mod public_url;
mod session;
pub mod value;
mod verify;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use lettre::message::Mailbox;
use url::{Host, Url};

pub use access::{AccessClaim, AccessConfig, AccessTokenType};
pub use check::{Config, ConfigError, Limits, LinkConfig, MailTransport};
pub use database_url::database_url;
pub use environment::{ArgumentsError, matches};
pub use origin::origin;
pub use public_url::PublicUrl;
pub(crate) use session::DEFAULT_COOKIE_NAME;
pub use session::SessionConfig;
pub use value::{KeyRing, LinkTemplate, Secret, key_ring};
pub use verify::VerifyConfig;

/// What can be set. `vestibule serve --help` prints these texts.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The PostgreSQL to use, 15 or later (default: an embedded one in DATA_DIR, for development)
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = database_url)]
    pub database_url: Option<Secret>,

    /// Connections to the database that one instance opens at most
    #[arg(long, env, value_name = "N", default_value = "16", value_parser = value::connections())]
    pub database_connections: u16,

    /// Folder with the programs of an installed PostgreSQL, to use for the embedded one
    #[arg(long, env, value_name = "DIR")]
    pub postgres_bin_dir: Option<PathBuf>,

    /// Folder for the database, key and mails of development
    #[arg(long, env, value_name = "DIR", default_value = ".vestibule")]
    pub data_dir: PathBuf,

    /// Address and port to listen on
    #[arg(long, env, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where users reach the service, with the path under which it answers (default: http:// + LISTEN)
    #[arg(long, env, value_name = "URL")]
    pub public_url: Option<PublicUrl>,

    /// At least 32 random bytes in base64 or hex; of several, comma-separated, the first signs and all verify
    /// (default: created and kept in DATA_DIR; required with an https PUBLIC_URL)
    #[arg(long, env, hide_env_values = true, value_name = "KEY", value_parser = value::key_ring)]
    pub secret_key: Option<KeyRing>,

    /// smtps://, or smtp://...?tls=required for STARTTLS (default: the development mailbox; required when LISTEN is not
    /// loopback or PUBLIC_URL is https)
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = value::smtp_url)]
    pub smtp_url: Option<Secret>,

    /// Keep mails in the development mailbox instead of sending them
    #[arg(long, env, value_name = "WHEN", default_value = "auto")]
    pub dev_mailbox: DevMailbox,

    /// Sender of the mails
    #[arg(long, env, value_name = "MAILBOX", default_value = "Vestibule <no-reply@localhost>", value_parser = value::mailbox)]
    pub mail_from: Mailbox,

    /// Folder with your own mail templates, LANGUAGE/KIND.{subject.txt,txt,html}; each replaces a built-in one
    #[arg(long, env, value_name = "DIR")]
    pub mail_templates: Option<PathBuf>,

    /// Your front-end's page for confirmation links, with {token} in it (default: a page of the service)
    #[arg(long, env, value_name = "URL", value_parser = value::link_template)]
    pub confirm_url: Option<LinkTemplate>,

    /// Lifetime of a confirmation link
    #[arg(long, env, value_name = "DURATION", default_value = "24h", value_parser = value::duration)]
    pub confirm_ttl: Duration,

    /// Your front-end's page for password reset links, with {token} in it (default: a page of the service)
    #[arg(long, env, value_name = "URL", value_parser = value::link_template)]
    pub reset_url: Option<LinkTemplate>,

    /// Lifetime of a password reset link
    #[arg(long, env, value_name = "DURATION", default_value = "30m", value_parser = value::duration)]
    pub reset_ttl: Duration,

    /// Lifetime of a link to confirm a change of address
    #[arg(long, env, value_name = "DURATION", default_value = "1h", value_parser = value::duration)]
    pub email_change_ttl: Duration,

    /// Lifetime of a session
    #[arg(long, env, value_name = "DURATION", default_value = "12h", value_parser = value::duration)]
    pub session_ttl: Duration,

    /// Lifetime of an unused session
    #[arg(long, env, value_name = "DURATION", default_value = "12h", value_parser = value::duration)]
    pub session_idle_ttl: Duration,

    /// Lifetime of a session with "remember"
    #[arg(long, env, value_name = "DURATION", default_value = "30d", value_parser = value::duration)]
    pub remember_ttl: Duration,

    /// Lifetime of an unused session with "remember"
    #[arg(long, env, value_name = "DURATION", default_value = "14d", value_parser = value::duration)]
    pub remember_idle_ttl: Duration,

    /// Lifetime of an access token, a day at most
    #[arg(long, env, value_name = "DURATION", default_value = "10m", value_parser = access::ttl)]
    pub access_ttl: Duration,

    /// Audience of access tokens (`aud`), comma-separated if there are several (default: PUBLIC_URL)
    #[arg(long, env, value_name = "NAMES", value_delimiter = ',', value_parser = access::name)]
    pub access_audience: Vec<String>,

    /// Type of access tokens (`typ`); at+jwt is that of RFC 9068, which some verifiers refuse
    #[arg(long, env, value_name = "TYPE", default_value = "JWT")]
    pub access_token_type: AccessTokenType,

    /// Client of access tokens (`client_id`, as RFC 9068 asks)
    #[arg(long, env, value_name = "NAME", default_value = "vestibule", value_parser = access::name)]
    pub access_client_id: String,

    /// What access tokens tell of a user beside the id, comma-separated
    #[arg(long, env, value_name = "CLAIMS", value_delimiter = ',')]
    pub access_claims: Vec<AccessClaim>,

    /// Your page to sign in, for browsers that come to /verify without a session
    #[arg(long, env, value_name = "URL", value_parser = verify::page_url)]
    pub login_url: Option<Url>,

    /// Origins that the login page may lead back to, comma-separated, beside that of PUBLIC_URL
    #[arg(long, env, value_name = "ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub verify_origins: Vec<String>,

    /// How long the events of an account are kept; they are deleted by the month
    #[arg(long, env, value_name = "DURATION", default_value = "365d", value_parser = value::retention)]
    pub event_ttl: Duration,

    /// Shortest password, in characters
    #[arg(long, env, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(8..=128))]
    pub password_min_length: u16,

    /// Origins of your front-ends and apps (capacitor://localhost), comma-separated: CORS, and changes with a session cookie
    #[arg(long, env, value_name = "ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub allowed_origins: Vec<String>,

    /// Domain of the session cookie, to share it with the hosts of that domain; it is called __Secure- then, not __Host-
    #[arg(long, env, value_name = "DOMAIN", value_parser = verify::cookie_domain)]
    pub cookie_domain: Option<String>,

    /// Name of the session cookie; under https it gets the prefix __Host- (default: vestibule_session, __Host-session)
    #[arg(long, env, value_name = "NAME", value_parser = value::cookie_name)]
    pub cookie_name: Option<String>,

    /// SameSite attribute of the session cookie
    #[arg(long, env, value_name = "VALUE", default_value = "lax")]
    pub cookie_samesite: SameSitePolicy,

    /// Addresses or networks of your proxies, comma-separated: their X-Forwarded-For counts
    #[arg(long, env, value_name = "NETWORKS", value_delimiter = ',', value_parser = value::network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Cost of a password hash; an older hash is renewed at the next sign-in
    #[arg(long, env, value_name = "N", default_value = "12", value_parser = clap::value_parser!(u32).range(10..=16))]
    pub bcrypt_cost: u32,

    /// Rate limits; turn them off for load tests only
    #[arg(long, env, value_name = "SWITCH", default_value = "on")]
    pub rate_limits: Switch,

    /// Sign-ins of a client (an IPv4 address or IPv6 /64) in 15 minutes
    #[arg(long, env, value_name = "N", default_value = "300", value_parser = value::limit())]
    pub limit_sign_ins: i32,

    /// Failed sign-ins of a client in 15 minutes, and as many tries with typed codes
    #[arg(long, env, value_name = "N", default_value = "50", value_parser = value::limit())]
    pub limit_failed_sign_ins: i32,

    /// Registrations of a client in an hour
    #[arg(long, env, value_name = "N", default_value = "60", value_parser = value::limit())]
    pub limit_registrations: i32,

    /// Mails that a client requests in an hour, to confirm an address or to set a password
    #[arg(long, env, value_name = "N", default_value = "60", value_parser = value::limit())]
    pub limit_mails: i32,

    /// Log filter, in the syntax of env_logger
    #[arg(long, env, value_name = "FILTER", default_value = "info")]
    pub rust_log: String,
}

/// When mails are kept in the development mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DevMailbox {
    /// Without `SMTP_URL`, on loopback
    Auto,
    /// Always; for a container on your own machine
    On,
    /// Never
    Off,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "on and off")]
pub enum Switch {
    On,
    Off,
}

/// The `SameSite` attribute of the session cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SameSitePolicy {
    /// Sent with top-level navigations from other sites
    Lax,
    /// Never sent with a request from another site
    Strict,
    /// Always sent; browsers then require https
    None,
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether the host of a URL can only be this machine.
pub(crate) fn is_loopback_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
