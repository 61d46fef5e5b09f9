//! ChromeDriver with one Chromium, controlled by JSON over HTTP (W3C WebDriver). Dropping it ends both.
//!
//! `CHROMEDRIVER` and `CHROMIUM` name the programs if they are not on the `PATH`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::BOUND;
use super::binary::tied;
use super::database::fresh_dir;

/// How long Chromium may take to start, and a page to load.
const LONG: Duration = Duration::from_secs(60);

/// No window, no network requests of its own, and no host but 127.0.0.1, which has all names that end in `.test`.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    // With isolation, events in the frame of a mail would go to another log.
    "--disable-features=IsolateSandboxedIframes",
    "--window-size=1280,1000",
];

/// A ChromeDriver process with a session.
pub struct ChromeDriver {
    shell: Child,
    address: String,
    session: Option<String>,
    profile: PathBuf,
    client: reqwest::Client,
}

impl ChromeDriver {
    /// Starts ChromeDriver and Chromium, with these preferences of Chromium.
    pub async fn start(preferences: Value) -> Self {
        let program = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
        let mut shell = tied(&program, &["--port=0"]);
        let mut shell = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(shell.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said.filter_map(|line| line.split_once("successfully on port ").map(|(_, port)| port.to_owned()));
        let port = { port }.next().unwrap_or_else(|| panic!("{program} does not start: is it installed?"));
        let address = format!("127.0.0.1:{}", port.trim_end_matches('.'));
        let client = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
        let mut driver = Self { shell, address, session: None, profile: fresh_dir("chromium"), client };
        let asked = capabilities(&driver.profile, preferences);
        let answer = driver.send("POST", "/session", Some(&asked)).await.unwrap();
        driver.session = Some(answer["sessionId"].as_str().unwrap().to_owned());
        driver
    }

    /// Runs a command in the session; an error is the driver's own message.
    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let session = self.session.as_deref().unwrap_or_default();
        self.send(method, &format!("/session/{session}{path}"), body).await
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let is_done = response.status().is_success();
        let mut answer: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let value = answer["value"].take();
        if is_done { Ok(value) } else { Err(format!("{method} {path}: {}: {}", value["error"], value["message"])) }
    }

    /// Ends Chromium in an orderly way. Written with blocking I/O, as `drop` cannot await.
    fn end_session(&self) -> std::io::Result<()> {
        let path = format!("/session/{}", self.session.as_deref().unwrap_or_default());
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(BOUND))?;
        write!(stream, "DELETE {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)?;
        // ChromeDriver answers once Chromium is gone, and keeps the connection open.
        stream.read(&mut [0; 256]).map(drop)
    }
}

impl Drop for ChromeDriver {
    fn drop(&mut self) {
        let _ = self.end_session();
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn capabilities(profile: &Path, preferences: Value) -> Value {
    let mut args: Vec<String> = FLAGS.map(ToOwned::to_owned).into();
    args.push(format!("--user-data-dir={}", profile.display()));
    let mut options = json!({ "args": args, "prefs": preferences });
    if let Ok(program) = std::env::var("CHROMIUM") {
        options["binary"] = program.into();
    }
    json!({ "capabilities": { "alwaysMatch": {
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        // Wait for elements that do not exist yet.
        "timeouts": { "implicit": BOUND.as_millis() },
        // The certificate of the tests is for another name, and nobody trusts it.
        "acceptInsecureCerts": true,
    } } })
}
