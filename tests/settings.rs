//! What the documents say about settings and error codes, compared with the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use clap::{CommandFactory as _, Parser};
use vestibule::config::Settings;
use vestibule::problem::Code;

use crate::readme::{quoted, read, repository, table_rows};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    _settings: Settings,
}

/// Variables and their defaults. `None` if the default depends on other settings.
pub type Variables = BTreeMap<String, Option<String>>;

pub fn settings() -> Variables {
    let command = Cli::command();
    let arguments = command.get_arguments().filter_map(|argument| Some((argument.get_env()?, argument)));
    arguments
        .map(|(name, argument)| {
            let default = argument.get_default_values().first().map(|value| value.to_str().unwrap().to_owned());
            (name.to_str().unwrap().to_owned(), default)
        })
        .collect()
}

/// The same variables, and the same defaults where they are fixed.
fn assert_same(document: &str, written: &Variables) {
    let settings = settings();
    let names = |variables: &Variables| variables.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(written), names(&settings), "left: {document}, right: Settings");
    for (name, default) in settings.iter().filter(|(_, default)| default.is_some()) {
        assert_eq!(&written[name], default, "{name} in {document}");
    }
}

#[test]
fn the_example_file_has_the_settings_and_their_defaults() {
    let text = read(".env.example");
    let own = text.split("# --- ").next().unwrap();
    let lines = own.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' '));
    let variables = lines.filter_map(|line| line.split_once('='));
    let written = variables.map(|(name, value)| (name.to_owned(), Some(value.trim_matches('"').to_owned()))).collect();
    assert_same(".env.example", &written);
}

#[test]
fn the_page_of_settings_has_the_settings_and_their_defaults() {
    let rows = table_rows(&read("docs/settings.md"));
    let written = rows.iter().map(|row| (quoted(&row[0]).remove(0), quoted(&row[1]).into_iter().next())).collect();
    assert_same("docs/settings.md", &written);
}

/// `UPDATE_DOCS=1 cargo test the_page_of_error_codes` rewrites the page.
#[test]
fn the_page_of_error_codes_is_up_to_date() {
    let mut page = "# Error codes\n\n\
        Every error is `application/problem+json` (RFC 9457). Decide by `code`: it is stable, titles and details are \
        not.\nThe service explains each code at `/problems/{code}`, the address in `type`. This page is generated from\n\
        [src/problem/code.rs](../src/problem/code.rs): do not edit it.\n\n\
        | code | status | title | what it means, what to do |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for code in Code::ALL {
        let (name, status, title, meaning) = (code.name(), code.status().as_u16(), code.title(), code.meaning());
        writeln!(page, "| `{name}` | {status} | {title} | {meaning} |").unwrap();
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(repository().join("docs/problems.md"), &page).unwrap();
    }
    assert!(read("docs/problems.md") == page, "docs/problems.md is out of date: run this test with UPDATE_DOCS=1");
}
