//! A real server, from its first start to its end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::{env, fs, path::Path, process};

use dev_postgres::{DevPostgres, Error, Settings};

fn settings(data_dir: &Path) -> Settings<'_> {
    Settings { name: "shop", data_dir, bin_dir: None, min_major: 15, durable: false }
}

#[test]
fn a_server_starts_twice_on_one_folder_but_not_at_the_same_time() {
    let dir = env::temp_dir().join(format!("dev postgres, {}", process::id()));
    let first = DevPostgres::start(&settings(&dir)).unwrap();
    let url = first.url("a/b");
    assert!(url.starts_with("postgres://shop@%2F") && url.ends_with("/a%2Fb"), "{url}");
    assert!(url.contains("dev%20postgres%2C%20"), "{url}");
    assert!(!first.version().is_empty());

    match DevPostgres::start(&settings(&dir)) {
        Err(Error::InUse { pid, .. }) => assert_eq!(pid, process::id().to_string()),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two servers on one folder"),
    }
    let is_running = || fs::read_dir(&dir).unwrap().any(|entry| entry.unwrap().path().join("postmaster.pid").exists());
    assert!(is_running());
    drop(first);
    assert!(!is_running());
    drop(DevPostgres::start(&settings(&dir)).unwrap());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_folder_without_programs_is_named() {
    let dir = env::temp_dir().join(format!("dev-postgres-none-{}", process::id()));
    let error = DevPostgres::start(&Settings { bin_dir: Some(Path::new("/etc")), ..settings(&dir) }).err().unwrap();
    assert_eq!(error.to_string(), "/etc holds no usable PostgreSQL: it has no `initdb`");
    fs::remove_dir_all(dir).unwrap();
}
