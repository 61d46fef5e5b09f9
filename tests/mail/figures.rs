//! Figures, not a test: `cargo test --release --test main -- --ignored --nocapture mail::figures`
//!
//! Letters per second through a catcher on the same machine, and the delay from the 202 to the arrival of its letter.

use std::time::{Duration, Instant};

use super::{app_with, count_from_environment, promise_many, promised};
use crate::support::smtp::SmtpCatcher;

const LONG: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn letters_per_second() {
    let count = count_from_environment("FIGURE_LETTERS", 2000);
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    promise_many(&app.database, count).await;
    let letters = smtp.wait_long_for(LONG, count).await;
    let took = letters[count - 1].at - letters[0].at;
    let connections = smtp.connections();
    eprintln!(
        "{count} letters in {took:?}: {:.0} per second; {connections:?}",
        (count - 1) as f64 / took.as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn delay_from_the_promise_to_the_letter() {
    let count = count_from_environment("FIGURE_REGISTRATIONS", 500);
    let smtp = SmtpCatcher::start().await;
    let app = app_with(&smtp).await;
    let mut delays = Vec::new();
    for n in 0..count {
        promised(&app, &format!("ada{n}")).await;
        let answered_at = Instant::now();
        let letter = smtp.wait_long_for(LONG, n + 1).await.swap_remove(n);
        // One that came before the answer was read took no time.
        delays.push(letter.at.saturating_duration_since(answered_at));
    }
    delays.sort_unstable();
    let at = |share: f64| delays[((count - 1) as f64 * share) as usize];
    eprintln!(
        "{count} registrations, one after the other: letter after the 202 within {:?} (median), {:?} (p99), {:?} (all)",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
