//! The pages in a real browser: a policy that is too strict shows there alone.
//!
//! `cargo test --test main in_a_browser -- --ignored`; `CHROMIUM` names the program if it is not called `chromium`.

use std::process::{Command, Stdio};

use crate::support::TestApp;
use crate::support::database::fresh_dir;

/// What a page has become after its scripts ran, and what the browser complained about.
async fn open(url: String) -> (String, String) {
    let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".into());
    let profile = fresh_dir("browser");
    let browsing = tokio::task::spawn_blocking(move || {
        Command::new(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=8000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .output()
    });
    let output = browsing.await.unwrap().expect("Chromium");
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn pages_work_in_a_browser_under_their_policies() {
    let app = TestApp::start().await;
    app.unconfirmed("ada").await;
    let link = app.mailbox.letter_to("ada@example.com").await.path();
    let mails = app.visitor().get("/dev/mailbox").await.expect(200).json();
    let letter = format!("/dev/mailbox/{}", mails["mails"][0]["id"].as_str().unwrap());
    let pages = [("/docs/", "opblock"), (&link, "<button"), (&letter, "<iframe"), ("/problems/unconfirmed", "<h1")];
    for (path, expected) in pages {
        let (page, complaints) = open(format!("{}{path}", app.http.base)).await;
        assert!(page.contains(expected), "{path}: {page}");
        let of_page: Vec<&str> = complaints.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(of_page.is_empty(), "{path}: {of_page:#?}");
    }
}
