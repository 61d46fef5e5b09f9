//! The guard of every operation in `openapi.json`. The document says who may call an operation, so new operations are
//! tested without a change here.

use crate::support::contract::{Operation, operations};
use crate::support::{Actor, Answer, Credential, TestApp};

/// Who may call an operation, according to the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    SignedIn,
    Confirmed,
}

fn who(operation: &Operation) -> Who {
    // A 401 of the login is about the credentials in its body, not about a session.
    let is_login = operation.path == "/login";
    // Operations that ask for the password document a 403 too, so the description decides.
    let names_unconfirmed = operation.description["responses"]["403"]["description"].as_str();
    let needs_confirmed = names_unconfirmed.is_some_and(|text| text.contains("`unconfirmed`"));
    match (operation.documents(401) && !is_login, needs_confirmed) {
        (true, true) => Who::Confirmed,
        (true, false) => Who::SignedIn,
        (false, _) => Who::Anyone,
    }
}

fn guarded() -> impl Iterator<Item = &'static Operation> {
    operations().iter().filter(|operation| who(operation) != Who::Anyone)
}

async fn ask(actor: &Actor, operation: &Operation) -> Answer {
    actor.request(&operation.method, &operation.sample_path()).send().await
}

#[tokio::test]
async fn a_visitor_is_refused_by_exactly_the_documented_operations() {
    let app = TestApp::start().await;
    assert!(guarded().count() >= 2);
    for operation in operations() {
        let answer = ask(&app.visitor(), operation).await;
        if who(operation) == Who::Anyone {
            assert!(!matches!(answer.status, 401 | 403), "{}: {}", answer.request, answer.status);
        } else {
            let answer = answer.expect_problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[tokio::test]
async fn an_unconfirmed_account_is_refused_by_exactly_the_documented_operations() {
    let app = TestApp::start().await;
    let cookie = app.unconfirmed("ada").await;
    let mut bearer = app.unconfirmed("bob").await;
    bearer.sign_in_with_bearer().await;
    for actor in [cookie, bearer] {
        // Logging out ends the session, so it comes last.
        let (last, first): (Vec<_>, Vec<_>) = operations().iter().partition(|operation| operation.path == "/logout");
        for operation in first.into_iter().chain(last) {
            let answer = ask(&actor, operation).await;
            if who(operation) == Who::Confirmed {
                answer.expect_problem(403, "unconfirmed");
            } else {
                assert!(!matches!(answer.status, 401 | 403), "{}: {}", answer.request, answer.status);
            }
        }
    }
}

#[tokio::test]
async fn a_member_may_call_every_operation() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    for operation in guarded() {
        let answer = ask(&ada, operation).await;
        assert!(!matches!(answer.status, 401 | 403), "{}: {}", answer.request, answer.status);
    }
}

#[tokio::test]
async fn the_guard_decides_before_the_body_is_read() {
    let app = TestApp::start().await;
    let unconfirmed = app.unconfirmed("ada").await;
    let bodies: [(&str, &[u8]); 4] =
        [("application/json", b"{"), ("application/json", b"[]"), ("text/plain", b"x"), ("", &[0xff; 20_000])];
    for operation in guarded() {
        for (content_type, body) in bodies {
            let with_body = |actor: &Actor| {
                let request = actor.request(&operation.method, &operation.sample_path()).body(body);
                if content_type.is_empty() { request } else { request.header("Content-Type", content_type) }
            };
            with_body(&app.visitor()).send().await.expect_problem(401, "unauthenticated");
            if who(operation) == Who::Confirmed {
                with_body(&unconfirmed).send().await.expect_problem(403, "unconfirmed");
            }
        }
    }
}

#[tokio::test]
async fn an_invented_credential_is_refused() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let token = ada.token();
    let mut reversed = token.to_owned();
    reversed = reversed.chars().rev().collect();
    let made_up = [token[..42].to_owned(), format!("{token}{token}"), "A".repeat(43), "x".repeat(4096), reversed];
    for operation in guarded() {
        for text in &made_up {
            for credential in [Credential::Cookie(text.clone()), Credential::Bearer(text.clone())] {
                ask(&ada.with(credential), operation).await.expect_problem(401, "unauthenticated");
            }
        }
    }
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn every_change_by_cookie_from_another_origin_is_refused() {
    let app = TestApp::start().await;
    let ada = app.member("ada").await;
    let changes: Vec<_> = guarded().filter(|operation| operation.method != "GET").collect();
    assert!(changes.len() >= 6);
    for operation in changes {
        let request = ada.request(&operation.method, &operation.sample_path()).header("Origin", "https://evil.example");
        request.send().await.expect_problem(403, "cross_origin");
    }
    assert!(ada.passes_the_guard().await);
}

#[tokio::test]
async fn a_head_request_is_guarded_like_its_get() {
    let app = TestApp::start().await;
    let unconfirmed = app.unconfirmed("ada").await;
    for operation in guarded().filter(|operation| operation.method == "GET") {
        let path = operation.sample_path();
        app.visitor().request("HEAD", &path).send().await.expect(401);
        let expected = if who(operation) == Who::Confirmed { 403 } else { 200 };
        unconfirmed.request("HEAD", &path).send().await.expect(expected);
    }
}

#[test]
fn the_security_requirements_in_the_document_agree() {
    for operation in operations() {
        let security = operation.description.get("security").and_then(|security| security.as_array());
        let demands_session = security.is_some_and(|schemes| {
            !schemes.iter().any(|scheme| scheme.as_object().is_some_and(|scheme| scheme.is_empty()))
        });
        let is_guarded = who(operation) != Who::Anyone;
        assert_eq!(demands_session, is_guarded, "{} {}", operation.method, operation.path);
    }
}
