//! The environment of the real binary: blanks around values, and secrets in files.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::json;

use crate::settings::settings;
use crate::start::assert_refused;
use crate::support::binary::{Process, run};
use crate::support::database::{TestDatabase, fresh_dir};
use crate::support::password_of;

const KEY: &str = "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq80=";

/// A file with this text, in a folder of its own.
fn file(text: impl AsRef<[u8]>) -> PathBuf {
    let path = fresh_dir("secret").join("file");
    fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn blanks_around_a_value_do_not_count_for_any_setting() {
    let (database, dir) = (TestDatabase::migrated(), fresh_dir("data"));
    let templates = fresh_dir("templates");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let public_url = format!("http://{address}");
    let mut values = settings();
    for (name, value) in [
        ("DATABASE_URL", database.url.as_str()),
        ("LISTEN", address.as_str()),
        ("PUBLIC_URL", public_url.as_str()),
        ("SECRET_KEY", KEY),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_TEMPLATES", templates.to_str().unwrap()),
        ("CONFIRM_URL", "https://app.example.com/{token}"),
        ("RESET_URL", "https://app.example.com/{token}"),
        ("COOKIE_NAME", "x"),
        ("ALLOWED_ORIGINS", "https://app.example.com, https://www.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("ACCESS_AUDIENCE", "https://api.example.com, reports"),
        ("ACCESS_CLAIMS", "email"),
        ("LOGIN_URL", "https://app.example.com/sign-in"),
        ("VERIFY_ORIGINS", "https://app.example.com, https://wiki.example.com"),
        ("DATA_DIR", dir.to_str().unwrap()),
    ] {
        assert!(values.insert(name.to_owned(), Some(value.to_owned())).is_some(), "{name} is no setting");
    }
    // It is for the embedded database, which has no part in this.
    values.remove("POSTGRES_BIN_DIR");
    // An address, as in PUBLIC_URL here, is in no domain.
    values.remove("COOKIE_DOMAIN");
    for (before, after) in [("", "\n"), (" \u{feff}", "\r\n"), ("\t", " ")] {
        let blank = values.iter().map(|(name, value)| {
            let value = value.as_deref().unwrap_or_else(|| panic!("{name} has no default and no value here"));
            (name.as_str(), format!("{before}{value}{after}"))
        });
        let blank: Vec<_> = blank.collect();
        let variables: Vec<_> = blank.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut process = Process::start(&dir, &variables);
        process.ready().await;
        process.kill();
    }
}

#[tokio::test]
async fn secrets_can_be_in_files() {
    let database = TestDatabase::migrated();
    let url = file(format!("{}\r\n", database.url));
    let (key, smtp) = (file(format!("{KEY}\n")), file("smtp://127.0.0.1:1\n"));
    let variables = [
        ("DATABASE_URL_FILE", url.to_str().unwrap()),
        ("SECRET_KEY_FILE", key.to_str().unwrap()),
        ("SMTP_URL_FILE", smtp.to_str().unwrap()),
        // Not ours, and set in many containers.
        ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/none"),
    ];
    let dir = fresh_dir("data");
    let process = Process::start(&dir, &variables);
    let http = process.ready().await;
    let fields = json!({ "email": "ada@example.com", "password": password_of("ada") });
    http.request("POST", "/register").json(&fields).send().await.expect(202);
    assert_eq!(database.number("select count(*) from users").await, 1);
    http.request("GET", "/dev/mailbox").send().await.expect_problem(404, "not_found");
    assert!(!dir.join("secret.key").exists(), "a key was generated");
}

#[test]
fn a_file_variable_that_cannot_work_aborts_startup() {
    let (good, empty) = (file("postgres://x@127.0.0.1:1/x"), file(" \n"));
    let (latin1, wrong) = (file(b"postgres://\xe4@127.0.0.1:1/x"), file("s3cr3t-that-no-one-may-see"));
    let [good, empty, latin1, wrong] = [&good, &empty, &latin1, &wrong].map(|path| path.to_str().unwrap());
    let dir = fresh_dir("wrong");
    for (variable, value, more, reason) in [
        ("DATABASE_URL_FILE", "/no/such/file", None, "cannot be read"),
        ("DATABASE_URL_FILE", "/", None, "cannot be read"),
        ("DATABASE_URL_FILE", latin1, None, "cannot be read"),
        ("DATABASE_URL_FILE", empty, None, "is empty"),
        ("DATABASE_URL_FILE", good, Some(("DATABASE_URL", "postgres://x@127.0.0.1:1/x")), "DATABASE_URL is set too"),
        ("SECRET_KEY_FILE", "/no/such/file", None, "cannot be read"),
        ("DATABASE_URLX_FILE", good, None, "did you mean DATABASE_URL_FILE?"),
        ("DATABSE_URL_FILE", good, None, "did you mean DATABASE_URL_FILE?"),
        ("LISTEN_FILE", good, None, "DATABASE_URL_FILE, SECRET_KEY_FILE, SMTP_URL_FILE"),
        ("MAIL_FROM_FILE", good, None, "only secrets"),
    ] {
        let mut variables = vec![("DATA_DIR", dir.to_str().unwrap()), ("LISTEN", "127.0.0.1:0"), (variable, value)];
        variables.extend(more);
        for command in ["serve", "migrate"] {
            let output = run(&[command], &variables);
            assert_refused(&output, variable);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains(reason), "{said}");
        }
    }
    let variables = [("DATA_DIR", dir.to_str().unwrap()), ("SMTP_URL_FILE", wrong)];
    assert_refused(&run(&["serve"], &variables), "SMTP_URL");
    assert!(run(&["serve", "--help"], &[("LISTEN_FILE", good)]).status.success());
    assert!(!dir.join("postgres-17").exists(), "an embedded database was created");
}

#[test]
fn a_flag_overrides_the_variable_and_its_file() {
    let dir = fresh_dir("wrong");
    let variables = [("DATA_DIR", dir.to_str().unwrap()), ("DATABASE_URL_FILE", "/no/such/file"), ("LISTEN", "x")];
    let output = run(&["migrate", "--database-url", "postgres://x@127.0.0.1:1/x", "--listen=127.0.0.1:0"], &variables);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the database is unavailable"), "{said}");
    let said = run(&["user", "list", "--json"], &[("DATA_DIR", dir.to_str().unwrap()), ("BCRYPT_COST", "x\n")]);
    assert_refused(&said, "BCRYPT_COST");
}
