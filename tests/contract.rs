//! The contract does not drift: the committed document is the one that the code makes, and every operation in it can be
//! reached.

use crate::support::{TestApp, contract};

#[test]
fn the_committed_document_is_the_one_that_the_code_makes() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json")).unwrap();
    assert!(
        committed == vestibule::openapi::json().unwrap(),
        "openapi/openapi.json is old: cargo run -- openapi > openapi/openapi.json"
    );
}

#[tokio::test]
async fn every_operation_of_the_document_is_reachable() {
    let app = TestApp::start().await;
    assert!(contract::operations().len() >= 15);
    for operation in contract::operations() {
        let answer = app.visitor().request(&operation.method, &operation.sample_path()).send().await;
        assert_ne!(answer.status, 405, "{}", answer.request);
        let is_about_a_thing = operation.path.starts_with("/dev/mailbox/{");
        assert!(answer.status != 404 || is_about_a_thing, "{}", answer.request);
        assert!(answer.status < 500, "{}", answer.request);
    }
}

#[test]
fn every_operation_has_a_name_a_summary_and_a_tag_that_exists() {
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
fn operations_that_take_a_body_document_what_can_be_wrong_with_it() {
    for operation in contract::operations() {
        let takes_body = operation.description.get("requestBody").is_some();
        for status in [400, 413, 415] {
            assert_eq!(operation.documents(status), takes_body, "{} {} {status}", operation.method, operation.path);
        }
    }
}
