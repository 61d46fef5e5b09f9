//! From JSON members to values: each field is taken once by name, and all complaints are collected.

use serde_json::Value;

use crate::app::App;
use crate::problem::{FieldIssue, FieldProblem, Problem};

use super::body::Members;

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
    pub(super) fn new(Members(members): Members) -> Self {
        Self { members, problems: Vec::new() }
    }

    pub(super) fn read<T: FromFields>(mut self, app: &App) -> Result<T, Problem> {
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
