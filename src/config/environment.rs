//! From the environment to arguments: empty variables, blanks around a value, and secrets that are in files.
//!
//! A secret that is mounted as a file, or an env file, often ends with a line feed. It is removed here, for all settings
//! alike, and no parser has to think of it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as _, Command, FromArgMatches as _};

use super::Settings;

/// What the name of a variable ends with whose value is the path of a file.
const FILE: &str = "_FILE";

/// Arguments or variables that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentsError {
    /// A wrong flag, or a request for help or the version.
    #[error(transparent)]
    Clap(Box<clap::Error>),
    /// A wrong value, or a variable that names a file in vain.
    #[error("{setting}: {reason}")]
    Setting {
        /// Its name, as variable and flag.
        setting: String,
        /// Why. Never the value, which can be a secret.
        reason: String,
    },
}

impl From<clap::Error> for ArgumentsError {
    fn from(error: clap::Error) -> Self {
        if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
            return Self::Clap(Box::new(error));
        }
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            Some(ContextValue::Strings(texts)) => texts.join(", "),
            _ => String::new(),
        };
        let argument = text(ContextKind::InvalidArg);
        let flag = argument.split_whitespace().next().unwrap_or_default();
        let variable = flag.trim_start_matches("--").replace('-', "_").to_uppercase();
        let reason = match std::error::Error::source(&error) {
            Some(source) => source.to_string(),
            None if text(ContextKind::ValidValue).is_empty() => "must not be empty".to_owned(),
            None => format!("must be one of {}", text(ContextKind::ValidValue)),
        };
        Self::Setting { setting: format!("{variable} ({flag})"), reason }
    }
}

impl Settings {
    /// The settings in the environment, as the program reads them: `PUBLIC_URL`, `DATABASE_URL` or `DATABASE_URL_FILE`, and
    /// so on; those that are missing have their defaults.
    ///
    /// # Errors
    /// Names the setting whose value cannot work, without the value.
    pub fn from_environment() -> Result<Self, ArgumentsError> {
        let command = Self::augment_args(Command::new("vestibule"));
        Ok(Self::from_arg_matches(&matches(&command, vec!["vestibule".into()])?)?)
    }

    /// The settings of a command line, whatever is in the environment.
    pub(crate) fn of_flags(flags: &[&str]) -> Result<Self, ArgumentsError> {
        let command = without_environment(Self::augment_args(Command::new("vestibule").no_binary_name(true)));
        Ok(Self::from_arg_matches(&command.try_get_matches_from(flags)?)?)
    }
}

/// The defaults, whatever is in the environment. Change what you need; a value that is not a plain type is read from a text
/// with `parse`.
///
/// ```no_run
/// use vestibule::{Secret, Settings};
///
/// let settings = Settings {
///     public_url: Some("https://app.example.com/auth".parse()?),
///     secret_key: Some(std::fs::read_to_string("/run/secrets/key")?.trim().parse()?),
///     database_url: Some(Secret::from("postgres://vestibule@db.example.com/vestibule".to_owned())),
///     ..Settings::default()
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Default for Settings {
    #[expect(clippy::expect_used, reason = "no setting is required, and each default is valid: a test has them all")]
    fn default() -> Self {
        Self::of_flags(&[]).expect("valid defaults")
    }
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
        return Ok(command.clone().try_get_matches_from(&args)?);
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
    Ok(plain.try_get_matches_from(args)?)
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
    let refused = |reason: String| ArgumentsError::Setting { setting: variable.clone(), reason };
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
        let refused = |reason| Err(ArgumentsError::Setting { setting: variable.to_owned(), reason });
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
