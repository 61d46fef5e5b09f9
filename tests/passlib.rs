//! Password hashes are passlib's, bit for bit, so that they can move in and out. `fixtures/passlib.json` was made by the
//! real passlib with `fixtures/passlib_fixture.py`, which also verifies what `hashes_for_passlib_to_verify` prints.

use serde_json::{Value, json};
use vestibule::password::{HashParameters, Hasher, Password, PasswordHash};

fn fixture() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/passlib.json")).unwrap()
}

fn parameters(hash: &str) -> HashParameters {
    PasswordHash::parse(hash).unwrap().1
}

#[tokio::test]
async fn our_hashes_are_those_of_passlib() {
    let hasher = Hasher::start(1).unwrap();
    let fixture = fixture();
    assert!(fixture.len() >= 10);
    for entry in fixture {
        let (password, expected) = (entry["password"].as_str().unwrap(), entry["hash"].as_str().unwrap());
        let hash = hasher.hash(&Password::new(password), &parameters(expected)).await.unwrap();
        assert_eq!(hash.as_str(), expected, "{password}");
        assert!(PasswordHash::stored(expected.to_owned()).matches(&hash));
        let other = hasher.hash(&Password::new(&format!("{password}x")), &parameters(expected)).await.unwrap();
        assert!(!PasswordHash::stored(expected.to_owned()).matches(&other), "{password}");
    }
}

/// For the other direction: `cargo test hashes_for_passlib -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints our hashes, for passlib_fixture.py --verify"]
#[expect(clippy::print_stdout, reason = "it is piped into another program")]
async fn hashes_for_passlib_to_verify() {
    let hasher = Hasher::start(1).unwrap();
    let mut ours = Vec::new();
    for entry in fixture() {
        let password = entry["password"].as_str().unwrap();
        for cost in [4, 10] {
            let hash = hasher.hash(&Password::new(password), &HashParameters::random(cost)).await.unwrap();
            ours.push(json!({ "password": password, "hash": hash.as_str() }));
        }
    }
    println!("{}", Value::from(ours));
}
