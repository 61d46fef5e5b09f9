//! The shape of the source: modules use only what stands before them in `lib.rs`, flows do not know each other, the
//! domain does not know HTTP, and no file is too long to be read.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 300;

/// Files of flows that all flows may use.
const SHARED_BY_FLOWS: [&str; 3] = ["documented_errors", "route", "views"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The source of the crates in `crates/`.
fn files_of_crates() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    crates.flat_map(|entry| rust_files(&entry.unwrap().path().join("src"))).collect()
}

/// The code of a file: without comments, and without its unit tests, which may use more.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of the crate, in the order of `lib.rs`.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.map(ToOwned::to_owned).collect()
}

/// What follows each `prefix` in `text`: names, also those of a group in braces.
fn names_after(text: &str, prefix: &str) -> Vec<String> {
    let name = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut names = Vec::new();
    for rest in text.split(prefix).skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads_of_group(group).iter().map(|item| name(item))),
            None => names.push(name(rest)),
        }
    }
    names
}

/// The items of a group, of which `{` is already gone: `a::{b, c}, d}` has `a` and `d`.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut items) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => items.push(String::new()),
            c if depth == 0 && !c.is_whitespace() => items.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    items
}

/// The module of the crate that a file belongs to.
fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = inside.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The command line stands around the library and may use all of it.
fn is_of_the_binary(module: &str) -> bool {
    matches!(module, "lib" | "main" | "cli")
}

/// The flows, as `group/flow`.
fn flows() -> Vec<String> {
    let folder = root().join("src/flows");
    let name = |file: &PathBuf| file.strip_prefix(&folder).unwrap().with_extension("").to_str().unwrap().to_owned();
    let mut flows: Vec<_> = rust_files(&folder).iter().map(name).collect();
    flows.retain(|name| name.contains('/') && !name.ends_with("/mod"));
    flows
}

#[test]
fn groups_of_imports_are_understood() {
    let text = "use crate::{app::App, db::{self, Db}, clock};\nlet x = crate::mail::outbox::claim();";
    assert_eq!(names_after(text, "crate::"), ["app", "db", "clock", "mail"]);
}

#[test]
fn each_module_uses_only_modules_that_stand_before_it() {
    let modules = modules();
    assert!(modules.len() > 15);
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        let Some(own) = place(&module) else {
            assert!(is_of_the_binary(&module), "{module} is missing in lib.rs");
            continue;
        };
        for used in names_after(&code(&file), "crate::") {
            match place(&used) {
                Some(at) if at <= own => {}
                _ => wrong.push(format!("{} uses {used}", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "lib.rs tells the story in another order:\n{}", wrong.join("\n"));
}

#[test]
fn no_flow_uses_another_flow() {
    let flows = flows();
    assert!(flows.len() > 15, "{flows:?}");
    for flow in &flows {
        let (group, own) = flow.split_once('/').unwrap();
        let text = code(&root().join(format!("src/flows/{flow}.rs")));
        for used in names_after(&text, "super::") {
            let other = format!("{group}/{used}");
            // The page of a flow shows what the flow does.
            assert!(!flows.contains(&other) || own == format!("{used}_page"), "{flow} uses the flow {other}");
        }
        for used in names_after(&text, "crate::flows::") {
            assert!(SHARED_BY_FLOWS.contains(&used.as_str()), "{flow} uses {used}");
        }
    }
}

#[test]
fn every_flow_has_tests_of_its_own_name() {
    for flow in flows() {
        assert!(root().join(format!("tests/{flow}.rs")).is_file(), "tests/{flow}.rs is missing");
    }
}

#[test]
fn the_domain_does_not_know_http() {
    const WITHOUT_HTTP: [&str; 12] = [
        "access_token",
        "account",
        "audit",
        "clock",
        "db",
        "link",
        "mail",
        "password",
        "request",
        "templates",
        "throttle",
        "user",
    ];
    for file in rust_files(&root().join("src")) {
        if WITHOUT_HTTP.contains(&module_of(&file).as_str()) || file.ends_with("session/store.rs") {
            let text = code(&file);
            for word in ["actix", "StatusCode", "HttpRequest", "HttpResponse"] {
                assert!(!text.contains(word), "{} mentions {word}", file.display());
            }
        }
    }
}

#[test]
fn only_the_session_module_knows_the_session_libraries() {
    for file in rust_files(&root().join("src")) {
        let text = code(&file);
        let knows = text.contains("actix_session::") || text.contains("actix_identity::");
        assert!(!knows || module_of(&file) == "session", "{}", file.display());
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    // The embedded PostgreSQL looks for programs in PATH, and passes that and the library paths on to them.
    const READERS: [&str; 4] =
        ["src/config", "src/main.rs", "crates/dev-postgres/src/process.rs", "crates/dev-postgres/src/programs.rs"];
    for file in rust_files(&root().join("src")).into_iter().chain(files_of_crates()) {
        let is_free = READERS.iter().any(|path| file.starts_with(root().join(path)));
        assert!(is_free || !code(&file).contains("env::var"), "{}", file.display());
    }
}

#[test]
fn the_crates_know_nothing_of_the_service() {
    for file in files_of_crates() {
        assert!(!code(&file).to_lowercase().contains("vestibule"), "{} mentions the service", file.display());
    }
}

#[test]
fn every_file_says_what_it_is_for_and_ends_before_it_gets_long() {
    for folder in ["src", "tests", "crates"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().count();
            assert!(lines <= LONGEST_FILE, "{} has {lines} lines", file.display());
            let is_generated = text.starts_with("// @generated");
            assert!(is_generated || text.starts_with("//!"), "{} does not say what it is for", file.display());
        }
    }
}
