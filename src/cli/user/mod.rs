//! `vestibule user`: looking after accounts.

mod accounts;
mod export;
mod import;

use clap::{Args, Subcommand};
use env_logger::Target;
use vestibule::config::Settings;
use vestibule::server;

/// Manage accounts
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
    /// Import accounts from elsewhere, with the hashes they have
    Import(import::Import),
    /// Export all accounts in the format that `import` reads
    Export(export::Export),
}

impl User {
    pub(super) fn run(self) -> anyhow::Result<()> {
        // Only the result of a command goes to standard output.
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
