//! Mails per second, and the time from the 202 to the mail, compared with lettre alone with as many connections to the
//! same SMTP catcher.

use std::time::{Duration, Instant};

use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use serde_json::json;
use vestibule::config::Secret;

use crate::support::smtp::SmtpCatcher;
use crate::support::{Actor, TestApp};
use crate::{figure, median_and_p99, milliseconds, ratio};

const MAILS: usize = 2000;
const REGISTRATIONS: usize = 200;
/// As many as the service opens.
const CONNECTIONS: usize = 4;
const LONG: Duration = Duration::from_secs(300);

pub(crate) async fn measure() {
    let (alone, one_alone) = lettre_alone().await;
    let smtp = SmtpCatcher::start().await;
    let app = TestApp::with(|settings| settings.smtp_url = Some(Secret::from(smtp.url.clone()))).await;
    let floor = format!("lettre alone, {alone:.0}/s");
    let through = through_the_queue(&app, &smtp).await;
    figure(&format!("{MAILS} mails through the queue"), &format!("{through:.0}/s"), &floor, through / alone);
    let (median, p99) = delays(&app, &smtp).await;
    let floor = format!("lettre alone, {}", milliseconds(one_alone));
    figure("from the 202 to its mail, median", &milliseconds(median), &floor, ratio(median, one_alone));
    figure("from the 202 to its mail, p99", &milliseconds(p99), &floor, ratio(p99, one_alone));
}

/// Mails per second with all connections, and the median time of one mail at a time.
async fn lettre_alone() -> (f64, Duration) {
    let smtp = SmtpCatcher::start().await;
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&smtp.url).unwrap().build();
    let body = "A line of text, as mails have many.\r\n".repeat(80);
    let message = Message::builder().from("a@example.com".parse().unwrap()).to("b@example.com".parse().unwrap());
    let message = message.subject("A mail").body(body).unwrap();
    let began = Instant::now();
    let sending: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (transport, message) = (transport.clone(), message.clone());
            tokio::spawn(async move {
                for _ in 0..MAILS / CONNECTIONS {
                    transport.send(message.clone()).await.unwrap();
                }
            })
        })
        .collect();
    for one in sending {
        one.await.unwrap();
    }
    let per_second = MAILS as f64 / began.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..REGISTRATIONS {
        let began = Instant::now();
        transport.send(message.clone()).await.unwrap();
        times.push(began.elapsed());
    }
    (per_second, median_and_p99(&times).0)
}

async fn through_the_queue(app: &TestApp, smtp: &SmtpCatcher) -> f64 {
    let began = Instant::now();
    app.database.enqueue_mails(MAILS).await;
    smtp.wait_within(LONG, MAILS).await;
    MAILS as f64 / began.elapsed().as_secs_f64()
}

async fn delays(app: &TestApp, smtp: &SmtpCatcher) -> (Duration, Duration) {
    let before = smtp.mails().len();
    let mut delays = Vec::new();
    for n in 0..REGISTRATIONS {
        let actor = Actor::new(app, &format!("ada{n}"));
        let fields = json!({ "email": actor.email, "password": actor.password });
        actor.register_as(fields).await.expect(202);
        let answered_at = Instant::now();
        let mail = smtp.wait_within(LONG, before + n + 1).await.swap_remove(before + n);
        // A mail that came before the answer was read counts as 0.
        delays.push(mail.at.saturating_duration_since(answered_at));
    }
    median_and_p99(&delays)
}
