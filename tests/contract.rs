//! The contract does not drift: the committed document equals the generated one, and every operation in it is
//! reachable.

use crate::support::{TestApp, contract};

#[test]
fn the_committed_document_equals_the_generated_one() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    assert!(
        committed == vestibule::openapi::json().unwrap(),
        "openapi/openapi.json is outdated: cargo run -- openapi > openapi/openapi.json"
    );
}

#[tokio::test]
async fn every_operation_of_the_document_is_reachable() {
    let app = TestApp::start().await;
    assert!(contract::operations().len() >= 15);
    for operation in contract::operations() {
        let answer = app.visitor().request(&operation.method, &operation.sample_path()).send().await;
        assert_ne!(answer.status, 405, "{}", answer.request);
        let names_a_mail = operation.path.starts_with("/dev/mailbox/{");
        assert!(answer.status != 404 || names_a_mail, "{}", answer.request);
        assert!(answer.status < 500, "{}", answer.request);
    }
}

#[test]
fn every_operation_has_a_unique_id_a_summary_and_a_known_tag() {
    let tags: Vec<_> = contract::document()["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut names = Vec::new();
    for operation in contract::operations() {
        let description = operation.description;
        let name = description["operationId"].as_str().unwrap();
        assert!(!names.contains(&name), "{name}");
        names.push(name);
        assert!(!description["summary"].as_str().unwrap().is_empty(), "{name}");
        assert!(description["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag)), "{name}");
    }
}

#[test]
fn operations_with_a_body_document_its_errors() {
    for operation in contract::operations() {
        let takes_body = operation.description.get("requestBody").is_some();
        for status in [400, 413, 415] {
            assert_eq!(operation.documents(status), takes_body, "{} {} {status}", operation.method, operation.path);
        }
    }
}
