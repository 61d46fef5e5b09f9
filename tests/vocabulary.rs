//! One vocabulary: things have the field's standard names, in code, tables, texts and documents.

use std::fs;
use std::path::{Path, PathBuf};

use crate::architecture::root;

/// Words that this project once had for things that have a standard name, and that name.
const RETIRED: [(&str, &str); 22] = [
    ("letter", "mail"),
    ("letters", "mails"),
    ("promise", "outbox mail"),
    ("promised", "queued"),
    ("promises", "outbox mails"),
    ("departure", "sent mail"),
    ("departures", "sent mails"),
    ("parked", "failed"),
    ("addressee", "recipient"),
    ("fate", "status"),
    ("occasion", "request context"),
    ("proved", "reauthenticated, confirmed"),
    ("operator", "admin"),
    ("operators", "admins"),
    ("newcomer", "imported user"),
    ("newcomers", "imported users"),
    ("emigrant", "exported user"),
    ("discreet", "redacting"),
    ("shipped", "built-in"),
    ("janitor", "clean-up"),
    ("somebody", "you, a user, a stranger"),
    ("whoever", "anyone who, the client that"),
];

/// The words of a line, also those inside of names: `EmailChange` has `email` and `change`.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in line.chars() {
        let begins = c.is_uppercase() && before.is_lowercase();
        if begins || !c.is_alphabetic() {
            words.push(String::new());
        }
        if c.is_alphabetic() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

/// Letters of the alphabet keep their name.
fn is_alphabet(line: &str) -> bool {
    ["digit", "A-Z", "Unicode", "capital", "one letter", "two letters", "same letter"]
        .iter()
        .any(|sign| line.contains(sign))
}

#[test]
fn things_have_their_standard_names() {
    assert_eq!(words("fn mail_of(LetterKind)").concat(), "fnmailofletterkind");
    let mut found = Vec::new();
    for folder in
        ["src", "crates", "tests", "benches", "fuzz/targets", "templates", "migrations", "openapi", "docs", "examples"]
    {
        for file in text_files(&root().join(folder)) {
            check_words(&file, &mut found);
        }
    }
    for file in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".env.example", ".ci/run"] {
        check_words(&root().join(file), &mut found);
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

fn check_words(file: &Path, found: &mut Vec<String>) {
    if file.ends_with("tests/vocabulary.rs") {
        return;
    }
    let text = fs::read_to_string(file).unwrap();
    for (number, line) in text.lines().enumerate() {
        for (word, name) in RETIRED {
            if words(line).iter().any(|found| found == word) && !is_alphabet(line) {
                let path = file.strip_prefix(root()).unwrap().display();
                found.push(format!("{path}:{}: {word} is called {name} here", number + 1));
            }
        }
    }
}

fn text_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_text = |extension: &std::ffi::OsStr| {
            ["rs", "md", "html", "txt", "sql", "json", "py", "mjs", "js", "toml", "css"].iter().any(|e| extension == *e)
        };
        if path.is_dir() {
            files.extend(text_files(&path));
        } else if path.extension().is_some_and(is_text) {
            files.push(path);
        }
    }
    files
}
