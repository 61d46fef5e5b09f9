//! Whether the time of an answer reveals who has an account: the spread of the median times for the kinds of addresses,
//! compared with the time of one hash. More than a tenth would be a fault (SECURITY.md); then the samples are printed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestApp, password_of};
use crate::{COST, figure, median_and_p99, milliseconds, one_hash, ratio};

const SAMPLES: usize = 40;

struct Class {
    name: &'static str,
    fields: Value,
    times: Vec<Duration>,
}

impl Class {
    fn new(name: &'static str, fields: Value) -> Self {
        Self { name, fields, times: Vec::with_capacity(SAMPLES) }
    }

    fn median(&self) -> Duration {
        median_and_p99(&self.times).0
    }
}

pub(crate) async fn measure() {
    let app = TestApp::with(|settings| settings.bcrypt_cost = COST).await;
    app.unconfirmed("unconfirmed").await;
    app.member("confirmed").await;
    app.member("both").await;
    for name in ["one", "two", "three"] {
        let claim = json!({ "email": "both@example.com", "password": password_of(name) });
        app.visitor().register_as(claim).await.expect(202);
    }
    app.mailbox.wait_until_idle().await;
    let mut hashes = Vec::new();
    for _ in 0..9 {
        hashes.push(one_hash(&app).await);
    }
    let hash = median_and_p99(&hashes).0;
    for (path, classes) in paths() {
        compare(&app, path, classes, hash).await;
    }
}

fn paths() -> [(&'static str, Vec<Class>); 4] {
    let guess = |kind: &str, name: &str| json!({ kind: name, "password": "a wrong guess" });
    let address = |name: &str| format!("{name}@example.com");
    let asking = |name: &str| json!({ "email": address(name) });
    let registering = |name: &str| json!({ "email": address(name), "password": password_of("claimant") });
    let askings = || {
        ["unknown", "unconfirmed", "confirmed", "both"].map(|name| Class::new(name, asking(name))).into_iter().collect()
    };
    let logins = ["unknown", "unconfirmed", "confirmed", "both"]
        .map(|name| Class::new(name, guess("email", &address(name))))
        .into_iter()
        .chain(
            [("no username", "nobody"), ("username", "confirmed")]
                .map(|(name, value)| Class::new(name, guess("username", value))),
        );
    // Registering makes an unknown address known, so this class is not measured here.
    let registrations = ["unconfirmed", "confirmed", "both"].map(|name| Class::new(name, registering(name)));
    [
        ("/login", logins.collect()),
        ("/register", registrations.into_iter().collect()),
        ("/resend", askings()),
        ("/password/forgot", askings()),
    ]
}

async fn compare(app: &TestApp, path: &str, mut classes: Vec<Class>, hash: Duration) {
    for round in 0..SAMPLES {
        // The classes take turns, and each round begins with another one, so that drift affects all alike.
        for at in 0..classes.len() {
            let count = classes.len();
            let class = &mut classes[(at + round) % count];
            let began = Instant::now();
            app.visitor().post_json(path, &class.fields).await;
            class.times.push(began.elapsed());
        }
    }
    let medians: Vec<Duration> = classes.iter().map(Class::median).collect();
    let spread = *medians.iter().max().unwrap() - *medians.iter().min().unwrap();
    let floor = format!("one hash, {}", milliseconds(hash));
    figure(&format!("spread of medians, POST {path}"), &milliseconds(spread), &floor, ratio(spread, hash));
    if spread > hash / 10 {
        println!("  more than a tenth:");
        for class in &classes {
            let micros: Vec<u128> = class.times.iter().map(Duration::as_micros).collect();
            println!("  {:16} median {:?}, samples in µs {micros:?}", class.name, class.median());
        }
    }
}
