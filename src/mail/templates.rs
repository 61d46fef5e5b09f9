//! Which template writes a mail: the admin's, from `MAIL_TEMPLATES`, or the one that ships.
//!
//! The admin's are read and tried at start. One that fails only when a mail leaves would be found by the person
//! who waits for the mail.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};

use super::{MailContent, MailKind, TemplateVariables, built_in, language};

/// The parts of a mail, by the ending of their files.
const PARTS: [&str; 3] = ["subject.txt", "txt", "html"];
const LAYOUT: &str = "layout.html";

/// Writes mails.
#[derive(Clone)]
pub struct Templates {
    own: Option<Arc<Environment<'static>>>,
    languages: Arc<Vec<String>>,
}

/// A template of the admin that cannot work. Its text names file and line.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The folder or a file in it cannot be read.
    #[error("{}: {error}", .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that no mail would use.
    #[error("{}: is no template of a mail; templates are <language>/<mail>.{{subject.txt,txt,html}}", .0.display())]
    Unknown(PathBuf),
    /// A language of one's own needs all mails.
    #[error("{}: is missing; a language that does not ship needs all templates", .0.display())]
    Missing(PathBuf),
    /// The template itself.
    #[error("{}, line {line}: {reason}", .file.display())]
    Wrong {
        /// Where it stands.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// One that ships; a test renders them all.
    #[error("a template that ships: {0}")]
    Shipped(#[from] askama::Error),
}

impl Templates {
    /// The templates that ship.
    #[must_use]
    pub fn built_in() -> Self {
        let languages = built_in::LANGUAGES.iter().map(ToString::to_string).collect();
        Self { own: None, languages: Arc::new(languages) }
    }

    /// The admin's templates in `folder`, as `<language>/<mail>.{subject.txt,txt,html}`, before those that ship.
    /// Each is tried once.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn load(folder: &Path) -> Result<Self, TemplateError> {
        let mut own = Environment::new();
        own.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut languages: Vec<String> = built_in::LANGUAGES.iter().map(ToString::to_string).collect();
        for (language, path) in subfolders(folder)? {
            add_language(&mut own, &language, &path)?;
            if !languages.contains(&language) {
                languages.push(language);
            }
        }
        // What they build on can be one that ships.
        own.set_loader(|name| Ok(built_in::source(name).map(ToOwned::to_owned)));
        let templates = Self { own: Some(Arc::new(own)), languages: Arc::new(languages) };
        templates.check(folder)?;
        Ok(templates)
    }

    /// The language to write in for somebody who sends this `Accept-Language`.
    #[must_use]
    pub fn choose(&self, accept_language: Option<&str>) -> String {
        let accepted = language::accepted(accept_language.unwrap_or_default());
        let known = accepted.into_iter().find(|language| self.languages.contains(language));
        known.unwrap_or_else(|| built_in::LANGUAGES[0].to_owned())
    }

    /// Writes a mail; in a language that is gone meanwhile, in English.
    ///
    /// # Errors
    /// A template of the admin that fails on these words, though it did not on those that it was tried with.
    pub fn write(
        &self,
        kind: MailKind,
        language: &str,
        words: &TemplateVariables,
    ) -> Result<MailContent, TemplateError> {
        let language =
            if self.languages.iter().any(|known| known == language) { language } else { built_in::LANGUAGES[0] };
        let shipped = built_in::write(kind, language, words).transpose()?;
        let part = |ending: &str, shipped: Option<&String>| match self.own_part(kind, language, ending, words) {
            Some(own) => own.map_err(|error| wrong(Path::new(""), &error)),
            None => Ok(shipped.cloned().unwrap_or_default()),
        };
        let subject = part("subject.txt", shipped.as_ref().map(|mail| &mail.subject))?;
        Ok(MailContent {
            // A header has one line.
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            text: part("txt", shipped.as_ref().map(|mail| &mail.text))?,
            html: part("html", shipped.as_ref().map(|mail| &mail.html))?,
        })
    }

    fn own_part(
        &self,
        kind: MailKind,
        language: &str,
        ending: &str,
        words: &TemplateVariables,
    ) -> Option<Result<String, minijinja::Error>> {
        let own = self.own.as_ref()?;
        let name = template_name(language, &format!("{}.{ending}", kind.name()));
        // Only what the folder has: what ships is written by the code that was compiled from it.
        own.templates()
            .find(|(known, _)| **known == name)
            .map(|(_, template)| template.render(context! { words => Value::from(Serde(words)) }))
    }

    fn check(&self, folder: &Path) -> Result<(), TemplateError> {
        for language in self.languages.iter() {
            for kind in MailKind::ALL.iter().copied() {
                for ending in PARTS {
                    match self.own_part(kind, language, ending, &TemplateVariables::sample()) {
                        Some(Err(error)) => return Err(wrong(folder, &error)),
                        None if !built_in::LANGUAGES.contains(&language.as_str()) => {
                            let file = format!("{}.{ending}", kind.name());
                            return Err(TemplateError::Missing(folder.join(language).join(file)));
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

fn subfolders(folder: &Path) -> Result<Vec<(String, PathBuf)>, TemplateError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !path.is_dir() || name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(TemplateError::Unknown(path));
        }
        found.push((name, path));
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, TemplateError> {
    let unreadable = |error| TemplateError::Unreadable { file: folder.to_owned(), error };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

fn add_language(own: &mut Environment<'static>, language: &str, folder: &Path) -> Result<(), TemplateError> {
    for path in entries(folder)? {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let is_mail = |kind: MailKind| PARTS.iter().any(|ending| file == format!("{}.{ending}", kind.name()));
        if file != LAYOUT && !MailKind::ALL.iter().copied().any(is_mail) {
            return Err(TemplateError::Unknown(path));
        }
        let source =
            std::fs::read_to_string(&path).map_err(|error| TemplateError::Unreadable { file: path.clone(), error })?;
        let added = own.add_template_owned(template_name(language, &file), source);
        added.map_err(|error| wrong_in(path, &error))?;
    }
    Ok(())
}

/// The name by which templates extend each other, the same as among those that ship.
fn template_name(language: &str, file: &str) -> String {
    format!("mail/{language}/{file}")
}

fn wrong(folder: &Path, error: &minijinja::Error) -> TemplateError {
    let name = error.name().unwrap_or_default();
    wrong_in(folder.join(name.strip_prefix("mail/").unwrap_or(name)), error)
}

fn wrong_in(file: PathBuf, error: &minijinja::Error) -> TemplateError {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let reason = match error.kind() {
        ErrorKind::UndefinedError => "uses a word that there is not".to_owned(),
        kind => kind.to_string(),
    };
    TemplateError::Wrong { file, line: error.line().unwrap_or(1), reason: format!("{reason}{detail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(files: &[(&str, &str)]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("vestibule-templates-{}", uuid::Uuid::now_v7()));
        for (name, source) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, source).unwrap();
        }
        folder
    }

    fn refusal(files: &[(&str, &str)]) -> String {
        let folder = folder_with(files);
        let text = Templates::load(&folder).err().map(|error| error.to_string());
        std::fs::remove_dir_all(&folder).unwrap();
        text.expect("it is refused").replace(&format!("{}/", folder.display()), "")
    }

    #[test]
    fn what_ships_reads_the_same_for_both_engines() {
        // The sources that ship, as if an admin had copied them all.
        let mut files = Vec::new();
        for language in built_in::LANGUAGES {
            for kind in MailKind::ALL.iter().copied() {
                for ending in PARTS {
                    let file = format!("{}.{ending}", kind.name());
                    let source = built_in::source(&template_name(language, &file)).unwrap();
                    files.push((format!("{language}/{file}"), source));
                }
            }
        }
        let folder = folder_with(&files.iter().map(|(name, source)| (name.as_str(), *source)).collect::<Vec<_>>());
        let own = Templates::load(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        // The engines escape a slash differently; both are right.
        let unescaped = |mail: MailContent| MailContent { html: mail.html.replace("&#x2f;", "/"), ..mail };
        for language in built_in::LANGUAGES {
            for kind in MailKind::ALL.iter().copied() {
                let write =
                    |templates: &Templates| templates.write(kind, language, &TemplateVariables::sample()).unwrap();
                assert_eq!(unescaped(write(&own)), write(&Templates::built_in()), "{language} {}", kind.name());
            }
        }
    }

    #[test]
    fn a_template_that_cannot_work_is_named_with_its_line() {
        let refused = refusal(&[("en/confirm_email.txt", "Hello\n{{ words.link }\n")]);
        assert!(refused.starts_with("en/confirm_email.txt, line 2: syntax error"), "{refused}");
        let refused = refusal(&[("de/test.txt", "Hallo\n\n{{ words.lnik }}")]);
        assert!(refused.starts_with("de/test.txt, line 3: uses a word that there is not"), "{refused}");
        let refused = refusal(&[("en/confirm.txt", "")]);
        assert!(refused.starts_with("en/confirm.txt: is no template"), "{refused}");
        let refused = refusal(&[("fr/confirm_email.txt", "")]);
        assert!(refused.starts_with("fr/confirm_email.subject.txt: is missing"), "{refused}");
        assert!(Templates::load(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn an_admins_template_writes_its_part_and_escapes() {
        let folder = folder_with(&[("en/confirm_email.html", "<p>{{ words.device }}</p>")]);
        let own = Templates::load(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let words = TemplateVariables { device: "<b>".into(), ..TemplateVariables::sample() };
        let mail = own.write(MailKind::ConfirmEmail, "en", &words).unwrap();
        assert_eq!(mail.html, "<p>&lt;b&gt;</p>");
        assert!(mail.text.contains("<b>") && mail.text.contains(&words.link));
    }

    #[test]
    fn the_language_is_the_dearest_that_there_is() {
        let templates = Templates::built_in();
        assert_eq!(templates.choose(Some("fr, de-AT;q=0.9, en;q=0.8")), "de");
        assert_eq!(templates.choose(Some("fr")), "en");
        assert_eq!(templates.choose(None), "en");
        let gone = templates.write(MailKind::Test, "fr", &TemplateVariables::sample()).unwrap();
        assert_eq!(gone, templates.write(MailKind::Test, "en", &TemplateVariables::sample()).unwrap());
    }

    #[test]
    fn a_subject_stays_one_line() {
        let words = TemplateVariables { service: "a\r\nBcc: eve@example.com".into(), ..TemplateVariables::sample() };
        let mail = Templates::built_in().write(MailKind::ConfirmEmail, "en", &words).unwrap();
        assert!(!mail.subject.contains(['\r', '\n']));
    }
}
