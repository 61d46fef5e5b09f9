//! Mail seen from outside: a 202 means that the mail arrives, whatever the mail server, the network or a kill does.

mod admin;
mod admin_test;
mod contents;
mod dev_mailbox;
mod durable;
mod faults;
mod faults_tls;
mod golden;
mod limits;
mod outage;
mod refusals;
mod shared_queue;
mod smtp;

use serde_json::json;
use vestibule::config::Secret;

use crate::support::smtp::SmtpCatcher;
use crate::support::{Actor, TestApp, eventually};

/// A size that an environment variable can change.
fn count_from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

async fn app_with(smtp: &SmtpCatcher) -> TestApp {
    app_at(&smtp.url).await
}

async fn app_at(url: &str) -> TestApp {
    TestApp::with(|settings| settings.smtp_url = Some(Secret::from(url.to_owned()))).await
}

/// A new user, whose registration put a mail into the outbox.
async fn registered(app: &TestApp, name: &str) -> Actor {
    let actor = Actor::new(app, name);
    actor.register_as(json!({ "email": actor.email, "password": actor.password })).await.expect(202);
    actor
}

/// The statement that inserts `count` mails at once to an address that no account has.
fn deletion_notices_sql(count: usize, address: &str) -> String {
    format!(
        "insert into outbox (id, address, canonical, kind, request_context, state, queued_at, due_at, attempts, waits_for_server) \
         select gen_random_uuid(), '{address}', '{address}', 'account_deleted', jsonb_build_object('at', now(), 'language', 'en', \
                'request_id', '', 'client', jsonb_build_object('ip', '127.0.0.1', 'user_agent', null)), \
                'queued', now(), now(), 0, false from generate_series(1, {count})"
    )
}

/// What the outbox says about the newest mail to a user.
#[derive(Clone, Debug)]
struct MailStatus {
    id: String,
    state: String,
    attempts: i64,
    due_in: i64,
    waits_for_server: bool,
    reply: String,
}

async fn status_of(app: &TestApp, actor: &Actor) -> MailStatus {
    let statement = format!(
        "select m.id, state, attempts, extract(epoch from due_at - timestamptz '{}')::bigint, waits_for_server, \
         last_reply from outbox m where address = '{}' order by queued_at desc limit 1",
        app.clock.now().to_rfc3339(),
        actor.email
    );
    let rows = app.database.rows(&statement).await;
    let mut values = rows.into_iter().next().unwrap().into_iter().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap();
    MailStatus {
        id: next(),
        state: next(),
        attempts: next().parse().unwrap(),
        due_in: next().parse().unwrap(),
        waits_for_server: next() == "t",
        reply: next(),
    }
}

/// Waits until the newest mail to a user has a status that satisfies `is_so`.
async fn status_when(app: &TestApp, actor: &Actor, what: &str, is_so: impl Fn(&MailStatus) -> bool) -> MailStatus {
    let what = format!("the mail to {} {what}", actor.email);
    eventually(&what, async || Some(status_of(app, actor).await).filter(&is_so)).await
}

/// Wakes the worker: it sleeps by real time, so moving the clock of the test does not wake it.
async fn wake(app: &TestApp) {
    app.database.rows("select pg_notify('vestibule_mails', '')").await;
}

/// What `/health/ready` says about mail.
async fn mail_health(app: &TestApp) -> String {
    let answer = app.http.request("GET", "/health/ready").send().await.expect(200);
    answer.json()["checks"]["mail"].as_str().unwrap().to_owned()
}

async fn until_mail_is(app: &TestApp, health: &str) {
    let bound = std::time::Duration::from_secs(60);
    let what = format!("mail is {health}");
    crate::support::within(bound, &what, async || (mail_health(app).await == health).then_some(())).await;
}
