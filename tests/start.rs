//! The real binary: how it starts, refuses to start, stops, and restarts.

use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::support::binary::{Process, command, run};
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::http::Http;
use crate::support::{eventually, password_of};

const SECRET: &str = "s3cr3t-that-no-one-may-see";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts that startup was aborted with one line that names the variable.
#[track_caller]
pub fn assert_refused(output: &Output, variable: &str) {
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{variable}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{variable}: {said}");
    assert!(said.starts_with(&format!("vestibule: {variable}")), "{variable}: {said}");
    assert!(!said.contains(SECRET), "{variable}: {said}");
    assert!(output.stdout.is_empty());
}

/// Values that cannot be used, by variable.
const WRONG: &[(&str, &str)] = &[
    ("LISTEN", "nowhere"),
    ("PUBLIC_URL", "ftp://x"),
    ("PUBLIC_URL", "https://x/auth?a=b"),
    ("PUBLIC_URL", "https://x/a//b"),
    ("PUBLIC_URL", "http://x/me"),
    ("SECRET_KEY", SECRET),
    ("SECRET_KEY", "abcd"),
    ("SMTP_URL", "http://user:s3cr3t-that-no-one-may-see@x"),
    ("SMTP_URL", "smtp://user:s3cr3t-that-no-one-may-see@x?tls=maybe"),
    ("DATABASE_URL", "mysql://user:s3cr3t-that-no-one-may-see@x/y"),
    ("DATABASE_URL", "postgres://user:s3cr3t-that-no-one-may-see@x:port/y"),
    ("DATABASE_URL", "postgres:///no-host"),
    ("DATABASE_URL", "postgres://user:s3cr3t-that-no-one-may-see@x/y?sslmode=verify-ca"),
    ("DATABASE_URL", "postgres://user@x/y?s3cr3t-that-no-one-may-see=x"),
    ("DATABASE_CONNECTIONS", "7"),
    ("DEV_MAILBOX", "maybe"),
    ("MAIL_FROM", "nobody"),
    ("MAIL_FROM", "Example, Inc. <no-reply@example.com>"),
    ("CONFIRM_URL", "https://x/"),
    ("CONFIRM_TTL", "soon"),
    ("SESSION_TTL", "0s"),
    ("SESSION_IDLE_TTL", "-1h"),
    ("REMEMBER_TTL", "400d"),
    ("REMEMBER_IDLE_TTL", "12"),
    ("PASSWORD_MIN_LENGTH", "4"),
    ("ALLOWED_ORIGINS", "https://app.example.com,null"),
    ("ALLOWED_ORIGINS", "file://"),
    ("COOKIE_NAME", "a session"),
    ("COOKIE_NAME", "__Host-session"),
    ("COOKIE_SAMESITE", "sometimes"),
    ("COOKIE_SAMESITE", "none"),
    ("COOKIE_DOMAIN", "example.com"),
    ("COOKIE_DOMAIN", "com"),
    ("ACCESS_TTL", "25h"),
    ("ACCESS_AUDIENCE", "two words"),
    ("ACCESS_TOKEN_TYPE", "jws"),
    ("ACCESS_CLIENT_ID", "two words"),
    ("ACCESS_CLAIMS", "password"),
    ("LOGIN_URL", "/login"),
    ("VERIFY_ORIGINS", "*"),
    ("TRUSTED_PROXIES", "everyone"),
    ("BCRYPT_COST", "9"),
    ("BCRYPT_COST", "17"),
];

#[test]
fn an_invalid_value_aborts_startup_with_one_line_that_names_the_setting() {
    let dir = fresh_dir("wrong");
    for &(variable, value) in WRONG {
        let mut variables = vec![("DATA_DIR", dir.to_str().unwrap()), ("LISTEN", "127.0.0.1:0")];
        if variable != "DATABASE_URL" {
            variables.push(("DATABASE_URL", "postgres://vestibule@127.0.0.1:1/none"));
        }
        variables.retain(|(name, _)| *name != variable);
        variables.push((variable, value));
        assert_refused(&run(&["serve"], &variables), variable);
    }
}

#[test]
fn an_invalid_flag_is_reported_with_its_variable() {
    let output = run(&["serve", "--secret-key", SECRET], &[]);
    assert_refused(&output, "SECRET_KEY (--secret-key)");
}

