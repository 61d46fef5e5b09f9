//! The cost of a session: requests per second with a session, compared with requests without a database; and a login,
//! compared with its hash.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Credential, TestApp};
use crate::{COST, figure, median_and_p99, milliseconds, one_hash, ratio};

const CLIENTS: usize = 8;
const LONG: Duration = Duration::from_secs(3);

pub(crate) async fn measure() {
    let app = TestApp::with(|settings| settings.bcrypt_cost = COST).await;
    let ada = app.member("ada").await;
    let cookie = format!("vestibule_session={}", ada.token());
    let floor = per_second(&app, "/health/live", &cookie).await;
    for path in ["/me", "/sessions", "/verify"] {
        let value = per_second(&app, path, &cookie).await;
        let floor_name = format!("GET /health/live, {floor:.0}/s");
        figure(&format!("GET {path}, {CLIENTS} clients"), &format!("{value:.0}/s"), &floor_name, value / floor);
    }
    let (mut logins, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let began = Instant::now();
        ada.with(Credential::Nothing).try_sign_in(json!({})).await.expect(200);
        logins.push(began.elapsed());
        hashes.push(one_hash(&app).await);
    }
    let (login, hash) = (median_and_p99(&logins).0, median_and_p99(&hashes).0);
    let floor = format!("one hash, {}", milliseconds(hash));
    figure("POST /login, one after the other", &milliseconds(login), &floor, ratio(login, hash));
}

async fn per_second(app: &TestApp, path: &str, cookie: &str) -> f64 {
    // Not the client of the tests: its check of each answer against the document takes longer than the answer.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}{path}", app.http.base);
    let until = Instant::now() + LONG;
    let asking = (0..CLIENTS).map(|_| {
        let (client, url, cookie) = (client.clone(), url.clone(), cookie.to_owned());
        tokio::spawn(async move {
            let mut count = 0;
            while Instant::now() < until {
                let answer = client.get(&url).header("Cookie", &cookie).send().await.unwrap();
                assert!(answer.status().is_success());
                answer.bytes().await.unwrap();
                count += 1;
            }
            count
        })
    });
    let asking: Vec<_> = asking.collect();
    let mut total = 0;
    for one in asking {
        total += one.await.unwrap();
    }
    f64::from(total) / LONG.as_secs_f64()
}
