//! `vestibule keys`: the keys of access tokens, and how other services verify what they sign.

use std::fmt::Write as _;

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use env_logger::Target;
use serde::Serialize;
use serde_json::json;
use vestibule::access_token::{AccessTokens, publications, signing_key};
use vestibule::config::{Config, Settings};
use vestibule::server;
use vestibule::templates::Templates;

use super::{as_json, open_database, print, time};

/// List the keys of access tokens, and show how to verify them
#[derive(Args)]
pub(super) struct Keys {
    #[command(flatten)]
    settings: Settings,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print a public key as PEM, for programs that cannot fetch it
    Pem {
        /// From `keys` (default: the key of the first secret key)
        kid: Option<String>,
    },
    /// Print configuration that verifies the tokens
    Snippet {
        /// For which program
        verifier: Verifier,
    },
}

#[derive(Clone, Copy, ValueEnum, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
enum Verifier {
    /// Spring Boot
    Spring,
    /// Express, with express-oauth2-jwt-bearer
    Express,
    /// Envoy's `jwt_authn` filter
    Envoy,
    /// Python, with PyJWT
    Pyjwt,
    /// FastAPI, with PyJWT
    Fastapi,
    /// Go, with go-oidc
    Go,
}

/// A key of the list.
#[derive(Serialize)]
struct Row {
    kid: String,
    /// `None` if no instance started with it yet.
    published_since: Option<DateTime<Utc>>,
    signs: bool,
}

impl Keys {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // Only the result of a command goes to standard output.
        server::start_log("warn,vestibule::server=error", Target::Stderr)?;
        let config = Config::new(&self.settings, self.settings.listen)?;
        let tokens = AccessTokens::new(&config.secret_key, &config.access)?;
        match self.command {
            None => super::runtime()?.block_on(list(&self.settings, &tokens, self.json)),
            Some(Command::Pem { kid }) => pem(&tokens, kid.as_deref()),
            Some(Command::Snippet { verifier }) => snippet(&config, verifier),
        }
    }
}

async fn list(settings: &Settings, tokens: &AccessTokens, is_json: bool) -> anyhow::Result<()> {
    let (db, _embedded) = open_database(settings).await?;
    let known = publications(&db).await?;
    let since = |kid: &str| known.iter().find(|key| key.kid == kid).map(|key| key.first_published_at);
    let now = Utc::now();
    let published: Vec<_> = tokens.keys().iter().map(|key| since(&key.kid)).collect();
    // A key that is not published yet will be, once an instance starts with it.
    let signs = signing_key(&published.iter().map(|at| at.unwrap_or(now)).collect::<Vec<_>>(), now);
    let rows: Vec<Row> = tokens
        .keys()
        .iter()
        .zip(published)
        .enumerate()
        .map(|(index, (key, published_since))| Row { kid: key.kid.clone(), published_since, signs: index == signs })
        .collect();
    print(if is_json { as_json(&rows)? } else { table(&rows) })
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:43}  {:20}  {}\n", "KEY", "PUBLISHED SINCE", "SIGNS");
    for row in rows {
        let since = row.published_since.map_or_else(|| "not yet".to_owned(), time);
        let _ = writeln!(text, "{:43}  {since:20}  {}", row.kid, if row.signs { "yes" } else { "no" });
    }
    text
}

fn pem(tokens: &AccessTokens, kid: Option<&str>) -> anyhow::Result<()> {
    let key = match kid {
        None => tokens.keys().first(),
        Some(kid) => tokens.keys().iter().find(|key| key.kid == kid),
    };
    print(key.ok_or_else(|| anyhow!("no secret key has this access key; `vestibule keys` lists them"))?.pem())
}

fn snippet(config: &Config, verifier: Verifier) -> anyhow::Result<()> {
    let issuer = &config.access.issuer;
    let variables = json!({
        "issuer": issuer,
        "audience": config.access.audience.first(),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "host": config.public_url.host_str(),
        "token_type": config.access.token_type.name(),
    });
    let name: &str = verifier.into();
    // The engine leaves out the line feed at the end.
    print(Templates::built_in().render(&format!("verifiers/{name}.txt"), variables)? + "\n")
}
