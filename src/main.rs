//! The command line: a thin shell around the library.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use vestibule::clock::Clock;
use vestibule::config::Settings;
use vestibule::db::Db;
use vestibule::openapi;
use vestibule::server::{self, Service};

/// Sign-up, sign-in and e-mail confirmation as a ready-to-run JSON service
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Start the service (also without a subcommand)
    Serve(Box<Settings>),
    /// Run the migrations that are missing, and end
    Migrate(Box<Settings>),
    /// Print the OpenAPI document
    Openapi,
}

fn main() -> ExitCode {
    let cli = match Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    // One TLS provider for all: with two in the binary, rustls could not choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match cli.command {
        None => serve(&cli.settings),
        Some(Command::Serve(settings)) => serve(&settings),
        Some(Command::Migrate(settings)) => migrate(&settings),
        Some(Command::Openapi) => print_openapi(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: &Settings) -> anyhow::Result<()> {
    init_log(settings);
    runtime()?.block_on(async {
        let service = Service::prepare(settings, Clock::default())?;
        service.announce();
        Ok(service.run(true).await?)
    })
}

fn migrate(settings: &Settings) -> anyhow::Result<()> {
    init_log(settings);
    runtime()?.block_on(async {
        let (url, _embedded) = server::database(settings)?;
        let applied = Db::new(&url)?.migrate().await?;
        match applied.as_slice() {
            [] => log::info!("the database is up to date"),
            applied => log::info!("migrated the database: {}", applied.join(", ")),
        }
        Ok(())
    })
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print_openapi() -> anyhow::Result<()> {
    print!("{}", openapi::json()?);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn init_log(settings: &Settings) {
    env_logger::Builder::new().parse_filters(&settings.rust_log).format_target(false).init();
}

/// One line that names the setting, also where it came from the environment; the value, which can be a secret, is left
/// out. Help and version are no errors.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.kind() != ErrorKind::ValueValidation && error.kind() != ErrorKind::InvalidValue {
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    let flag = argument.split_whitespace().next().unwrap_or_default();
    let variable = flag.trim_start_matches("--").replace('-', "_").to_uppercase();
    let reason = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => format!("must be one of {}", text(ContextKind::ValidValue)),
    };
    eprintln!("vestibule: {variable} ({flag}): {reason}");
    ExitCode::from(2)
}
