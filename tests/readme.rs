//! The documents: the story in `curl` of the README, run against the real binary; the table of operations, compared with the
//! contract; the links between documents; the map of the source.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The address in the README.
const WRITTEN: &str = "http://127.0.0.1:8080";
/// Printed between the blocks, to tell their outputs apart.
const SEPARATOR: char = '\u{1e}';
/// The first start sets up a database.
const START_WITHIN: Duration = Duration::from_secs(90);

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The part of a Markdown text under the heading that begins with `## {title}`.
pub fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let start = text.find(&format!("\n## {title}")).unwrap_or_else(|| panic!("no section {title:?}"));
    let body = &text[start + 1..];
    body.find("\n## ").map_or(body, |end| &body[..end])
}

/// The cells of the tables in a Markdown text, row by row, without their heads.
pub fn table_rows(text: &str) -> Vec<Vec<String>> {
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        if line.starts_with("| ---") {
            rows.pop(); // The head of the table.
        } else {
            rows.push(cells(line));
        }
    }
    rows
}

/// The texts in backticks.
pub fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// A fenced block of commands, and the block of output that follows it, if any.
struct Step {
    commands: String,
    output: Option<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "sh" => steps.push(Step { commands: block, output: None }),
            "text" => steps.last_mut().expect("output follows commands").output = Some(block),
            _ => {}
        }
    }
    steps
}

/// Whether `line` matches `written`, in which `…` stands for anything.
fn is_like(line: &str, written: &str) -> bool {
    let mut pieces = written.split('…');
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = written.split('…').skip(1).last() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    line.ends_with(last)
}

/// A folder that is deleted with this value.
struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vestibule-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A command with only the environment that it needs: a developer's settings must not change a test.
fn command(program: &str) -> Command {
    const KEPT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "POSTGRES_BIN_DIR"];
    let mut command = Command::new(program);
    command.env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// The service as `cargo run` starts it, but on a free port and with its own data directory.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(data_dir: &Path) -> Self {
        let mut child = command(env!("CARGO_BIN_EXE_vestibule"))
            .env("LISTEN", "127.0.0.1:0")
            .env("DATA_DIR", data_dir)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        // To the end: the service would block on a full pipe.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut service = Self { child, url: String::new() };
        let deadline = Instant::now() + START_WITHIN;
        let mut said = Vec::new();
        while let Ok(line) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some((_, url)) = line.split_once(" API ") {
                service.url = url.trim().to_owned();
            }
            // Now it answers.
            if line.contains("migrated the database") {
                return service;
            }
            said.push(line);
        }
        panic!("the service did not start:\n{}", said.join("\n"));
    }
}

impl Drop for Service {
    /// SIGTERM first, so that its database stops cleanly before the folder is deleted.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_story_of_the_readme_happens() {
    if !command("curl").arg("--version").output().is_ok_and(|answer| answer.status.success()) {
        eprintln!("skipped: curl is missing");
        return;
    }
    let folder = TempDir::new("readme");
    let service = Service::start(&folder.0.join("data"));
    let readme = read("README.md").replace(WRITTEN, &service.url);
    let steps = steps(section(&readme, "The story in `curl`"));
    assert!(steps.len() > 5, "where is the story?");

    let commands: Vec<&str> = steps.iter().map(|step| step.commands.as_str()).collect();
    let script = commands.join("printf '\\036'\n");
    let answer = command("sh").args(["-eu", "-c", &script]).current_dir(&folder.0).output().unwrap();
    let printed = String::from_utf8(answer.stdout).unwrap();
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{}\n{printed}\n{errors}", answer.status);

    let outputs: Vec<&str> = printed.split(SEPARATOR).collect();
    assert_eq!(outputs.len(), steps.len());
    for (step, output) in steps.iter().zip(outputs) {
        let expected = step.output.as_deref().unwrap_or_default();
        let is_as_written = expected.lines().count() == output.lines().count()
            && output.lines().zip(expected.lines()).all(|(line, written)| is_like(line, written));
        assert!(is_as_written, "\n{}printed\n{output}but the README says\n{expected}", step.commands);
    }
}

#[test]
fn the_operations_are_those_of_the_contract() {
    let document: serde_json::Value = serde_json::from_str(&read("openapi/openapi.json")).unwrap();
    let mut contract = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        contract.extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let page = read("docs/api.md");
    let rows = table_rows(section(&page, "Operations"));
    let listed: BTreeSet<String> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    assert_eq!(listed, contract, "left: docs/api.md, right: openapi.json");
}

#[test]
fn every_link_between_documents_resolves() {
    let mut documents: Vec<PathBuf> = Vec::new();
    for folder in [".", "docs", "docs/adr", "docs/guides"] {
        let entries = fs::read_dir(repository().join(folder)).unwrap();
        documents.extend(
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !path.is_empty() {
                let target = document.with_file_name("").join(path);
                assert!(target.exists(), "{} links to {link}", document.display());
            }
        }
    }
}

/// The Rust files below `folder`, as the map writes them.
fn source_files(folder: &Path, prefix: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(source_files(&entry.path(), &format!("{name}/")));
        } else if name.ends_with(".rs") {
            files.push(name);
        }
    }
    files
}

#[test]
fn the_map_has_every_file() {
    let map = read("docs/ARCHITECTURE.md");
    let mapped: BTreeSet<String> =
        table_rows(section(&map, "The map")).iter().flat_map(|row| quoted(&row[0])).collect();
    let files: BTreeSet<String> = source_files(&repository().join("src"), "").into_iter().collect();
    let missing: Vec<_> = files.difference(&mapped).collect();
    let gone: Vec<_> = mapped.difference(&files).collect();
    assert!(missing.is_empty() && gone.is_empty(), "docs/ARCHITECTURE.md lacks {missing:?} and has {gone:?}");
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(is_like("{\"id\":\"7\"} 200", "{\"id\":\"…\"} 200"));
    assert!(is_like("abc", "abc") && is_like("abc", "…") && is_like("abc", "a…c"));
    for (line, written) in [("abc", "ab"), ("abc", "b…"), ("abc", "a…d"), ("abcd", "a…c"), ("{} 403", "{…} 200")]
    {
        assert!(!is_like(line, written), "{line} {written}");
    }
}
