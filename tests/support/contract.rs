//! Checks every answer that a test receives against the OpenAPI document.
//!
//! The check is stricter than OpenAPI: a member that the document does not name is an error too.

use std::collections::HashMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

const DOCUMENT: &str = include_str!("../../openapi/openapi.json");

pub fn document() -> &'static Value {
    static PARSED: OnceLock<Value> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(DOCUMENT).unwrap())
}

pub struct Operation {
    /// In upper case.
    pub method: String,
    /// With its parameters in braces.
    pub path: &'static str,
    pub description: &'static Value,
    /// By status and content type; a response without content has `None`.
    responses: HashMap<u16, HashMap<String, Validator>>,
}

impl Operation {
    pub fn documents(&self, status: u16) -> bool {
        self.responses.contains_key(&status)
    }

    /// The path with a harmless value for each parameter.
    pub fn sample_path(&self) -> String {
        self.path
            .split('/')
            .map(|segment| match segment {
                "{code}" => "unconfirmed",
                segment if segment.starts_with('{') => "0198c0de-0000-7000-8000-000000000000",
                segment => segment,
            })
            .collect::<Vec<_>>()
            .join("/")
    }

    fn is_at(&self, path: &str) -> bool {
        let (mut ours, mut theirs) = (self.path.split('/'), path.split('/'));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(ours), Some(theirs)) if ours == theirs || (ours.starts_with('{') && !theirs.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

pub fn operations() -> &'static [Operation] {
    static OPERATIONS: OnceLock<Vec<Operation>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let components = strict(document()["components"].clone());
        let paths = document()["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, description)| (path, method, description))
        });
        operations
            .map(|(path, method, description)| Operation {
                method: method.to_uppercase(),
                path,
                description,
                responses: responses(description, &components),
            })
            .collect()
    })
}

fn responses(operation: &Value, components: &Value) -> HashMap<u16, HashMap<String, Validator>> {
    let by_type = |response: &Value| {
        let content = response["content"].as_object().into_iter().flatten();
        content.map(|(content_type, media)| (content_type.clone(), validator(&media["schema"], components))).collect()
    };
    let responses = operation["responses"].as_object().unwrap().iter();
    responses.map(|(status, response)| (status.parse().unwrap(), by_type(response))).collect()
}

fn validator(schema: &Value, components: &Value) -> Validator {
    let whole = json!({ "components": components, "allOf": [schema] });
    jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
}

/// Forbids members that a schema does not name.
fn strict(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            for member in members.values_mut() {
                *member = strict(member.take());
            }
            if members.get("properties").is_some_and(Value::is_object) && members.contains_key("type") {
                members.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = strict(item.take())),
        _ => {}
    }
    schema
}

/// Checks that the status and content type of an answer are documented for its operation, and that its body is valid.
/// For unknown paths and methods it only checks the problem document.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let what = format!("{method} {path} -> {} {}", answer.status, answer.text());
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
    assert!(answer.header("x-request-id").is_some(), "{what}");
    if answer.status >= 400 && method != "HEAD" && answer.content_type() != Some("text/html") {
        check_problem(path, answer, &what);
    }
    let documented = if method == "HEAD" { "GET" } else { method };
    // `/confirm/code` is no link, although `/confirm/{token}` has its form.
    let is_exact = operations().iter().any(|it| it.path == path);
    let is_at = |it: &&Operation| if is_exact { it.path == path } else { it.is_at(path) };
    let Some(operation) = operations().iter().filter(is_at).find(|it| it.method == documented) else {
        return;
    };
    let Some(contents) = operation.responses.get(&answer.status) else {
        panic!("this status is not documented: {what}");
    };
    let Some(content_type) = answer.content_type() else {
        assert!(contents.is_empty() && answer.body.is_empty(), "a body or its content type is missing: {what}");
        return;
    };
    let Some(validator) = contents.get(content_type) else {
        panic!("{content_type} is not documented: {what}");
    };
    if method != "HEAD" && content_type.ends_with("json") {
        let errors: Vec<_> = validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "the body is not as documented: {errors:?}: {what}");
    }
}

#[track_caller]
fn check_problem(path: &str, answer: &Answer, what: &str) {
    if path.starts_with("/health/") && answer.status == 503 {
        return;
    }
    assert_eq!(answer.content_type(), Some("application/problem+json"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    let body = answer.json();
    let code = body["code"].as_str().unwrap();
    assert!(body["type"].as_str().unwrap().ends_with(&format!("/problems/{code}")), "{what}");
    assert_eq!(body["status"], answer.status, "{what}");
    assert_eq!(body["request_id"].as_str(), answer.header("x-request-id"), "{what}");
    assert_eq!(body.get("errors").is_some(), code == "validation_failed", "{what}");
    assert_eq!(answer.header("allow").is_some(), answer.status == 405, "{what}");
    assert_eq!(answer.header("retry-after").is_some(), matches!(answer.status, 429 | 503), "{what}");
    assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401, "{what}");
}
