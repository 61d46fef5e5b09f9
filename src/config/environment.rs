//! From the environment to arguments: empty variables, blanks around a value, and secrets that are in files.
//!
//! A secret that is mounted as a file, or an env file, often ends with a line feed. It is removed here, for all settings
//! alike, and no parser has to think of it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// What the name of a variable ends with whose value is the path of a file.
const FILE: &str = "_FILE";

/// Arguments or variables that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentsError {
    /// A wrong flag or value, or a request for help or the version.
    #[error(transparent)]
    Clap(#[from] Box<clap::Error>),
    /// A variable that names a file in vain.
    #[error("{variable}: {reason}")]
    File {
        /// Its name.
        variable: String,
        /// Why, without its value.
        reason: String,
    },
}

/// Reads the arguments of `command`, and the environment where an argument is missing. An empty variable counts as not
/// set: compose files pass settings that were left out as empty.
///
/// # Errors
/// See [`ArgumentsError`].
pub fn matches(command: &Command, mut args: Vec<OsString>) -> Result<ArgMatches, ArgumentsError> {
    let plain = without_environment(command.clone());
    let Ok(given) = plain.clone().try_get_matches_from(&args) else {
        // The help of the original names the variables.
        return Ok(command.clone().try_get_matches_from(&args).map_err(Box::new)?);
    };
    // Settings stand right behind the name of a subcommand: clap refuses them before it.
    let (used, given, behind) = match given.subcommand() {
        Some((name, given)) => (command.find_subcommand(name), given, 2),
        None => (Some(command), &given, 1),
    };
    let settings: Vec<&Arg> = used.into_iter().flat_map(Command::get_arguments).collect();
    let settings: Vec<&Arg> = settings.into_iter().filter(|arg| arg.get_env().is_some()).collect();
    if !settings.is_empty() {
        check_file_variables(&settings)?;
    }
    for arg in settings {
        if given.value_source(arg.get_id().as_str()) != Some(ValueSource::CommandLine)
            && let Some(value) = value_of(arg)?
        {
            let mut flag = OsString::from(format!("--{}=", arg.get_long().unwrap_or_default()));
            flag.push(value);
            args.insert(behind.min(args.len()), flag);
        }
    }
    Ok(plain.try_get_matches_from(args).map_err(Box::new)?)
}

fn without_environment(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(without_environment)
}

/// The value of the variable of a setting, or of the file that it names.
fn value_of(arg: &Arg) -> Result<Option<OsString>, ArgumentsError> {
    let name = arg.get_env().and_then(OsStr::to_str).unwrap_or_default();
    let value = env::var_os(name).map(trimmed).filter(|value| !value.is_empty());
    let variable = format!("{name}{FILE}");
    let Some(path) = env::var_os(&variable).map(trimmed).filter(|path| !path.is_empty()) else {
        return Ok(value);
    };
    let refused = |reason: String| ArgumentsError::File { variable: variable.clone(), reason };
    if value.is_some() {
        return Err(refused(format!("{name} is set too: set one of them")));
    }
    // Without the path: it is the secret itself if you confused the two variables.
    let text = fs::read_to_string(path).map_err(|error| refused(format!("the file cannot be read: {error}")))?;
    match trimmed(text.into()) {
        text if text.is_empty() => Err(refused("the file is empty".into())),
        text => Ok(Some(text)),
    }
}

/// Editors on Windows begin a file with a byte order mark.
fn trimmed(value: OsString) -> OsString {
    match value.to_str() {
        Some(text) => text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').into(),
        None => value,
    }
}

/// Refuses variables that would name a file for one of our settings and are read by nobody: without its `DATABASE_URL`, the
/// service would fill the embedded database.
fn check_file_variables(settings: &[&Arg]) -> Result<(), ArgumentsError> {
    let name = |arg: &&Arg| arg.get_env().and_then(OsStr::to_str).unwrap_or_default().to_owned();
    let secrets: Vec<String> =
        settings.iter().filter(|arg| arg.is_hide_env_values_set()).map(|arg| name(arg) + FILE).collect();
    let others: Vec<String> =
        settings.iter().filter(|arg| !arg.is_hide_env_values_set()).map(|arg| name(arg) + FILE).collect();
    for (variable, value) in env::vars_os() {
        let Some(variable) = variable.to_str().filter(|name| name.ends_with(FILE) && !value.is_empty()) else {
            continue;
        };
        let refused = |reason| Err(ArgumentsError::File { variable: variable.to_owned(), reason });
        if others.iter().any(|other| other == variable) {
            return refused(format!("only secrets are read from files: {}", secrets.join(", ")));
        }
        let similar = |secret: &&String| strsim::damerau_levenshtein(secret, variable) <= 2;
        if !secrets.iter().any(|secret| secret == variable)
            && let Some(secret) = secrets.iter().find(similar)
        {
            return refused(format!("there is no such setting; did you mean {secret}?"));
        }
    }
    Ok(())
}
