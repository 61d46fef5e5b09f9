//! Our password hashes equal those of passlib, bit for bit, so that users can be moved in and out. The real passlib
//! made `fixtures/passlib.json` (`fixtures/passlib_fixture.py`), and verifies what `hashes_for_passlib_to_verify`
//! prints.

use serde_json::{Value, json};
use vestibule::password::{HashParameters, Hasher, Password, PasswordHash, PasswordPolicy};

use crate::import::{import, lines};
use crate::support::TestApp;

fn fixture() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/passlib.json")).unwrap()
}

fn parameters(hash: &str) -> HashParameters {
    PasswordHash::parse(hash).unwrap().1
}

#[tokio::test]
async fn our_hashes_equal_those_of_passlib() {
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

/// Passwords and their hashes in the table `users`: of registered accounts, and of accounts imported with hashes of
/// ours, since the policy refuses some of these passwords.
async fn stored_hashes() -> Vec<(String, String)> {
    let (app, hasher) = (TestApp::start().await, Hasher::start(1).unwrap());
    let policy = PasswordPolicy { min_length: 8 };
    let (mut passwords, mut imported) = (Vec::new(), Vec::new());
    for (at, entry) in fixture().iter().enumerate() {
        let password = entry["password"].as_str().unwrap();
        if policy.check(password, &[]).is_ok() {
            let email = format!("registered{at}@example.com");
            app.visitor().register_as(json!({ "email": email, "password": password })).await.expect(202);
            passwords.push((email, password.to_owned()));
        }
        let email = format!("imported{at}@example.com");
        let hash = hasher.hash(&Password::new(password), &HashParameters::random(4)).await.unwrap();
        imported.push(json!({ "email": email, "password_hash": hash.as_str() }));
        passwords.push((email, password.to_owned()));
    }
    assert!(passwords.len() > imported.len() + 3, "the policy refuses most of these passwords");
    import(&app, &lines(imported), &[]).expect_success();
    let mut hashes = Vec::new();
    for (email, password) in passwords {
        let found = app.database.rows(&format!("select password_hash from users where email = '{email}'")).await;
        hashes.push((password, found[0][0].clone().unwrap()));
    }
    hashes
}

#[tokio::test]
async fn the_users_table_has_complete_hashes() {
    for (password, hash) in stored_hashes().await {
        // The format of passlib, which verifies a password with this text alone.
        let (options, rest) = hash.strip_prefix("$bcrypt-sha256$v=2,t=2b,r=").unwrap().split_once('$').unwrap();
        assert!(options.parse::<u32>().is_ok(), "{hash}");
        assert_eq!(rest.split_once('$').map(|(salt, digest)| (salt.len(), digest.len())), Some((22, 31)), "{hash}");
        assert_eq!(foreign_hashes::verify(&hash, &password), Ok(true), "{password}");
    }
}

/// `cargo test hashes_for_passlib -- --ignored --nocapture`
#[tokio::test]
#[ignore = "prints the hashes in the table `users`, for passlib_fixture.py --verify"]
#[expect(clippy::print_stdout, reason = "the output is piped into another program")]
async fn hashes_for_passlib_to_verify() {
    let hashes = stored_hashes().await;
    let hashes = hashes.iter().map(|(password, hash)| json!({ "password": password, "hash": hash }));
    println!("{}", hashes.collect::<Value>());
}
