//! What targets share: settings, an app without a database, and how to notice that a secret is repeated.

use clap::{Args as _, Command, FromArgMatches as _};
use tokio::runtime::Runtime;
use vestibule::app::App;
use vestibule::clock::Clock;
use vestibule::config::{Config, Settings};
use vestibule::server::Service;

/// Settings under which nothing is written to the disk and nobody is asked.
#[must_use]
pub fn settings() -> Settings {
    let arguments = [
        "fuzz",
        "--listen=127.0.0.1:0",
        "--database-url=postgres://nobody@127.0.0.1:1/none",
        "--smtp-url=smtp://127.0.0.1:1",
        "--secret-key=abababababababababababababababababababababababababababababababab",
    ];
    let matches = Settings::augment_args(Command::new("fuzz")).get_matches_from(arguments);
    Settings::from_arg_matches(&matches).expect("settings that work")
}

/// The same, checked.
#[must_use]
pub fn config() -> Config {
    Config::new(&settings(), ([127, 0, 0, 1], 8080).into()).expect("settings that work together")
}

/// An app whose database is never there; parsing needs none.
#[must_use]
pub fn app(runtime: &Runtime) -> App {
    let _inside = runtime.enter();
    Service::prepare(&settings(), Clock::default()).expect("a service").app().clone()
}

/// Whether a text has a character that no text of ours has: where it is repeated, it shows.
#[must_use]
pub fn is_telling(text: &str) -> bool {
    text.len() > 3 && text.contains(['#', '$', '%', '^', '~', '|', '<', '>', '\\'])
}
