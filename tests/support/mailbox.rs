//! The development mailbox, used as a person uses it: wait for the mail, open the link.

use std::sync::Arc;

use serde_json::Value;
use vestibule::clock::Clock;

use super::database::TestDatabase;
use super::eventually;
use super::http::Http;

pub struct Mailbox {
    http: Http,
    database: Arc<TestDatabase>,
    clock: Clock,
}

#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub links: Vec<String>,
    pub code: Option<String>,
}

impl Mail {
    fn new(mail: &Value) -> Self {
        let text = |name: &str| mail[name].as_str().unwrap().to_owned();
        let code = mail["code"].as_str().map(ToOwned::to_owned);
        let links = mail["links"].as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect();
        Self { to: text("to"), subject: text("subject"), text: text("text"), html: text("html"), links, code }
    }

    /// The only link.
    #[track_caller]
    pub fn link(&self) -> &str {
        assert_eq!(self.links.len(), 1, "{}", self.text);
        &self.links[0]
    }

    /// The path of the link, as each service of a test has its own port.
    #[track_caller]
    pub fn path(&self) -> String {
        url::Url::parse(self.link()).unwrap().path().to_owned()
    }

    /// The digits of the code.
    #[track_caller]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_else(|| panic!("no code: {}", self.text))
    }

    #[track_caller]
    pub fn token(&self) -> String {
        self.path().rsplit_once('/').unwrap().1.to_owned()
    }
}

impl Mailbox {
    pub fn new(http: Http, database: Arc<TestDatabase>, clock: Clock) -> Self {
        Self { http, database, clock }
    }

    /// All mails so far, newest first.
    pub async fn mails(&self) -> Vec<Mail> {
        let answer = self.http.request("GET", "/dev/mailbox").send().await.expect(200);
        answer.json()["mails"].as_array().unwrap().iter().map(Mail::new).collect()
    }

    async fn sent_to(&self, address: &str) -> Vec<Mail> {
        let mut mails = self.mails().await;
        mails.retain(|mail| mail.to == address);
        mails
    }

    /// Waits for a mail to this address, and returns the newest.
    pub async fn mail_to(&self, address: &str) -> Mail {
        self.mails_to(address, 1).await.swap_remove(0)
    }

    /// Waits until this many mails came to this address; newest first.
    pub async fn mails_to(&self, address: &str, count: usize) -> Vec<Mail> {
        eventually(&format!("{count} mails to {address}"), async || {
            let mails = self.sent_to(address).await;
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Waits until no mail is due any more, and asserts that exactly this many came to this address.
    pub async fn exactly(&self, address: &str, count: usize) -> Vec<Mail> {
        self.wait_until_idle().await;
        let mails = self.sent_to(address).await;
        assert_eq!(mails.len(), count, "mails to {address}: {mails:#?}");
        mails
    }

    /// Waits until no mail in the outbox is due.
    pub async fn wait_until_idle(&self) {
        let waiting = || {
            let now = self.clock.now().to_rfc3339();
            format!("select count(*) from outbox where state = 'queued' and due_at <= '{now}'")
        };
        eventually("the queue gets empty", async || (self.database.number(&waiting()).await == 0).then_some(())).await;
    }

    /// Waits until no mail in the outbox is due, and checks that no mail came at all.
    pub async fn is_empty(&self) -> bool {
        self.wait_until_idle().await;
        self.mails().await.is_empty()
    }
}

impl TestDatabase {
    /// Inserts this many mails at once, and wakes the worker.
    pub async fn enqueue_mails(&self, count: usize) {
        self.rows(&format!("{}; select pg_notify('vestibule_mails', '')", insert_mails_sql(count))).await;
    }
}

/// The statement that inserts `count` mails to addresses from `p1@example.com` on: what registrations leave in the
/// tables, without the passwords.
pub fn insert_mails_sql(count: usize) -> String {
    format!(
        "with a as (insert into addresses select 'p' || n || '@example.com', \
                    '$bcrypt-sha256$v=2,t=2b,r=4$......................$', now() \
                    from generate_series(1, {count}) n returning canonical), \
              u as (insert into users (id, email, email_canonical, password_hash, password_set_at, credential_version, created_at) \
                    select gen_random_uuid(), canonical, canonical, 'x', now(), gen_random_uuid(), now() from a returning email) \
         insert into outbox (id, address, canonical, kind, request_context, state, queued_at, due_at, attempts, waits_for_server) \
         select gen_random_uuid(), email, email, 'confirm_email', jsonb_build_object('at', now(), 'language', 'en', 'request_id', '', \
                'client', jsonb_build_object('ip', '127.0.0.1', 'user_agent', null)), 'queued', now(), now(), 0, false \
         from u"
    )
}
