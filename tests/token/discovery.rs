//! `/.well-known/…`: what other services need to verify access tokens.

use serde_json::{Value, json};
use vestibule::config::key_ring;

use crate::support::TestApp;

const DOCUMENTS: [&str; 3] =
    ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

#[tokio::test]
async fn everyone_may_read_and_keep_the_documents() {
    let app = TestApp::with_flags(&["--allowed-origins=https://app.example.com"]).await;
    for path in DOCUMENTS {
        let answer =
            app.visitor().request("GET", path).header("Origin", "https://other.example").send().await.expect(200);
        assert_eq!(answer.content_type(), Some("application/json"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300, stale-if-error=86400"), "{path}");
        assert_eq!(answer.set_cookie(), None, "{path}");
        let tag = answer.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}, \"other\""), "*".to_owned()] {
            let again = app.visitor().request("GET", path).header("If-None-Match", &known).send().await.expect(304);
            assert_eq!((again.header("etag"), again.body.len()), (Some(tag.as_str()), 0), "{path} {known}");
        }
        let other = app.visitor().request("GET", path).header("If-None-Match", "\"other\"").send().await;
        assert_eq!(other.expect(200).body, answer.body);
        let head = app.visitor().request("HEAD", path).send().await.expect(200);
        assert_eq!((head.header("etag"), head.body.len()), (Some(tag.as_str()), 0), "{path}");
    }
}

#[tokio::test]
async fn the_key_set_has_public_parts_only_and_is_the_same_everywhere() {
    let ring = format!("{},{}", "ab".repeat(32), "cd".repeat(32));
    let app = TestApp::with(|settings| settings.secret_key = Some(key_ring(&ring).unwrap())).await;
    let other = app.beside(|settings| settings.secret_key = Some(key_ring(&ring).unwrap())).await;
    let answer = app.visitor().get(DOCUMENTS[0]).await.expect(200);
    assert_eq!(answer.body, other.visitor().get(DOCUMENTS[0]).await.expect(200).body);
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let mut members: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        members.sort();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
}

#[tokio::test]
async fn the_documents_name_the_public_address_without_a_slash_at_its_end() {
    let app = TestApp::with_flags(&["--public-url=http://auth.example.com/"]).await;
    let configuration = app.visitor().get(DOCUMENTS[1]).await.expect(200);
    assert_eq!(configuration.body, app.visitor().get(DOCUMENTS[2]).await.expect(200).body);
    let expected = json!({
        "issuer": "http://auth.example.com",
        "jwks_uri": "http://auth.example.com/.well-known/jwks.json",
        "token_endpoint": "http://auth.example.com/token",
        "response_types_supported": [],
        "grant_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    assert_eq!(configuration.json(), expected);
    let token = app.member("ada").await.post("/token").await.expect(200).json();
    assert_eq!(super::claims(token["access_token"].as_str().unwrap())["iss"], expected["issuer"]);
}

#[tokio::test]
async fn under_a_base_path_the_documents_are_where_each_standard_puts_them() {
    let app = TestApp::with_flags(&["--public-url=http://app.example.com/auth"]).await;
    let paths = [
        "/auth/.well-known/openid-configuration",
        "/auth/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/auth",
    ];
    for path in paths {
        let document = app.visitor().get(path).await.expect(200).json();
        assert_eq!(document["issuer"], "http://app.example.com/auth", "{path}");
        assert_eq!(document["jwks_uri"], "http://app.example.com/auth/.well-known/jwks.json", "{path}");
    }
    app.visitor().get("/auth/.well-known/jwks.json").await.expect(200);
    app.visitor().get("/.well-known/oauth-authorization-server/other").await.expect(404);
}

#[tokio::test]
async fn the_documents_answer_without_the_database() {
    let app = TestApp::start().await;
    let before: Vec<Value> = documents(&app).await;
    app.database.close();
    assert_eq!(documents(&app).await, before);
    app.database.open();
}

async fn documents(app: &TestApp) -> Vec<Value> {
    let mut documents = Vec::new();
    for path in DOCUMENTS {
        documents.push(app.visitor().get(path).await.expect(200).json());
    }
    documents
}
