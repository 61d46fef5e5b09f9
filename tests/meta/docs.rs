//! `/openapi.json` and `/docs/`: the contract, and a page to try it, without files from other hosts.

use crate::support::{TestApp, contract};

#[tokio::test]
async fn the_service_serves_the_committed_document() {
    let app = TestApp::start().await;
    assert_eq!(app.visitor().get("/openapi.json").await.expect(200).json(), *contract::document());
}

#[tokio::test]
async fn under_https_the_document_names_the_secure_cookie() {
    let key = "ab".repeat(32);
    let app =
        TestApp::with_flags(&["--public-url", "https://auth.example.com", "--secret-key", &key, "--dev-mailbox", "on"])
            .await;
    let document = app.visitor().get("/openapi.json").await.expect(200).json();
    assert_eq!(document["components"]["securitySchemes"]["session_cookie"]["name"], "__Host-session");
}

/// openapi-generator refuses a document with another one, and makes no client.
#[test]
fn the_request_body_of_a_link_is_one_expression() {
    let mut links = 0;
    for operation in
        contract::document()["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        for answer in operation["responses"].as_object().unwrap().values() {
            for (name, link) in answer["links"].as_object().into_iter().flatten() {
                assert!(link.get("requestBody").is_none_or(serde_json::Value::is_string), "{name}");
                links += 1;
            }
        }
    }
    assert!(links > 0);
}

#[tokio::test]
async fn the_root_redirects_to_the_docs() {
    let app = TestApp::start().await;
    for path in ["/", "/docs"] {
        let answer = app.visitor().get(path).await.expect(307);
        assert_eq!(answer.header("location"), Some("/docs/"));
    }
}

#[tokio::test]
async fn the_docs_load_nothing_from_another_host() {
    let app = TestApp::start().await;
    let page = app.visitor().request("GET", "/docs/").by_browser().send().await.expect(200);
    assert_eq!(page.content_type(), Some("text/html"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!policy.contains("http:") && !policy.contains("https:") && !policy.contains('*'), "{policy}");
    let html = page.text();
    let mut files = 0;
    for attribute in ["src=\"", "href=\""] {
        for file in html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(!file.contains("//"), "{file}");
            app.visitor().get(&format!("/docs/{}", file.trim_start_matches("./"))).await.expect(200);
            files += 1;
        }
    }
    assert!(files >= 4, "{html}");
    assert!(!html.contains("<script>"), "an inline script would not run under the policy");
    let script = app.visitor().get("/docs/swagger-initializer.js").await.expect(200);
    assert!(script.text().contains("/openapi.json"));
}

#[tokio::test]
async fn the_docs_have_no_other_files() {
    let app = TestApp::start().await;
    for path in ["/docs/nothing.js", "/docs/..%2f..%2fCargo.toml", "/docs/%2e%2e/secret.key"] {
        app.visitor().get(path).await.expect_problem(404, "not_found");
    }
    app.visitor().post("/docs/").await.expect_problem(405, "method_not_allowed");
    app.visitor().request("HEAD", "/docs/").send().await.expect(200);
    app.visitor().get("/style.css").await.expect(200);
}
