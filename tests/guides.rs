//! The guides: what they show is what `vestibule keys snippet` prints, and the exports in SQL give lines that can be imported.

use std::fs;

use serde_json::Value;

use crate::import::{import_into, lines};
use crate::readme::{read, repository};
use crate::support::binary;
use crate::support::database::TestDatabase;

const BCRYPT: &str = "$2a$12$0123456789abcdefABCDEOaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The fenced blocks in this language.
fn blocks(guide: &str, language: &str) -> Vec<String> {
    let text = read(&format!("docs/guides/{guide}.md"));
    let fence = format!("\n```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

#[test]
fn the_guides_show_what_the_command_prints() {
    let shown = [
        ("envoy", "yaml", "envoy"),
        ("express", "js", "express"),
        ("fastapi", "python", "fastapi"),
        ("fastapi", "python", "pyjwt"),
        ("go", "go", "go"),
        ("spring", "yaml", "spring"),
    ];
    for (guide, language, verifier) in shown {
        let arguments = ["keys", "--public-url=https://auth.example.com", "snippet", verifier];
        let variables = [("SECRET_KEY", "ab".repeat(32)), ("DEV_MAILBOX", "on".to_owned())];
        let output = binary::run(&arguments, &variables.each_ref().map(|(name, value)| (*name, value.as_str())));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && !printed.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(blocks(guide, language).contains(&printed), "docs/guides/{guide}.md does not have this:\n{printed}");
    }
}

#[test]
fn the_index_has_every_guide() {
    let index = read("docs/guides/README.md");
    for entry in fs::read_dir(repository().join("docs/guides")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_listed = index.contains(&format!("]({name})"));
        assert!(is_listed || name == "README.md" || !name.ends_with(".md"), "docs/guides/README.md lacks {name}");
    }
}

/// Imports what the first export of a guide gives, from a database with these tables, and returns what was then imported.
async fn moved(guide: &str, tables: &str) -> Vec<[Option<String>; 5]> {
    let old = TestDatabase::empty();
    old.rows(tables).await;
    let export = old.rows(&blocks(guide, "sql")[0]).await;
    let rows = export.iter().map(|row| serde_json::from_str::<Value>(row[0].as_ref().unwrap()).unwrap());
    let new = TestDatabase::migrated();
    let summary = format!("{} imported, 0 already there, 0 refused\n", export.len());
    assert_eq!(import_into(&new, &lines(rows), &[]).expect_success(), summary);
    let users = "select email, username, password_hash is not null, confirmed_at is not null, disabled_at is not null \
                 from users order by email";
    new.rows(users).await.into_iter().map(|row| row.try_into().unwrap()).collect()
}

/// Address, username; whether there is a password, a confirmation, a disabling.
fn user(email: &str, username: Option<&str>, password: &str, confirmed: &str, disabled: &str) -> [Option<String>; 5] {
    [Some(email), username, Some(password), Some(confirmed), Some(disabled)].map(|text| text.map(ToOwned::to_owned))
}

#[tokio::test]
async fn users_of_devise_can_be_moved() {
    let tables = format!(
        "create table users (id bigserial primary key, email varchar not null default '', \
         encrypted_password varchar not null default '', reset_password_token varchar, \
         reset_password_sent_at timestamp(6), remember_created_at timestamp(6), confirmation_token varchar, \
         confirmed_at timestamp(6), confirmation_sent_at timestamp(6), unconfirmed_email varchar, username varchar, \
         created_at timestamp(6) not null default now(), updated_at timestamp(6) not null default now(), \
         vestibule_id uuid unique default gen_random_uuid()); \
         insert into users (email, encrypted_password, confirmed_at, username) values \
         ('ada@example.com', '{BCRYPT}', '2020-01-02 03:04:05.678', 'Ada'), \
         ('bob@example.com', '{BCRYPT}', null, 'Bob Smith'), ('eve@example.com', '', now(), null)"
    );
    let expected = [
        user("ada@example.com", Some("Ada"), "t", "t", "f"),
        user("bob@example.com", None, "t", "f", "f"),
        user("eve@example.com", None, "f", "t", "f"),
    ];
    assert_eq!(moved("moving-from-devise", &tables).await, expected);
}

#[tokio::test]
async fn users_of_supabase_can_be_moved() {
    let tables = format!(
        "create schema auth; create table auth.users (id uuid primary key default gen_random_uuid(), \
         email varchar(255), encrypted_password varchar(255), email_confirmed_at timestamptz, phone text, \
         created_at timestamptz default now(), banned_until timestamptz, deleted_at timestamptz, \
         is_sso_user boolean not null default false); \
         insert into auth.users (email, encrypted_password, email_confirmed_at, banned_until, deleted_at, is_sso_user) \
         values ('ada@example.com', '{BCRYPT}', '2020-01-02 03:04:05.678', now() - interval '1 day', null, false), \
         ('bob@example.com', '{BCRYPT}', null, now() + interval '10 years', null, false), \
         ('eve@example.com', '', now(), null, null, false), (null, '', null, null, null, false), \
         ('sso@example.com', '', now(), null, null, true), ('gone@example.com', '', now(), null, now(), false)"
    );
    let expected = [
        user("ada@example.com", None, "t", "t", "f"),
        user("bob@example.com", None, "t", "f", "t"),
        user("eve@example.com", None, "f", "t", "f"),
    ];
    assert_eq!(moved("moving-from-supabase", &tables).await, expected);
}
