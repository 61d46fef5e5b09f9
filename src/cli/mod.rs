//! The commands: serve, migrate, and what an admin needs beside a running service.

mod health;
mod keys;
mod mail;
mod user;

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use dev_postgres::DevPostgres;
use env_logger::Target;
use vestibule::audit::months;
use vestibule::clock::Clock;
use vestibule::config::Settings;
use vestibule::db::Db;
use vestibule::openapi;
use vestibule::server::{self, Service};

/// Sign-up, sign-in and email confirmation as a ready-to-run JSON service
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Start the service (also without a subcommand)
    Serve(Box<Settings>),
    /// Run pending migrations, and exit
    Migrate(Box<Settings>),
    /// Print the OpenAPI document
    Openapi,
    /// Ask the service on LISTEN whether it is ready; the exit code says so
    Health(Box<Settings>),
    /// List the keys of access tokens, and show how to verify them
    Keys(Box<keys::Keys>),
    /// Manage the mails: what is queued, what was sent, what failed and why
    Mail(Box<mail::Mail>),
    /// Manage accounts
    User(Box<user::User>),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            None => serve(&self.settings),
            Some(Command::Serve(settings)) => serve(&settings),
            Some(Command::Migrate(settings)) => migrate(&settings),
            Some(Command::Openapi) => print(openapi::json()?),
            Some(Command::Health(settings)) => health::run(&settings),
            Some(Command::Keys(keys)) => keys.run(),
            Some(Command::Mail(mail)) => mail.run(),
            Some(Command::User(user)) => user.run(),
        }
    }
}

/// The database connections of a command.
const CONNECTIONS: usize = 4;

fn serve(settings: &Settings) -> anyhow::Result<()> {
    server::start_log(&settings.rust_log, Target::Stderr)?;
    runtime()?.block_on(async {
        let service = Service::prepare(settings, Clock::default())?;
        service.announce();
        Ok(service.run(true).await?)
    })
}

fn migrate(settings: &Settings) -> anyhow::Result<()> {
    server::start_log(&settings.rust_log, Target::Stderr)?;
    runtime()?.block_on(async {
        let (url, _embedded) = server::admin_database(settings)?;
        let db = Db::new(&url, CONNECTIONS)?;
        let applied = db.migrate().await?;
        months::create_missing(&db, Utc::now()).await?;
        match applied.as_slice() {
            [] => log::info!("the database is up to date"),
            applied => log::info!("migrated the database: {}", applied.join(", ")),
        }
        Ok(())
    })
}

/// The migrated database of the settings, beside a running service. The embedded one lives as long as the second value.
async fn open_database(settings: &Settings) -> anyhow::Result<(Db, Option<DevPostgres>)> {
    let (url, embedded) = server::admin_database(settings)?;
    let db = Db::new(&url, CONNECTIONS)?;
    db.migrate().await?;
    // An import can record millions of events before the service starts for the first time.
    months::create_missing(&db, Utc::now()).await?;
    Ok((db, embedded))
}

fn as_json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Writes to standard output. A reader that stops early (`| head`) is no error.
fn print(text: String) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output"),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Prints what clap has to say, such as help or the version, which are no errors.
pub(crate) fn print_usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
