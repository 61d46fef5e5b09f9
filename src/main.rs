//! The command line: a thin shell around the library.

mod cli;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use vestibule::cause::with_causes;
use vestibule::config::ignoring_empty_variables;

fn main() -> ExitCode {
    let cli = match ignoring_empty_variables(cli::Cli::command())
        .try_get_matches()
        .and_then(|matches| cli::Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => return cli::refuse(&error),
    };
    // One TLS provider for all: with two in the binary, rustls could not choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vestibule: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
