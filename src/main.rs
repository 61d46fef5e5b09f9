//! The command line: a thin shell around the library.

mod cli;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use vestibule::cause::with_causes;
use vestibule::config::{self, ArgumentsError};

fn main() -> ExitCode {
    let matches = config::matches(&cli::Cli::command(), std::env::args_os().collect());
    let cli = match matches.and_then(|matches| Ok(cli::Cli::from_arg_matches(&matches)?)) {
        Ok(cli) => cli,
        Err(ArgumentsError::Clap(error)) => return cli::print_usage(&error),
        Err(error) => {
            eprintln!("vestibule: {error}");
            return ExitCode::from(2);
        }
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
