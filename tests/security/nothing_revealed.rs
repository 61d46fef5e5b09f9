//! No status, header, body or amount of work reveals whether an address has an account.

use serde_json::{Value, json};

use crate::security::{fail, limited, post_from};
use crate::support::{Actor, Answer, TestApp, password_of};

/// An address of each kind. Each client sends few requests, so that only the limits per name matter.
const ADDRESSES: [&str; 5] = [
    "unknown@example.com",
    "unconfirmed@example.com",
    "confirmed@example.com",
    "both@example.com",
    "throttled@example.com",
];

async fn with_all_kinds() -> TestApp {
    let app = limited().await;
    app.unconfirmed("unconfirmed").await;
    for name in ["confirmed", "both", "throttled"] {
        app.member(name).await;
    }
    claim(&app, "both@example.com", "first-claim").await.expect(202);
    for _ in 0..5 {
        fail(&app, "198.51.100.250", "email", "throttled@example.com").await.expect(401);
    }
    app
}

async fn claim(app: &TestApp, email: &str, name: &str) -> Answer {
    post_from(app, "198.51.100.251", "/register", &json!({ "email": email, "password": password_of(name) })).await
}

#[track_caller]
fn assert_alike<T: PartialEq + std::fmt::Debug>(seen: &[T]) {
    for one in seen {
        assert_eq!(*one, seen[0]);
    }
}

#[tokio::test]
async fn registering_gives_the_same_answer_for_every_kind_of_address() {
    let app = with_all_kinds().await;
    let (mut seen, mut costs) = (Vec::new(), Vec::new());
    for email in ADDRESSES {
        let before = app.inside.hasher.computed();
        seen.push(claim(&app, email, "claimant").await.expect(202).appearance());
        costs.push(app.inside.hasher.computed() - before);
    }
    assert_alike(&seen);
    assert_eq!(costs, [1; 5]);
    // Errors in other fields are the same, too.
    let mut seen = Vec::new();
    for email in ADDRESSES {
        let fields = json!({ "email": email, "password": "password", "username": "confirmed" });
        seen.push(post_from(&app, "198.51.100.252", "/register", &fields).await.expect(422).appearance());
    }
    assert_alike(&seen);
}

#[tokio::test]
async fn a_wrong_password_gives_the_same_answer_and_costs_one_hash_for_every_name() {
    let app = with_all_kinds().await;
    let (mut seen, mut costs) = (Vec::new(), Vec::new());
    let names = ADDRESSES[..4].iter().map(|email| ("email", *email));
    let names = names.chain([("username", "confirmed"), ("username", "unconfirmed"), ("username", "nobody")]);
    for (kind, name) in names {
        let before = app.inside.hasher.computed();
        seen.push(fail(&app, "198.51.100.1", kind, name).await.expect(401).appearance());
        costs.push(app.inside.hasher.computed() - before);
    }
    assert_alike(&seen);
    assert_eq!(costs, [1; 7]);
    let mut seen = vec![fail(&app, "198.51.100.1", "email", "throttled@example.com").await.expect(429)];
    for _ in 0..5 {
        seen.push(fail(&app, "198.51.100.1", "email", "unknown@example.com").await);
    }
    assert_eq!(seen[5].appearance(), seen[0].appearance());
}

#[tokio::test]
async fn asking_for_a_mail_gives_the_same_answer_for_every_kind_of_address() {
    let app = with_all_kinds().await;
    for path in ["/resend", "/password/forgot"] {
        let mut seen = Vec::new();
        // The second time, the address has its mail already, and the next one waits.
        for email in ADDRESSES.into_iter().chain(ADDRESSES) {
            let answer = post_from(&app, "198.51.100.1", path, &json!({ "email": email })).await;
            seen.push(answer.expect(202).appearance());
        }
        assert_alike(&seen);
    }
}

/// An answer without the values that differ between any two accounts.
fn shape(answer: &Answer) -> (u16, std::collections::BTreeSet<String>, Value) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    for pointer in
        ["/user/id", "/user/email", "/user/created_at", "/session/id", "/session/expires_at", "/id", "/email"]
    {
        if let Some(value) = body.pointer_mut(pointer) {
            *value = json!("…");
        }
    }
    for member in ["created_at", "request_id"] {
        if let Some(value) = body.get_mut(member) {
            *value = json!("…");
        }
    }
    (answer.status, answer.header_names(), body)
}

#[tokio::test]
async fn registering_the_address_of_another_user_and_signing_in_reveals_nothing() {
    let app = with_all_kinds().await;
    let mut seen = Vec::new();
    // Without the throttled address: limits count names, whether or not they have an account.
    for email in &ADDRESSES[..4] {
        let mut claimant = Actor::new(&app, "claimant");
        claimant.email = (*email).to_owned();
        claim(&app, email, "claimant").await.expect(202);
        let before = app.inside.hasher.computed();
        let login = claimant.sign_in().await;
        assert_eq!(app.inside.hasher.computed() - before, 1);
        let cookie = login.set_cookie().unwrap().replace(claimant.token(), "…");
        let mut answers = vec![shape(&login), shape(&claimant.get("/me").await.expect(200))];
        answers.push(shape(&claimant.get("/sessions").await.expect(403)));
        answers.push(shape(&claimant.post("/resend").await.expect(202)));
        answers.push(shape(&claimant.post("/logout").await.expect(204)));
        seen.push((cookie, answers));
    }
    assert_alike(&seen);
}
