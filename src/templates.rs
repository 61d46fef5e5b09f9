//! Templates: the built-in ones from `templates/`, and files that replace or extend them. This module knows the engine,
//! but neither mails nor pages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

/// Clones share the templates.
#[derive(Clone)]
pub struct Templates {
    engine: Arc<Environment<'static>>,
    /// Where the templates that are not built in come from.
    files: Arc<BTreeMap<String, PathBuf>>,
}

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{}: {error}", .file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{}, line {line}: {reason}", .file.display())]
    Invalid { file: PathBuf, line: usize, reason: String },
}

impl Templates {
    #[allow(clippy::expect_used)] // In generated code. A test renders each of these templates.
    pub fn built_in() -> Self {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.set_formatter(escape);
        minijinja_embed::load_templates!(engine);
        Self { engine: Arc::new(engine), files: Arc::default() }
    }

    /// Adds templates from `files`, by name. A template that has the name of another replaces it.
    pub fn with_files(&self, files: BTreeMap<String, PathBuf>) -> Result<Self, TemplateError> {
        let mut engine = Environment::clone(&self.engine);
        for (name, file) in &files {
            let source = std::fs::read_to_string(file);
            let source = source.map_err(|error| TemplateError::Unreadable { file: file.clone(), error })?;
            engine.add_template_owned(name.clone(), source).map_err(|error| invalid(Cow::Borrowed(file), &error))?;
        }
        Ok(Self { engine: Arc::new(engine), files: Arc::new(files) })
    }

    /// Adds a variable that every template sees.
    pub fn with_global(&self, name: &'static str, value: &str) -> Self {
        let mut engine = Environment::clone(&self.engine);
        engine.add_global(name, value);
        Self { engine: Arc::new(engine), files: Arc::clone(&self.files) }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.engine.templates().map(|(name, _)| name)
    }

    /// Renders a template. What it prints is escaped if its name ends in `.html`. A variable that does not exist is an
    /// error.
    pub fn render(&self, name: &str, variables: impl Serialize) -> Result<String, TemplateError> {
        let rendered =
            self.engine.get_template(name).and_then(|template| template.render(Value::from(Serde(variables))));
        rendered.map_err(|error| invalid(self.file(error.name().unwrap_or(name)), &error))
    }

    fn file(&self, name: &str) -> Cow<'_, Path> {
        self.files.get(name).map_or_else(|| Path::new("templates").join(name).into(), Cow::from)
    }
}

/// Escapes as the engine does, but leaves `/` as it is, so that links stay readable in the source of a mail.
fn escape(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if matches!(state.auto_escape(), AutoEscape::Html) && !value.is_safe() => {
            for (index, part) in text.split('/').enumerate() {
                if index > 0 {
                    output.write_str("/")?;
                }
                escape_formatter(output, state, &Value::from(part))?;
            }
            Ok(())
        }
        _ => escape_formatter(output, state, value),
    }
}

fn invalid(file: Cow<'_, Path>, error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let kind = match error.kind() {
        ErrorKind::UndefinedError => "undefined variable".to_owned(),
        kind => kind.to_string(),
    };
    TemplateError::Invalid { file: file.into_owned(), line: error.line().unwrap_or(1), reason: kind + &detail }
}
