//! Searches everything that the suite writes for secrets. With `CANARY_DIR` set, every service logs at the most verbose
//! level, and three files grow in that folder: `log`, `tables` with every value of every table at the end of each test,
//! and `secrets` with the passwords, tokens and keys that the tests used. `.ci/run` then searches the first two for the
//! third.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use env_logger::Target;
use serde_json::Value;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::Answer;

/// Anything shorter could also appear by chance.
const SHORTEST_PASSWORD: usize = 12;
const SHORTEST_TOKEN: usize = 40;

/// Whether this run is searched.
pub fn is_on() -> bool {
    folder().is_some()
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("CANARY_DIR").map(PathBuf::from)
}

fn file(name: &str) -> Option<File> {
    // Each line is one appending write, so that lines of several processes do not mix.
    Some(OpenOptions::new().create(true).append(true).open(folder()?.join(name)).unwrap())
}

fn add(name: &str, text: &str) {
    if let Some(mut file) = file(name) {
        file.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

/// Starts the log of the services in this process: into the file, or into the output of the test.
pub fn init_log() {
    let _ = match file("log") {
        Some(file) => vestibule::server::start_log("trace", Target::Pipe(Box::new(file))),
        None => env_logger::builder().is_test(true).try_init(),
    };
}

/// Records what a service in its own process logged.
pub fn logged(text: &str) {
    add("log", text);
}

/// Records the key of a service as a secret.
pub fn key(data_dir: &Path) {
    if let (true, Ok(key)) = (is_on(), std::fs::read_to_string(data_dir.join("secret.key"))) {
        add("secrets", key.trim());
    }
}

/// Records the secrets of a request.
pub fn requested(path: &str, headers: &[(String, Vec<u8>)], body: &[u8]) {
    if !is_on() {
        return;
    }
    token_in(path);
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        match name.as_str() {
            "Cookie" => {
                value.split(';').filter_map(|pair| pair.split_once('=')).for_each(|(_, token)| record_token(token))
            }
            "Authorization" => record_token(value.trim_start_matches("Bearer ")),
            _ => {}
        }
    }
    match serde_json::from_slice(body) {
        Ok(fields) => secrets_in(&fields),
        Err(_) => url::form_urlencoded::parse(body).for_each(|(name, value)| record_field(&name, &value)),
    }
}

/// Records the secrets of an answer.
pub fn answered(answer: &Answer) {
    if !is_on() {
        return;
    }
    if let Some((_, token)) =
        answer.set_cookie().as_deref().and_then(|cookie| cookie.split(';').next()?.split_once('='))
    {
        record_token(token);
    }
    if let Some(token) = answer.header("x-auth-token") {
        record_token(token);
    }
    if let Ok(body) = serde_json::from_slice(&answer.body) {
        secrets_in(&body);
    }
}

/// Records the links and the code of a mail that came over SMTP.
pub fn mail(source: &[u8]) {
    let message = is_on().then(|| mail_parser::MessageParser::default().parse(source)).flatten();
    if let Some(text) = message.as_ref().and_then(|message| message.body_text(0)) {
        text.split_whitespace().for_each(token_in);
        text.lines().filter(|line| line.len() == 9).for_each(record_code);
    }
}

fn secrets_in(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Some(text) = member.as_str() {
                    record_field(name, text);
                }
                secrets_in(member);
            }
        }
        Value::Array(items) => {
            for item in items {
                item.as_str().into_iter().for_each(token_in);
                secrets_in(item);
            }
        }
        _ => {}
    }
}

fn record_field(name: &str, value: &str) {
    // A test may use an address or a name as a password that must be refused; those appear legitimately.
    let is_password = name.ends_with("password") && value.len() >= SHORTEST_PASSWORD && !value.contains('@');
    if is_password && !value.contains(char::is_control) {
        add("secrets", value);
    } else if matches!(name, "token" | "access_token") {
        record_token(value);
    } else if name == "code" {
        record_code(value);
    }
}

/// As it stands in the mail: eight digits without the blank could also be a part of any long number.
fn record_code(text: &str) {
    if let Some(code) = vestibule::link::Code::parse(text) {
        add("secrets", &code.to_string());
    }
}

/// The token of a link.
fn token_in(link: &str) {
    for path in ["/confirm/", "/password/reset/"] {
        if let Some((_, token)) = link.split_once(path) {
            record_token(token);
        }
    }
}

fn record_token(token: &str) {
    let token = token.trim();
    if token.len() >= SHORTEST_TOKEN && token.is_ascii() && !token.contains(['\n', '/']) {
        add("secrets", token);
    }
}

/// Records every value of every table before the database is dropped. A database that is closed is skipped.
pub fn tables(url: &str) {
    if !is_on() {
        return;
    }
    let url = url.to_owned();
    // On its own thread and runtime: the test is already in one.
    let reading = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(dump(&url))
    });
    match reading.join().unwrap() {
        Ok(text) => add("tables", &text),
        Err(error) => eprintln!("a database was not searched: {error}"),
    }
}

/// Every value of every table.
pub async fn dump(url: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    // Bytes appear as text where they are text; text appears as it is, and as JSON escapes it.
    client.batch_execute("set bytea_output = 'escape'").await?;
    let mut text = String::new();
    let names = "select quote_ident(table_name) from information_schema.tables where table_schema = 'public'";
    for table in values(&client, names).await? {
        for row in values(&client, &format!("select t::text || ' ' || to_jsonb(t)::text from {table} t")).await? {
            text.push_str(&format!("{table}: {row}\n"));
        }
    }
    Ok(text)
}

async fn values(client: &tokio_postgres::Client, statement: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client.simple_query(statement).await?;
    let values = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(ToOwned::to_owned),
        _ => None,
    });
    Ok(values.collect())
}