#[test]
fn https_needs_a_secret_key_and_a_public_listener_needs_a_mail_server() {
    let dir = fresh_dir("wrong");
    let base = [("DATA_DIR", dir.to_str().unwrap()), ("DATABASE_URL", "postgres://x@127.0.0.1:1/x")];
    let with = |more: &[(&'static str, &'static str)]| {
        let variables: Vec<_> = base.iter().copied().chain(more.iter().copied()).collect();
        run(&["serve"], &variables)
    };
    let https = ("PUBLIC_URL", "https://auth.example.com");
    assert_refused(&with(&[("LISTEN", "127.0.0.1:0"), https]), "SMTP_URL");
    let output = with(&[("LISTEN", "127.0.0.1:0"), https, ("SMTP_URL", "smtp://127.0.0.1:1")]);
    assert_refused(&output, "SECRET_KEY");
    assert_refused(&with(&[("LISTEN", "0.0.0.0:0")]), "PUBLIC_URL");
    assert_refused(&with(&[("LISTEN", "0.0.0.0:0"), ("PUBLIC_URL", "http://auth.example.com")]), "SMTP_URL");
    assert_refused(&with(&[("LISTEN", "127.0.0.1:0"), ("DEV_MAILBOX", "off")]), "SMTP_URL");
    assert_refused(&with(&[("LISTEN", "192.0.2.1:80")]), "LISTEN");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = fresh_dir("wrong");
    let output = run(
        &["serve"],
        &[("LISTEN", &address), ("DATA_DIR", dir.to_str().unwrap()), ("DATABASE_URL", "postgres://x@127.0.0.1:1/x")],
    );
    assert_refused(&output, "LISTEN");
    assert!(text(&output.stderr).contains(&address));
}

