//! A browser, used as a person uses it: read, click, type, press keys.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::chromedriver::ChromeDriver;
use super::{BOUND, eventually};

/// The key of an element reference (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
/// Selects the whole content of a field, so that what is typed next replaces it.
pub const MARK_ALL: &str = "\u{e009}a\u{e000}";

/// A browser with a fresh profile; dropping this closes it.
pub struct Browser {
    driver: ChromeDriver,
}

impl Browser {
    pub async fn start() -> Self {
        Self { driver: ChromeDriver::start(json!({})).await }
    }

    /// A browser that does not run the scripts of pages.
    pub async fn without_scripts() -> Self {
        let preferences = json!({ "profile.managed_default_content_settings.javascript": 2 });
        let browser = Self { driver: ChromeDriver::start(preferences).await };
        browser.open("data:text/html,<title>off</title><script>document.title = 'on'</script>").await;
        assert_eq!(browser.title().await, "off");
        browser
    }

    async fn get(&self, path: &str) -> Value {
        self.driver.ask("GET", path, None).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.driver.ask("POST", path, Some(&body)).await.unwrap()
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    pub async fn title(&self) -> String {
        self.get("/title").await.as_str().unwrap().to_owned()
    }

    /// The first element that matches a selector; waits for it.
    async fn find(&self, css: &str) -> String {
        let found = self.post("/element", json!({ "using": "css selector", "value": css })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// How many elements match a selector now.
    pub async fn count(&self, css: &str) -> u64 {
        self.script("return document.querySelectorAll(arguments[0]).length", json!([css])).await.as_u64().unwrap()
    }

    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Clicks into a field and types.
    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    /// The visible text of an element.
    pub async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        self.get(&format!("/element/{element}/text")).await.as_str().unwrap().to_owned()
    }

    /// Waits until an element contains this text. Elements can disappear at any moment while the browser leaves a page.
    pub async fn expect(&self, css: &str, expected: &str) {
        let deadline = Instant::now() + BOUND;
        loop {
            let script = json!({ "script": "return document.querySelector(arguments[0])?.innerText", "args": [css] });
            let found = self.driver.ask("POST", "/execute/sync", Some(&script)).await;
            if matches!(&found, Ok(Value::String(text)) if text.contains(expected)) {
                return;
            }
            assert!(Instant::now() < deadline, "{css} should say {expected:?}: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            [
                json!({ "type": "keyDown", "value": key.to_string() }),
                json!({ "type": "keyUp", "value": key.to_string() }),
            ]
        });
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Whether an element has the focus and a visible outline.
    pub async fn has_focus(&self, css: &str) -> bool {
        let element = self.find(css).await;
        let has_focus = self.get("/element/active").await[ELEMENT] == element.as_str();
        has_focus && self.get(&format!("/element/{element}/css/outline-style")).await != "none"
    }

    /// Presses Tab until an element has the focus.
    pub async fn tab_to(&self, css: &str) {
        for _ in 0..10 {
            self.press(TAB).await;
            if self.has_focus(css).await {
                return;
            }
        }
        panic!("Tab does not lead to {css}, or it does not show its focus");
    }

    /// Runs a script of the test in the page; this works even where pages run no scripts.
    pub async fn script(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Directs the following commands to a frame of the page, until another page is opened.
    pub async fn enter_frame(&self, css: &str) {
        let element = self.find(css).await;
        self.post("/frame", json!({ "id": { ELEMENT: element } })).await;
    }

    /// Directs the following commands to the tab that a click opened.
    pub async fn enter_other_tab(&self) {
        let current = self.get("/window").await;
        let other = eventually("another tab opens", async || {
            let tabs = self.get("/window/handles").await;
            tabs.as_array().unwrap().iter().find(|tab| **tab != current).cloned()
        });
        self.post("/window", json!({ "handle": other.await })).await;
    }

    /// Opens a page in a new tab, as a link in an email does.
    pub async fn open_in_new_tab(&self, url: &str) {
        let tab = self.post("/window/new", json!({ "type": "tab" })).await;
        self.post("/window", json!({ "handle": tab["handle"] })).await;
        self.open(url).await;
    }

    /// Closes the tab and returns to the first one.
    pub async fn close_tab(&self) {
        let rest = self.driver.ask("DELETE", "/window", None).await.unwrap();
        self.post("/window", json!({ "handle": rest[0] })).await;
    }

    /// Emulates a phone of this width, with a light or dark colour scheme.
    pub async fn become_phone(&self, width: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    /// The console messages since the last call: complaints about policies, scripts and missing files.
    pub async fn complaints(&self) -> Vec<String> {
        self.log("browser").await.iter().map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// The URLs requested since the last call, without those that a page embeds and those of the browser's own start
    /// page.
    pub async fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let messages = entries.iter().map(|entry| entry["message"].as_str().unwrap());
        let events = messages.map(|message| serde_json::from_str::<Value>(message).unwrap()["message"].take());
        let requests = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = requests.map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned());
        urls.filter(|url| !["data:", "about:", "chrome:"].iter().any(|scheme| url.starts_with(scheme))).collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        match self.post("/se/log", json!({ "type": kind })).await {
            Value::Array(entries) => entries,
            other => panic!("{other}"),
        }
    }
}
