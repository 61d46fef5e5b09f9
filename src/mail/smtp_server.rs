//! The mail server that `SMTP_URL` names, and a connection to it: encrypted and signed in as the URL asks.
//!
//! Not lettre's own pool: it does not tell at which command a server refused, so nobody could tell a refused sender from a
//! refused recipient.

use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::config::Secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why `SMTP_URL` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpUrlError {
    /// Not a URL of a mail server.
    #[error("must be an smtp:// or smtps:// URL with a host")]
    Malformed,
    /// No certificate can be for this host.
    #[error("its host cannot be used with TLS: {0}")]
    Tls(#[from] SmtpError),
}

pub(super) struct SmtpServer {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    hello_name: ClientId,
}

impl SmtpServer {
    pub(super) fn new(url: &Secret) -> Result<Self, SmtpUrlError> {
        let url = Url::parse(url.reveal()).map_err(|_| SmtpUrlError::Malformed)?;
        let host = match url.host().ok_or(SmtpUrlError::Malformed)? {
            // Without the brackets of the URL.
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let parameters = || TlsParameters::new(host.clone());
        let mode = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, mode)| mode.into_owned());
        let (usual_port, tls) = match (url.scheme(), mode.as_deref()) {
            ("smtps", _) => (465, Tls::Wrapper(parameters()?)),
            ("smtp", None) => (25, Tls::None),
            ("smtp", Some("required")) => (587, Tls::Required(parameters()?)),
            ("smtp", Some("opportunistic")) => (587, Tls::Opportunistic(parameters()?)),
            _ => return Err(SmtpUrlError::Malformed),
        };
        let credentials = url.password().map(|password| Credentials::new(decoded(url.username()), decoded(password)));
        let hello_name = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        Ok(Self { port: url.port().unwrap_or(usual_port), host, tls, credentials, hello_name })
    }

    pub(super) async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let (host, name) = ((self.host.as_str(), self.port), &self.hello_name);
        let implicit = if let Tls::Wrapper(parameters) = &self.tls { Some(parameters.clone()) } else { None };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(host, Some(CONNECT_TIMEOUT), name, implicit, None).await?;
        match &self.tls {
            Tls::Required(parameters) => connection.starttls(parameters.clone(), name).await?,
            Tls::Opportunistic(parameters) if connection.can_starttls() => {
                connection.starttls(parameters.clone(), name).await?;
            }
            _ => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
