//! The whole suite, searched for secrets. With `CANARY_DIR` set, every service logs at the most talkative level, and three
//! files grow in that folder: `log`, `tables` with every value of every table at the end of each test, and `secrets` with
//! what the tests held in their hands. `.ci/run` then looks for the third in the first two.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use env_logger::Target;
use serde_json::Value;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::Answer;

/// What is shorter is a word that may stand anywhere.
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
    // Each line is one write at the end, whoever else writes.
    Some(OpenOptions::new().create(true).append(true).open(folder()?.join(name)).unwrap())
}

fn add(name: &str, text: &str) {
    if let Some(mut file) = file(name) {
        file.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

/// The log of the services in this process: where the test shows it, or in the file.
pub fn init_log() {
    let _ = match file("log") {
        Some(file) => vestibule::server::start_log("trace", Target::Pipe(Box::new(file))),
        None => env_logger::builder().is_test(true).try_init(),
    };
}

/// What a service of its own process logged.
pub fn logged(text: &str) {
    add("log", text);
}

/// The key of a service.
pub fn key(data_dir: &Path) {
    if let (true, Ok(key)) = (is_on(), std::fs::read_to_string(data_dir.join("secret.key"))) {
        add("secrets", key.trim());
    }
}

/// What a request brings.
pub fn asked(path: &str, headers: &[(String, Vec<u8>)], body: &[u8]) {
    if !is_on() {
        return;
    }
    token_in(path);
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value);
        match name.as_str() {
            "Cookie" => {
                value.split(';').filter_map(|pair| pair.split_once('=')).for_each(|(_, token)| hold_token(token))
            }
            "Authorization" => hold_token(value.trim_start_matches("Bearer ")),
            _ => {}
        }
    }
    match serde_json::from_slice(body) {
        Ok(fields) => look_into(&fields),
        Err(_) => url::form_urlencoded::parse(body).for_each(|(name, value)| hold_field(&name, &value)),
    }
}

/// What an answer gives.
pub fn answered(answer: &Answer) {
    if !is_on() {
        return;
    }
    if let Some((_, token)) =
        answer.set_cookie().as_deref().and_then(|cookie| cookie.split(';').next()?.split_once('='))
    {
        hold_token(token);
    }
    if let Ok(body) = serde_json::from_slice(&answer.body) {
        look_into(&body);
    }
}

/// A mail that came over SMTP.
pub fn mail(source: &[u8]) {
    let message = is_on().then(|| mail_parser::MessageParser::default().parse(source)).flatten();
    if let Some(text) = message.as_ref().and_then(|message| message.body_text(0)) {
        text.split_whitespace().for_each(token_in);
    }
}

fn look_into(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Some(text) = member.as_str() {
                    hold_field(name, text);
                }
                look_into(member);
            }
        }
        Value::Array(items) => {
            for item in items {
                item.as_str().into_iter().for_each(token_in);
                look_into(item);
            }
        }
        _ => {}
    }
}

fn hold_field(name: &str, value: &str) {
    // A password that is also an address or a name, to be refused, stands where those stand.
    let is_password = name.ends_with("password") && value.len() >= SHORTEST_PASSWORD && !value.contains('@');
    if is_password && !value.contains(char::is_control) {
        add("secrets", value);
    } else if name == "token" {
        hold_token(value);
    }
}

/// The token of a link.
fn token_in(link: &str) {
    for door in ["/confirm/", "/password/reset/"] {
        if let Some((_, token)) = link.split_once(door) {
            hold_token(token);
        }
    }
}

fn hold_token(token: &str) {
    let token = token.trim();
    if token.len() >= SHORTEST_TOKEN && token.is_ascii() && !token.contains(['\n', '/']) {
        add("secrets", token);
    }
}

/// Every value of every table, before the database goes. One that lets nobody in is passed over.
pub fn tables(url: &str) {
    if !is_on() {
        return;
    }
    let url = url.to_owned();
    // On a thread and a runtime of its own: a test has one already.
    let reading = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(dump(&url))
    });
    match reading.join().unwrap() {
        Ok(text) => add("tables", &text),
        Err(error) => eprintln!("a database that was not searched: {error}"),
    }
}

/// Every value of every table.
pub async fn dump(url: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    // Bytes are shown as the text that they may be; text as it is, and as JSON escapes it.
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
