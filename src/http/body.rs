//! From bytes to a JSON object: limits, content type, and members in their order.
//!
//! A framework would take an array for an object, let the last of two equal keys win, and report one wrong type at a time,
//! with its value, passwords included.

use std::fmt;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::app::App;
use crate::problem::{Code, FieldIssue, FieldProblem, Problem};

/// The largest body, in bytes.
pub const MAX_BODY: usize = 16 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request body of type `T`. Extractors run in the order of a handler's arguments: the guard comes first, so that who may
/// call is decided before the body is read.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: FromFields + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let req = req.clone();
        let payload = payload.take();
        Box::pin(async move {
            let app = req.app_data::<web::Data<App>>().ok_or_else(|| Problem::internal("no app"))?;
            check_content_type(&req, "application/json")?;
            let bytes = read_in_time(payload).await?;
            Fields::new(parse(&bytes)?).read(app).map(Self)
        })
    }
}

pub(super) fn check_content_type(req: &HttpRequest, expected: &str) -> Result<(), Problem> {
    let header = |name| req.headers().get(name).and_then(|value| value.to_str().ok());
    let essence = |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let charset =
        |value: &str| value.to_ascii_lowercase().split_once("charset=").map(|(_, charset)| charset.to_owned());
    let is_utf8 = |value: &str| charset(value).is_none_or(|charset| charset.trim_matches(['"', ' ']) == "utf-8");
    let is_json = header(CONTENT_TYPE).is_some_and(|value| essence(value) == expected && is_utf8(value));
    let is_plain = header(CONTENT_ENCODING).is_none_or(|value| essence(value) == "identity");
    if is_json && is_plain { Ok(()) } else { Err(Problem::new(Code::UnsupportedMediaType)) }
}

pub(super) async fn read_in_time(payload: Payload) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(BODY_TIMEOUT, read(payload)).await.map_err(|_| Problem::new(Code::RequestTimeout))?
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::with_detail(Code::InvalidJson, "The body broke off."))?;
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The members in their order. A key can be there twice, which [`Fields`] refuses by name.
struct Members(Vec<(String, Value)>);

fn parse(bytes: &[u8]) -> Result<Members, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The library's own text may repeat a value.
        let detail = match (error.classify(), bytes.is_empty()) {
            (_, true) => "The body is empty; it must be one JSON object.".to_owned(),
            (serde_json::error::Category::Data, _) => "The body must be one JSON object.".to_owned(),
            _ => format!("The body is not JSON at line {}, column {}.", error.line(), error.column()),
        };
        Problem::with_detail(Code::InvalidJson, detail)
    })
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectOnly;

        impl<'de> Visitor<'de> for ObjectOnly {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(ObjectOnly)
    }
}

/// How many unknown fields an answer names: a small body could have thousands.
const UNKNOWN_NAMED: usize = 20;

/// A request type that can be read from the fields of a body.
pub trait FromFields: Sized {
    /// Takes its fields. Returns `None` only after a complaint.
    fn from_fields(fields: &mut Fields, app: &App) -> Option<Self>;
}

/// The fields of a body that were not taken yet, and the complaints about those that were.
#[derive(Debug)]
pub struct Fields {
    members: Vec<(String, Value)>,
    problems: Vec<FieldProblem>,
}

impl Fields {
    fn new(Members(members): Members) -> Self {
        Self { members, problems: Vec::new() }
    }

    fn read<T: FromFields>(mut self, app: &App) -> Result<T, Problem> {
        let value = T::from_fields(&mut self, app);
        for (name, _) in std::mem::take(&mut self.members).into_iter().take(UNKNOWN_NAMED) {
            self.complain(&name, "unknown_field", "is unknown");
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problem::validation_failed(self.problems)),
        }
    }

    pub fn complain(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.problems.push(FieldProblem::new(name, FieldIssue { code, detail: detail.into() }));
    }

    /// A required text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| Ok::<_, FieldIssue>(text.to_owned()))
    }

    /// A required text, parsed.
    pub fn parsed<T, E: Into<FieldIssue>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(value) = self.take(name)? else {
            self.complain(name, "required", "is required");
            return None;
        };
        self.parse_text(name, &value, parse)
    }

    /// An optional text (left out or `null`), parsed. The outer `None` is a complaint.
    pub fn parsed_if_present<T, E: Into<FieldIssue>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.take(name)? {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.parse_text(name, &value, parse).map(Some),
        }
    }

    /// A required text or `null`, parsed. The outer `None` is a complaint.
    pub fn parsed_or_null<T, E: Into<FieldIssue>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.take(name)? {
            None => {
                self.complain(name, "required", "is required");
                None
            }
            Some(Value::Null) => Some(None),
            Some(value) => self.parse_text(name, &value, parse).map(Some),
        }
    }

    /// An optional flag, by default `false`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            None | Some(Value::Null) => Some(false),
            Some(Value::Bool(flag)) => Some(flag),
            Some(_) => {
                self.complain(name, "wrong_type", "must be true or false");
                None
            }
        }
    }

    /// Takes the field of this name. The outer `None` is a complaint: the body has it twice.
    fn take(&mut self, name: &str) -> Option<Option<Value>> {
        let mut found = Vec::new();
        self.members.retain_mut(|(key, value)| {
            let is_it = key == name;
            if is_it {
                found.push(value.take());
            }
            !is_it
        });
        if found.len() > 1 {
            self.complain(name, "duplicate_field", "is there more than once");
            return None;
        }
        Some(found.pop())
    }

    fn parse_text<T, E: Into<FieldIssue>>(
        &mut self,
        name: &str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Value::String(text) = value else {
            self.complain(name, "wrong_type", "must be a string");
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let FieldIssue { code, detail } = error.into();
                self.complain(name, code, detail);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_object_passes() {
        assert!(parse(br#"{"a":1,"a":2}"#).is_ok_and(|members| members.0.len() == 2));
        for text in ["", "[]", "null", "\"x\"", "1", "{", "{}{}", "{\"a\":\"\\ud800\"}", "{a:1}", "[{}]"] {
            assert_eq!(parse(text.as_bytes()).err().map(|p| p.code), Some(Code::InvalidJson), "{text}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn an_error_never_repeats_the_value() {
        let problem = parse(br#"{"password": "hunter2" "x"}"#).err().unwrap();
        assert!(!problem.detail.contains("hunter2"));
        let deep = "[".repeat(10_000);
        assert!(parse(format!("{{\"a\":{deep}").as_bytes()).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_bytes_are_members_or_a_problem_without_an_echo(
            bytes: Vec<u8>,
            name in "[a-z]{1,9}",
            value in "[ -~]{0,20}",
        ) {
            let _ = parse(&bytes);
            let object = serde_json::json!({ name.clone(): value.clone() }).to_string();
            let members = parse(object.as_bytes()).map_err(|problem| problem.detail).unwrap().0;
            proptest::prop_assert_eq!(members, vec![(name, Value::String(value))]);
            let secret = "hunter2".to_owned() + &String::from_utf8_lossy(&bytes);
            for broken in [format!("{object}{secret}"), format!("{{\"a\":{secret}}}"), secret] {
                proptest::prop_assert!(!parse(broken.as_bytes()).err().unwrap().detail.contains("hunter2"));
            }
        }
    }
}
