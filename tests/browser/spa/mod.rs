//! `examples/spa`, from another origin than the service, both over https.

mod origins;
mod story;

use serde_json::json;

use crate::readme::{read, repository};
use crate::support::browser::{Browser, MARK_ALL};
use crate::support::https::{Https, Site};
use crate::support::{Actor, TestApp};

/// The policy in the README of the example, and the address of the service in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
connect-src https://auth.example.com; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
require-trusted-types-for 'script'; trusted-types 'none'";
const SERVICE: &str = "https://auth.example.com";

/// The navigation in each state.
const SIGNED_OUT: &str = "Sign in, Sign up";
const UNCONFIRMED: &str = "Confirm your address, Account, Sign out";
const CONFIRMED: &str = "Account, Sessions, Sign out";

/// The example, the service that it uses, and a browser.
struct Stage {
    app: TestApp,
    browser: Browser,
    /// The port of the example: it answers under any name.
    port: String,
}

impl Stage {
    /// The example at `app.example.test`, which is allowed, and the service at `auth.example.test`.
    async fn start() -> Self {
        let (service, site) = (Https::bind().await, Https::bind().await);
        let (public_url, origin) = (service.origin("auth.example.test"), site.origin("app.example.test"));
        let app = TestApp::with_flags(&[
            "--public-url",
            &public_url,
            "--allowed-origins",
            &origin,
            "--confirm-url",
            &format!("{origin}/#/confirm?token={{token}}"),
            "--reset-url",
            &format!("{origin}/#/reset?token={{token}}"),
            "--dev-mailbox",
            "on",
            "--secret-key",
            &"ab".repeat(32),
        ])
        .await;
        service.forward(app.http.base.replace("http://", ""));
        assert!(read("examples/spa/README.md").contains(POLICY));
        site.publish(Site {
            folder: repository().join("examples/spa"),
            policy: POLICY.replace(SERVICE, &public_url),
            replaced: ("http://localhost:8080", public_url),
        });
        let port = origin.rsplit_once(':').unwrap().1.to_owned();
        Self { app, browser: Browser::start().await, port }
    }

    /// Opens the example under a name.
    async fn open_at(&self, host: &str) {
        self.browser.open(&format!("https://{host}:{}/", self.port)).await;
    }

    async fn open(&self) {
        self.open_at("app.example.test").await;
    }

    /// A user who registered, confirmed the address and signed in, elsewhere.
    async fn member(&self, name: &str) -> Actor {
        let mut actor = Actor::new(&self.app, name);
        actor.register().await.expect(202);
        let mail = self.app.mailbox.mail_to(&actor.email).await;
        let (_, token) = mail.link().split_once("token=").unwrap();
        actor.open(&format!("/confirm/{token}")).await.expect(200);
        actor.sign_in().await;
        actor
    }

    /// Clicks a link or button of the navigation.
    async fn choose(&self, css: &str, heading: &str) {
        self.browser.click(&format!("nav {css}")).await;
        self.browser.expect("h1", heading).await;
    }

    /// Replaces what is in a field.
    async fn fill(&self, css: &str, text: &str) {
        self.browser.type_into(css, &format!("{MARK_ALL}{text}")).await;
    }

    async fn sign_up(&self, actor: &Actor) {
        self.choose("a[href='#/sign-up']", "Sign up").await;
        self.fill("#email", &actor.email).await;
        self.fill("#password", &actor.password).await;
        self.browser.click("main button").await;
        self.browser.expect("h1", "Confirm your email address").await;
    }

    async fn sign_in(&self, actor: &Actor) {
        self.fill("#name", &actor.email).await;
        self.fill("#password", &actor.password).await;
        self.browser.click("main button").await;
    }

    /// Waits until the navigation offers exactly this.
    async fn expect_navigation(&self, expected: &str) {
        let script = "const items = [...document.querySelectorAll('nav [data-for]')];
            return items.filter(item => item.checkVisibility()).map(item => item.textContent).join(', ')";
        crate::support::eventually(&format!("the navigation is {expected}"), async || {
            (self.browser.script(script, json!([])).await == expected).then_some(())
        })
        .await;
    }

    /// Asserts that the console shows nothing but the error answers that a page asked for, and hints. A hint asks for the
    /// name of the account on the page that sets a password: no answer tells it.
    async fn assert_clean(&self) {
        let mut complaints = self.browser.complaints().await;
        complaints.retain(|text| !text.starts_with("\"DEBUG\""));
        complaints.retain(|text| !text.contains("Failed to load resource: the server responded with a status of 4"));
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Asserts that the address bar shows this page and no token.
    async fn assert_address(&self, page: &str) {
        let address = self.browser.script("return location.hash", json!([])).await;
        assert_eq!(address, format!("#/{page}"));
    }
}
