//! What the targets share: settings, an app without a database, and a check for text that would show a repeated secret.

use clap::{Args as _, Command, FromArgMatches as _};
use tokio::runtime::Runtime;
use vestibule::app::App;
use vestibule::clock::Clock;
use vestibule::config::{Config, Settings};
use vestibule::server::Service;

/// Settings with which the app writes nothing to the disk and connects to no one.
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
    Settings::from_arg_matches(&matches).expect("valid settings")
}

#[must_use]
pub fn config() -> Config {
    Config::new(&settings(), ([127, 0, 0, 1], 8080).into()).expect("valid settings")
}

/// An app whose database cannot be reached; parsing needs none.
#[must_use]
pub fn app(runtime: &Runtime) -> App {
    let _guard = runtime.enter();
    Service::prepare(&settings(), Clock::default()).expect("a service").app().clone()
}

/// Whether a text has a character that none of our messages has, so that a message that repeats it is detected.
#[must_use]
pub fn is_telling(text: &str) -> bool {
    text.len() > 3 && text.contains(['#', '$', '%', '^', '~', '|', '<', '>', '\\'])
}
