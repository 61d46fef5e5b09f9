//! A new key signs only after it was published for a while, whatever the order of restarts: no verifier that keeps a key set
//! for ten minutes ever refuses a token.

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::jwk::JwkSet;
use vestibule::config::key_ring;

use super::{header, key_set, verified_with};
use crate::support::{Actor, TestApp};

const OLD: &str = "abababababababababababababababababababababababababababababababab";
const NEW: &str = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

/// How long a verifier keeps a key set at most; it asks for no new one before, not even for an unknown key.
fn kept() -> Duration {
    Duration::minutes(10)
}

async fn beside(app: &TestApp, ring: &str) -> TestApp {
    app.beside(|settings| settings.secret_key = Some(key_ring(ring).unwrap())).await
}

/// A verifier that asks one instance, then the other, then the first again.
struct Verifier {
    keys: Option<(JwkSet, DateTime<Utc>)>,
    asked: usize,
}

impl Verifier {
    async fn accepts(&mut self, instances: &[&TestApp], token: &str) -> bool {
        let now = instances[0].clock.now();
        if self.keys.as_ref().is_none_or(|(_, at)| now - *at >= kept()) {
            self.keys = Some((key_set(instances[self.asked % instances.len()]).await, now));
            self.asked += 1;
        }
        verified_with(&self.keys.as_ref().unwrap().0, token).is_some()
    }
}

async fn token(ada: &Actor, app: &TestApp) -> String {
    ada.at(app).post("/token").await.expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_key_in_front_never_makes_a_token_fail() {
    let first = TestApp::with(|settings| settings.secret_key = Some(key_ring(OLD).unwrap())).await;
    let mut ada = first.member("ada").await;
    ada.sign_in_with_bearer().await;
    let both = format!("{NEW},{OLD}");
    let second = beside(&first, OLD).await;
    let mut verifiers: Vec<_> = (0..3).map(|asked| Verifier { keys: None, asked }).collect();
    let mut signed_by = Vec::new();
    // One instance is restarted with the new key in front, then, five minutes later, the other one.
    let mut instances = [first, second];
    for minute in 0..40 {
        if minute == 3 {
            instances[0] = beside(&instances[1], &both).await;
        }
        if minute == 8 {
            instances[1] = beside(&instances[0], &both).await;
        }
        let [one, other] = &instances;
        for instance in &instances {
            let token = token(&ada, instance).await;
            for (index, verifier) in verifiers.iter_mut().enumerate() {
                // The verifiers begin at different times.
                if minute >= 2 * index {
                    assert!(verifier.accepts(&[one, other], &token).await, "verifier {index}, minute {minute}");
                }
            }
            signed_by.push(header(&token)["kid"].as_str().unwrap().to_owned());
        }
        instances[0].clock.advance(Duration::minutes(1));
    }
    assert_ne!(signed_by.first(), signed_by.last(), "the new key signs in the end");
    signed_by.dedup();
    assert_eq!(signed_by.len(), 2, "and the instances change to it at the same time");
}

#[tokio::test]
async fn a_new_installation_signs_at_once_and_a_restart_changes_nothing() {
    let ring = format!("{NEW},{OLD}");
    let app = TestApp::with(|settings| settings.secret_key = Some(key_ring(&ring).unwrap())).await;
    let mut ada = app.member("ada").await;
    ada.sign_in_with_bearer().await;
    let first = header(&token(&ada, &app).await)["kid"].clone();
    let again = beside(&app, &ring).await;
    assert_eq!(header(&token(&ada, &again).await)["kid"], first);
    assert_eq!(key_set(&app).await.keys[0].common.key_id.as_deref(), first.as_str(), "the first key of the ring");
}
