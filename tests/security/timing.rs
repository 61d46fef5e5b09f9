//! Whether the time of an answer tells who has an account. A figure to look at, not a test of every day: on a busy
//! machine times say nothing.
//!
//! `cargo test --release --test main times_of_answers -- --ignored --nocapture`

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{TestApp, password_of};

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
        let mut sorted = self.times.clone();
        sorted.sort();
        sorted[sorted.len() / 2]
    }
}

async fn sample(app: &TestApp, path: &str, mut classes: Vec<Class>) -> Duration {
    for round in 0..SAMPLES {
        // Interleaved, and each round begins with another class: what drifts, drifts for all.
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
    eprintln!("POST {path}: medians spread over {spread:?}");
    for class in &classes {
        let micros: Vec<u128> = class.times.iter().map(Duration::as_micros).collect();
        eprintln!("  {:22} median {:?}, samples in µs {micros:?}", class.name, class.median());
    }
    spread
}

fn guess(kind: &str, name: &str) -> Value {
    json!({ kind: name, "password": "a wrong guess" })
}

#[tokio::test]
#[ignore = "a measurement: run it alone, on a quiet machine"]
async fn times_of_answers_differ_by_less_than_a_tenth_of_a_hash() {
    let app = TestApp::with(|settings| settings.bcrypt_cost = 12).await;
    app.unconfirmed("unconfirmed").await;
    app.member("confirmed").await;
    app.member("both").await;
    for name in ["one", "two", "three"] {
        app.visitor()
            .register_as(json!({ "email": "both@example.com", "password": password_of(name) }))
            .await
            .expect(202);
    }
    app.mailbox.settled().await;
    let logins = vec![
        Class::new("unknown", guess("email", "unknown@example.com")),
        Class::new("unconfirmed", guess("email", "unconfirmed@example.com")),
        Class::new("confirmed", guess("email", "confirmed@example.com")),
        Class::new("confirmed and claimed", guess("email", "both@example.com")),
        Class::new("username unknown", guess("username", "nobody")),
        Class::new("username", guess("username", "confirmed")),
    ];
    let hash = {
        let began = Instant::now();
        let parameters = vestibule::password::HashParameters::random(12);
        app.inside.hashing.hash(&vestibule::password::Password::new("x"), &parameters).await.unwrap();
        began.elapsed()
    };
    eprintln!("one hash takes {hash:?}");
    let registration = |email: &str| json!({ "email": email, "password": password_of("claimant") });
    let registrations = vec![
        Class::new("claimed", registration("unconfirmed@example.com")),
        Class::new("confirmed", registration("confirmed@example.com")),
        Class::new("confirmed and claimed", registration("both@example.com")),
    ];
    let resends = vec![
        Class::new("unknown", json!({ "email": "unknown@example.com" })),
        Class::new("unconfirmed", json!({ "email": "unconfirmed@example.com" })),
        Class::new("confirmed", json!({ "email": "confirmed@example.com" })),
    ];
    for (path, classes) in [("/login", logins), ("/resend", resends), ("/register", registrations)] {
        let spread = sample(&app, path, classes).await;
        assert!(spread < hash / 10, "{path}: {spread:?}");
    }
}
