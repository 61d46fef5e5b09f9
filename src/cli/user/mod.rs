//! `vestibule user`: who is here, for the operator.

mod accounts;
mod export;
mod import;

use clap::{Args, Subcommand};
use env_logger::Target;
use vestibule::config::Settings;
use vestibule::server;

/// Look after the accounts
#[derive(Args)]
pub(super) struct User {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Accounts(accounts::Command),
    /// Take accounts in from elsewhere, with the hashes they have
    Import(import::Import),
    /// Write all accounts down, as `import` reads them
    Export(export::Export),
}

impl User {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // What a command says stands on standard output alone.
        server::start_log("warn,vestibule::server=error", Target::Stderr)?;
        super::runtime()?.block_on(async {
            match self.command {
                Command::Accounts(command) => command.run(&self.settings).await,
                Command::Import(import) => import.run(&self.settings).await,
                Command::Export(export) => export.run(&self.settings).await,
            }
        })
    }
}
