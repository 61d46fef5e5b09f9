//! `GET /problems/{code}`: the explanation behind the `type` of every problem.

use serde_json::Value;

use crate::support::{TestApp, contract};

#[tokio::test]
async fn every_documented_code_is_explained() {
    let app = TestApp::start().await;
    let codes = contract::document()["components"]["schemas"]["ProblemCode"]["enum"].as_array().unwrap();
    assert!(codes.len() >= 16);
    for code in codes.iter().map(|code| code.as_str().unwrap()) {
        let path = format!("/problems/{code}");
        let explanation = app.visitor().get(&path).await.expect(200).json();
        assert_eq!(explanation["code"], code);
        assert!((400..600).contains(&explanation["status"].as_u64().unwrap()));
        let page = app.visitor().request("GET", &path).by_browser().send().await.expect(200);
        assert_eq!(page.content_type(), Some("text/html"));
        assert!(page.text().contains(code), "{code}");
        assert!(!page.text().contains("<script") && !page.text().contains("https://"));
    }
}

#[tokio::test]
async fn the_type_of_a_problem_links_to_its_explanation() {
    let app = TestApp::start().await;
    let problem = app.visitor().get("/me").await.expect(401).json();
    let path = problem["type"].as_str().unwrap().strip_prefix(&app.http.base).unwrap().to_owned();
    let explanation = app.visitor().get(&path).await.expect(200).json();
    assert_eq!(explanation["code"], "unauthenticated");
    assert_eq!((&explanation["status"], &explanation["title"]), (&Value::from(401), &problem["title"]));
}

#[tokio::test]
async fn an_unknown_code_is_not_found() {
    let app = TestApp::start().await;
    for path in ["/problems/teapot", "/problems/Unconfirmed", "/problems/%3Cb%3E"] {
        app.visitor().get(path).await.expect_problem(404, "not_found");
    }
}