#[test]
fn help_names_the_variables_and_reveals_no_secret() {
    let help = run(&["serve", "--help"], &[]);
    assert!(help.status.success());
    let said = text(&help.stdout);
    for variable in ["DATABASE_URL", "LISTEN", "SECRET_KEY", "SMTP_URL", "CONFIRM_TTL", "BCRYPT_COST", "RUST_LOG"] {
        assert!(said.contains(&format!("[env: {variable}")), "{variable}");
    }
    let help = command(&["serve", "--help"]).env("SECRET_KEY", SECRET).env("DATABASE_URL", SECRET).output().unwrap();
    assert!(!text(&help.stdout).contains(SECRET));
    let version = run(&["--version"], &[]);
    assert_eq!(text(&version.stdout).trim(), format!("vestibule {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(text(&run(&["openapi"], &[]).stdout), include_str!("../openapi/openapi.json"));
    let unknown = run(&["dance"], &[]);
    assert!(!unknown.status.success() && !unknown.stderr.is_empty());
}

#[test]
fn migrate_runs_the_migrations() {
    let database = TestDatabase::empty();
    let dir = fresh_dir("migrate");
    let variables = [("DATABASE_URL", database.url.as_str()), ("DATA_DIR", dir.to_str().unwrap())];
    let first = run(&["migrate"], &variables);
    assert!(first.status.success() && text(&first.stderr).contains("migrated"), "{}", text(&first.stderr));
    let second = run(&["migrate"], &variables);
    assert!(second.status.success() && text(&second.stderr).contains("up to date"), "{}", text(&second.stderr));
    let nowhere = run(&["migrate"], &[("DATABASE_URL", "postgres://x:s3cr3t-that-no-one-may-see@127.0.0.1:1/x")]);
    assert!(!nowhere.status.success() && !text(&nowhere.stderr).contains(SECRET));
}

#[tokio::test]
async fn two_instances_that_start_together_migrate_once() {
    let database = TestDatabase::empty();
    let variables = [("DATABASE_URL", database.url.as_str())];
    let processes = [0, 1].map(|_| Process::start(&fresh_dir("data"), &variables));
    for process in &processes {
        process.ready().await;
    }
    let migrated = processes.iter().filter(|process| process.log().contains("migrated the database:")).count();
    assert_eq!(migrated, 1, "{} {}", processes[0].log(), processes[1].log());
    assert!(processes.iter().all(|process| !process.log().contains("ERROR")));
}

#[tokio::test]
async fn without_its_database_the_service_starts_and_is_unavailable() {
    let mut process = Process::start(&fresh_dir("data"), &[("DATABASE_URL", "postgres://x@127.0.0.1:1/x")]);
    let http = process.http().await;
    http.request("GET", "/health/live").send().await.expect(200);
    let ready = http.request("GET", "/health/ready").send().await.expect(503).json();
    assert_eq!(ready["status"], "unavailable");
    assert_eq!(ready["checks"]["database"], "unavailable");
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada") });
    let answer = http.request("POST", "/register").json(&fields).send().await.expect_problem(503, "unavailable");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    http.request("GET", "/openapi.json").send().await.expect(200);
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test]
async fn sigterm_ends_the_process_with_status_0() {
    let database = TestDatabase::migrated();
    let mut process = Process::start(&fresh_dir("data"), &[("DATABASE_URL", &database.url)]);
    process.ready().await;
    assert_eq!(process.terminate().await, Some(0));
}

async fn register(http: &Http, name: &str) {
    let fields = json!({ "email": format!("{name}@example.com"), "password": password_of(name) });
    http.request("POST", "/register").json(&fields).send().await.expect(202);
}

/// The path of the link to the only user who registered.
async fn link(http: &Http) -> String {
    let link = eventually("the mail comes", async || {
        let mails = http.request("GET", "/dev/mailbox").send().await.expect(200).json();
        mails["mails"][0]["links"][0].as_str().map(ToOwned::to_owned)
    });
    url::Url::parse(&link.await).unwrap().path().to_owned()
}

#[tokio::test]
async fn the_embedded_database_starts_by_default_and_survives_a_kill() {
    let dir = fresh_dir("data");
    let mut process = Process::start(&dir, &[]);
    let http = process.ready().await;
    register(&http, "ada").await;
    let path = link(&http).await;
    process.kill();

    let mut process = Process::start(&dir, &[]);
    let http = process.ready().await;
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada"), "transport": "bearer" });
    let login = http.request("POST", "/login").json(&fields).send().await.expect(200).json();
    assert_eq!(login["user"]["confirmed"], false);
    let confirmed = http.request("POST", &path).json(&json!({ "password": password_of("ada") })).send().await;
    let confirmed = confirmed.expect(200).json();
    assert_eq!(confirmed["status"], "confirmed", "a link from before the restart");
    let token = login["session"]["token"].as_str().unwrap().to_owned();
    assert_eq!(process.terminate().await, Some(0));

    let process = Process::start(&dir, &[]);
    let http = process.ready().await;
    let me = http.request("GET", "/me").header("Authorization", format!("Bearer {token}")).send().await.expect(200);
    assert_eq!(me.json()["confirmed"], true, "a session outlives a restart");
}

#[tokio::test]
async fn an_error_with_the_database_or_a_folder_is_reported_once_with_its_cause() {
    let database = TestDatabase::empty();
    let mut url = url::Url::parse(&database.url).unwrap();
    url.set_path("nowhere");
    let said = text(&run(&["migrate"], &[("DATABASE_URL", url.as_str())]).stderr);
    assert!(said.contains("database \"nowhere\" does not exist"), "{said}");
    let dir = fresh_dir("data");
    let variables =
        [("DATA_DIR", dir.to_str().unwrap()), ("MAIL_TEMPLATES", "/no-such-folder"), ("LISTEN", "127.0.0.1:0")];
    let said = text(&run(&["serve"], &variables).stderr);
    let complaints = said.lines().filter(|line| line.contains("MAIL_TEMPLATES")).collect::<Vec<_>>();
    assert_eq!((complaints.len(), said.matches("/no-such-folder").count()), (1, 1), "{said}");
}

/// Simulates a system that is too old for the bundled programs.
#[tokio::test]
async fn a_bundled_postgresql_that_cannot_run_is_replaced_or_explained() {
    let dir = fresh_dir("data");
    let variables = [("DATA_DIR", dir.to_str().unwrap()), ("POSTGRES_BIN_DIR", ""), ("RUST_LOG", "info")];
    assert!(run(&["migrate"], &variables).status.success());
    let mut folders = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let programs = folders.find(|path| path.to_str().unwrap().contains("postgres-runtime-")).expect("bundled programs");
    std::fs::write(programs.join("bin/postgres"), "#!/bin/sh\necho an old system >&2\nexit 1\n").unwrap();
    // Otherwise the programs would count as damaged, and be unpacked again.
    std::fs::write(programs.join("cannot-run-here"), "").unwrap();
    let output = run(&["migrate"], &variables);
    let said = text(&output.stderr);
    if output.status.success() {
        assert!(said.contains("using the embedded PostgreSQL") && !said.contains("bundled"), "{said}");
        assert!(said.contains("migrated the database"), "the installed PostgreSQL has its own cluster: {said}");
    } else {
        let debian = |major: u32| Path::new(&format!("/usr/lib/postgresql/{major}/bin/initdb")).exists();
        assert!(!(15..30).any(debian), "an installed PostgreSQL was not used: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        for word in ["an old system", "install postgresql", "DATABASE_URL", "POSTGRES_BIN_DIR"] {
            assert!(said.contains(word), "{said}");
        }
    }
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_instance() {
    let dir = fresh_dir("data");
    let process = Process::start(&dir, &[]);
    process.ready().await;
    let second = run(&["serve"], &[("DATA_DIR", dir.to_str().unwrap()), ("LISTEN", "127.0.0.1:0")]);
    let said = text(&second.stderr);
    assert!(!second.status.success() && said.trim_end().lines().count() == 1, "{said}");
    assert!(said.contains(dir.to_str().unwrap()), "{said}");
}

#[tokio::test]
async fn only_its_owner_may_enter_a_new_data_directory() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = fresh_dir("parent").join("data");
    let process = Process::start(&dir, &[]);
    process.ready().await;
    assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
}
