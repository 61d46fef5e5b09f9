//! The development mailbox, read like a person does: wait for the mail, open the link.

use std::sync::Arc;

use serde_json::Value;
use vestibule::clock::Clock;

use super::database::TestDatabase;
use super::eventually;
use super::http::Http;

/// The mailbox of a service.
pub struct Mailbox {
    http: Http,
    database: Arc<TestDatabase>,
    clock: Clock,
}

/// A mail that came.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub links: Vec<String>,
}

impl Mail {
    fn new(mail: &Value) -> Self {
        let text = |name: &str| mail[name].as_str().unwrap().to_owned();
        let links = mail["links"].as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect();
        Self { to: text("to"), subject: text("subject"), text: text("text"), html: text("html"), links }
    }

    /// The one link.
    #[track_caller]
    pub fn link(&self) -> &str {
        assert_eq!(self.links.len(), 1, "{}", self.text);
        &self.links[0]
    }

    /// The path of the link, to follow it at whatever port a test's service has.
    #[track_caller]
    pub fn path(&self) -> String {
        url::Url::parse(self.link()).unwrap().path().to_owned()
    }

    /// The token of the link.
    #[track_caller]
    pub fn token(&self) -> String {
        self.path().rsplit_once('/').unwrap().1.to_owned()
    }
}

impl Mailbox {
    pub fn new(http: Http, database: Arc<TestDatabase>, clock: Clock) -> Self {
        Self { http, database, clock }
    }

    /// All mails that came so far, newest first.
    pub async fn mails(&self) -> Vec<Mail> {
        let answer = self.http.request("GET", "/dev/mailbox").send().await.expect(200);
        answer.json()["mails"].as_array().unwrap().iter().map(Mail::new).collect()
    }

    async fn found(&self, address: &str) -> Vec<Mail> {
        let mut mails = self.mails().await;
        mails.retain(|mail| mail.to == address);
        mails
    }

    /// Waits for a mail to this address; of several the newest.
    pub async fn mail_to(&self, address: &str) -> Mail {
        self.mails_to(address, 1).await.swap_remove(0)
    }

    /// Waits until that many mails came to this address, newest first.
    pub async fn mails_to(&self, address: &str, count: usize) -> Vec<Mail> {
        eventually(&format!("{count} mails to {address}"), async || {
            let mails = self.found(address).await;
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Waits until every promise that is due was kept, and demands exactly that many mails to this address.
    pub async fn exactly(&self, address: &str, count: usize) -> Vec<Mail> {
        self.settled().await;
        let mails = self.found(address).await;
        assert_eq!(mails.len(), count, "mails to {address}: {mails:#?}");
        mails
    }

    /// Waits until no mail is due any more.
    pub async fn settled(&self) {
        let waiting = || {
            let now = self.clock.now().to_rfc3339();
            format!("select count(*) from outbox where state = 'queued' and due_at <= '{now}'")
        };
        eventually("the queue gets empty", async || (self.database.number(&waiting()).await == 0).then_some(())).await;
    }

    /// Waits until no mail is due any more, and demands that none came at all.
    pub async fn is_empty(&self) -> bool {
        self.settled().await;
        self.mails().await.is_empty()
    }
}

impl TestDatabase {
    /// Promises that many mails at once, and has the worker told.
    pub async fn enqueue_mails(&self, count: usize) {
        self.rows(&format!("{}; select pg_notify('vestibule_mails', '')", promises(count))).await;
    }
}

/// The statement that promises `count` mails to addresses from `p1@example.com` on: what registrations leave in the
/// tables, without the passwords.
pub fn promises(count: usize) -> String {
    format!(
        "with a as (insert into addresses select 'p' || n || '@example.com', \
                    '$bcrypt-sha256$v=2,t=2b,r=10$......................$', now() \
                    from generate_series(1, {count}) n returning canonical), \
              u as (insert into users (id, email, email_canonical, password_hash, password_set_at, credential_version, created_at) \
                    select gen_random_uuid(), canonical, canonical, 'x', now(), gen_random_uuid(), now() from a returning id) \
         insert into outbox (id, user_id, kind, request_context, state, queued_at, due_at, attempts, waits_for_server) \
         select gen_random_uuid(), id, 'confirm_email', jsonb_build_object('at', now(), 'language', 'en', 'request_id', '', \
                'client', jsonb_build_object('ip', '127.0.0.1', 'user_agent', null)), 'queued', now(), now(), 0, false \
         from u"
    )
}
