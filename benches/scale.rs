//! Whether requests stay as fast with millions of users: the median times over random users of a large database, compared
//! with those of a small one in the same run; and the longest statement of a clean-up of the large one. benches/fill.sql
//! fills both.
//!
//! `SCALE_DATABASE_URL` names the large database and `SCALE_BASELINE_URL` the small one, of a thousand users. Without
//! them, nothing is measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio_postgres::NoTls;
use vestibule::config::{Secret, Switch};

use crate::support::TestApp;
use crate::{COST, figure, median_and_p99, milliseconds, ratio};

/// As many as the small database has users, so that each is used once in a pass.
const READS: u64 = 1000;
const LOGINS: u64 = 60;
/// The users of `benches/fill.sql` have this one.
const PASSWORD: &str = "quartz-lantern-mosaic-73";
const LONGEST_CLEAN_UP: Duration = Duration::from_secs(1800);

/// A service over a filled database.
struct Filled {
    app: TestApp,
    client: Client,
    url: String,
    users: u64,
}

impl Filled {
    async fn start(url: &str) -> Self {
        let app = TestApp::with(|settings| {
            settings.database_url = Some(Secret::from(url.to_owned()));
            settings.bcrypt_cost = COST;
            // On, because counting is part of a sign-in, and never reached: all come from one client.
            settings.rate_limits = Switch::On;
            settings.limit_sign_ins = 1_000_000;
        })
        .await;
        let client = Client::builder().no_proxy().build().unwrap();
        let users = number(url, "select count(*) from users").await;
        Self { app, client, url: url.to_owned(), users: u64::try_from(users).unwrap() }
    }

    /// Users far from each other, each one once.
    fn user(&self, n: u64) -> u64 {
        n * 7919 * (self.users / 1000).max(1) % self.users
    }

    async fn read(&self, n: u64) -> Duration {
        let token = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("session {} 0", self.user(n))));
        let request = self.client.get(format!("{}/me", self.app.http.base)).bearer_auth(token);
        timed(request).await
    }

    async fn log_in(&self, n: u64) -> Duration {
        let fields = json!({
            "email": format!("user{}@example.com", self.user(n)), "password": PASSWORD, "transport": "bearer",
        });
        let request = self.client.post(format!("{}/login", self.app.http.base));
        timed(request.header("Content-Type", "application/json").body(fields.to_string())).await
    }
}

async fn timed(request: reqwest::RequestBuilder) -> Duration {
    let began = Instant::now();
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "fill the database with benches/fill.sql");
    answer.bytes().await.unwrap();
    began.elapsed()
}

pub(crate) async fn measure() {
    let urls = ["SCALE_DATABASE_URL", "SCALE_BASELINE_URL"].map(std::env::var);
    let [Ok(large), Ok(small)] = urls else {
        println!("scale: skipped, because SCALE_DATABASE_URL and SCALE_BASELINE_URL are not set (benches/scale.rs)");
        return;
    };
    let (large, small) = (Filled::start(&large).await, Filled::start(&small).await);
    // The first use brings pages into memory and records itself; in the next five minutes, neither happens.
    for what in ["GET /me, first use", "GET /me, again"] {
        let (mut of_large, mut of_small) = (Vec::new(), Vec::new());
        for n in 0..READS {
            of_small.push(small.read(n).await);
            of_large.push(large.read(n).await);
        }
        compare(what, &large, &of_large, &of_small);
    }
    let (mut of_large, mut of_small) = (Vec::new(), Vec::new());
    for n in 0..LOGINS {
        of_small.push(small.log_in(n).await);
        of_large.push(large.log_in(n).await);
    }
    compare("POST /login", &large, &of_large, &of_small);
    clean_up(&large).await;
}

fn compare(what: &str, large: &Filled, of_large: &[Duration], of_small: &[Duration]) {
    let (value, floor) = (median_and_p99(of_large).0, median_and_p99(of_small).0);
    let floor_name = format!("of a thousand, {}", milliseconds(floor));
    figure(&format!("{what}, of {} users", large.users), &milliseconds(value), &floor_name, ratio(value, floor));
}

/// Lets a clean-up run and watches its statements.
async fn clean_up(large: &Filled) {
    let (client, connection) = tokio_postgres::connect(&large.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("delete from cleanup_runs").await.unwrap();
    let began = Instant::now();
    let _cleaner = Filled::start(&large.url).await;
    let active = "select left(query, 120) || query_start::text, left(query, 120), extract(epoch from clock_timestamp() - \
                  query_start)::float8 from pg_stat_activity where datname = current_database() and state = 'active' \
                  and pid <> pg_backend_pid()";
    let taken = "select count(*) from cleanup_runs where task = 'unused_addresses'";
    let (mut statements, mut quiet_since) = (BTreeMap::new(), Instant::now());
    while began.elapsed() < LONGEST_CLEAN_UP {
        let rows = client.query(active, &[]).await.unwrap();
        if !rows.is_empty() {
            quiet_since = Instant::now();
        }
        for row in rows {
            let (id, query, seconds): (String, String, f64) = (row.get(0), row.get(1), row.get(2));
            statements.insert(id, (seconds, query));
        }
        if quiet_since.elapsed() > Duration::from_secs(2) && number(&large.url, taken).await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let longest = statements.into_values().max_by(|one, other| one.0.total_cmp(&other.0));
    let (seconds, query) = longest.unwrap_or_default();
    let floor = format!("1 s; the clean-up took {:.0} s", began.elapsed().as_secs_f64());
    figure("longest statement of a clean-up", &milliseconds(Duration::from_secs_f64(seconds)), &floor, seconds);
    println!("  {query}");
}

async fn number(url: &str, statement: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(statement, &[]).await.unwrap().get(0)
}
