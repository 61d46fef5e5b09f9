//! `vestibule keys`: the real binary beside a running service.

use std::process::Output;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use vestibule::config::key_ring;

use super::header;
use crate::support::{TestApp, binary};

const RING: &str = "abababababababababababababababababababababababababababababababab,\
                    cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

fn keys(app: &TestApp, arguments: &[&str]) -> Output {
    let base = ["keys", "--database-url", &app.database.url, "--public-url", "http://auth.example.com"];
    binary::command(&base).args(arguments).env("SECRET_KEY", RING).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn the_list_says_since_when_a_key_is_published_and_which_one_signs() {
    let (new, old) = RING.split_once(',').unwrap();
    let app = TestApp::with(|settings| settings.secret_key = Some(key_ring(old).unwrap())).await;
    let token = app.member("ada").await.post("/token").await.expect(200).json();
    let signing = header(token["access_token"].as_str().unwrap())["kid"].clone();
    let list: Value = serde_json::from_str(&text(&keys(&app, &["--json"]))).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!((&list[0]["published_since"], &list[0]["signs"]), (&Value::Null, &json!(false)));
    assert_eq!((&list[1]["kid"], &list[1]["signs"]), (&signing, &json!(true)));
    assert!(list[1]["published_since"].is_string());
    let table = text(&keys(&app, &[]));
    let lines: Vec<_> = table.lines().collect();
    assert!(lines.len() == 3 && lines[1].contains("not yet") && lines[2].ends_with("yes"), "{table}");
    assert!(!table.contains(new) && !table.contains(old));
}

#[tokio::test]
async fn the_pem_verifies_tokens() {
    let app = TestApp::with(|settings| settings.secret_key = Some(key_ring(RING).unwrap())).await;
    let token = app.member("ada").await.post("/token").await.expect(200).json();
    let token = token["access_token"].as_str().unwrap();
    let verify = |pem: String| {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_aud = false;
        jsonwebtoken::decode::<Value>(token, &DecodingKey::from_ec_pem(pem.as_bytes()).unwrap(), &validation)
    };
    let kid = header(token)["kid"].as_str().unwrap().to_owned();
    assert!(verify(text(&keys(&app, &["pem"]))).is_ok());
    assert!(verify(text(&keys(&app, &["pem", &kid]))).is_ok());
    let unknown = keys(&app, &["pem", "unknown"]);
    assert!(!unknown.status.success() && unknown.stdout.is_empty());
}

#[tokio::test]
async fn each_snippet_has_issuer_and_audience() {
    let app = TestApp::start().await;
    for verifier in ["spring", "express", "envoy", "pyjwt", "fastapi", "go"] {
        let snippet = text(&keys(&app, &["--access-audience=reports", "snippet", verifier]));
        assert!(snippet.contains("http://auth.example.com") && snippet.contains("reports"), "{snippet}");
        assert!(!snippet.contains("{{") && snippet.ends_with('\n'), "{snippet}");
    }
    // Tokens as in RFC 9068: Express can insist on that.
    let strict = |kind: &str| {
        text(&keys(&app, &[&format!("--access-token-type={kind}"), "snippet", "express"])).contains("strict: true")
    };
    assert!(strict("at+jwt") && !strict("JWT"));
}
