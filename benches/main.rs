//! The figures that README and docs quote, each with a floor measured in the same run: `cargo bench`, or
//! `cargo bench -- answers mails` for some. Run them on an idle machine. Ratios compare between machines, times do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a bench fails like a test, prints figures, and uses only some of the test support"
)]

#[path = "../tests/support/mod.rs"]
mod support;

mod answers;
mod connection;
mod import;
mod mails;
mod requests;
mod scale;
mod sign_ins;
mod storm;

use std::time::{Duration, Instant};

use support::TestApp;
use vestibule::password::{HashParameters, Password};

/// The default of `BCRYPT_COST`.
const COST: u32 = 12;

/// How long one hash takes without a request.
async fn one_hash(app: &TestApp) -> Duration {
    let began = Instant::now();
    app.inside.hasher.hash(&Password::new("x"), &HashParameters::random(COST)).await.unwrap();
    began.elapsed()
}

/// Prints one line: the measured value, the floor, and their ratio.
fn figure(what: &str, value: &str, floor: &str, ratio: f64) {
    println!("{what:48} {value:>16}   {floor:40} ratio {ratio:.3}");
}

fn median_and_p99(samples: &[Duration]) -> (Duration, Duration) {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    (sorted[sorted.len() / 2], sorted[(sorted.len() - 1) * 99 / 100])
}

/// Answers a second.
fn per_second(times: &[Duration], long: Duration) -> f64 {
    times.len() as f64 / long.as_secs_f64()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn ratio(value: Duration, floor: Duration) -> f64 {
    value.as_secs_f64() / floor.as_secs_f64()
}

fn main() {
    // Cargo passes `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if is_asked("answers") {
            answers::measure().await;
        }
        if is_asked("requests") {
            requests::measure().await;
        }
        if is_asked("sign_ins") {
            sign_ins::measure().await;
        }
        if is_asked("storm") {
            storm::measure().await;
        }
        if is_asked("mails") {
            mails::measure().await;
        }
        if is_asked("import") {
            import::measure().await;
        }
        if is_asked("scale") {
            scale::measure().await;
        }
    });
}
