//! Which templates a mail is made of: those in the admin's `MAIL_TEMPLATES` folder, or else the built-in ones.
//!
//! The admin's are tried at start. If one failed only when a mail is sent, the person who waits for that mail would be
//! the first to notice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use strum::VariantArray as _;

use crate::templates::{TemplateError, Templates};

use super::{MailContent, MailKind, TemplateVariables, language};

/// The parts of a mail, by the endings of their templates.
const PARTS: [&str; 3] = ["subject.txt", "txt", "html"];
/// What the HTML parts of all mails extend.
const LAYOUT: &str = "layout.html";
/// The built-in languages, beginning with the one for everything else.
const LANGUAGES: [&str; 2] = [DEFAULT_LANGUAGE, "de"];
const DEFAULT_LANGUAGE: &str = "en";

#[derive(Clone)]
pub struct MailTemplates {
    templates: Templates,
    languages: BTreeSet<String>,
}

/// The folder of the admin has something in it that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum MailTemplateError {
    #[error("{}: {error}", .folder.display())]
    Unreadable { folder: PathBuf, error: std::io::Error },
    #[error("{}: not an email template; expected layout.html or <language>/<kind>.{{subject.txt,txt,html}}", .0.display())]
    Unknown(PathBuf),
    #[error("{}: is missing; a language that is not built in needs all templates", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl MailTemplates {
    pub fn built_in() -> Self {
        Self { templates: Templates::built_in(), languages: LANGUAGES.iter().map(ToString::to_string).collect() }
    }

    /// Files of `folder` replace the built-in templates one by one, or add a language. Each mail is rendered once.
    pub fn load(folder: &Path) -> Result<Self, MailTemplateError> {
        let mut mails = Self::built_in();
        let mut files = BTreeMap::new();
        for path in entries(folder)? {
            let name = file_name(&path);
            if path.is_dir() && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()) {
                files.extend(files_of_language(&name, &path)?);
                mails.languages.insert(name);
            } else if path.is_file() && name == LAYOUT {
                files.insert(format!("mail/{LAYOUT}"), path);
            } else {
                return Err(MailTemplateError::Unknown(path));
            }
        }
        mails.templates = mails.templates.with_files(files)?;
        mails.check(folder)?;
        Ok(mails)
    }

    /// The language for mails to a client with this `Accept-Language`.
    pub fn choose(&self, accept_language: Option<&str>) -> String {
        let accepted = language::accepted(accept_language.unwrap_or_default());
        let known = accepted.into_iter().find(|language| self.languages.contains(language));
        known.unwrap_or_else(|| DEFAULT_LANGUAGE.to_owned())
    }

    /// In English if the language was removed after the mail was queued.
    pub fn render(
        &self,
        kind: MailKind,
        language: &str,
        variables: &TemplateVariables,
    ) -> Result<MailContent, TemplateError> {
        #[derive(Serialize)]
        struct Variables<'a> {
            lang: &'a str,
            #[serde(flatten)]
            variables: &'a TemplateVariables,
        }
        let lang = if self.languages.contains(language) { language } else { DEFAULT_LANGUAGE };
        let part = |part| self.templates.render(&template_name(lang, kind, part), Variables { lang, variables });
        Ok(MailContent {
            // A header has one line.
            subject: part("subject.txt")?.split_whitespace().collect::<Vec<_>>().join(" "),
            text: part("txt")?,
            html: part("html")?,
            code: Some(variables.code.replace(' ', "")).filter(|code| !code.is_empty()),
        })
    }

    fn check(&self, folder: &Path) -> Result<(), MailTemplateError> {
        let known: BTreeSet<&str> = self.templates.names().collect();
        for language in &self.languages {
            for kind in MailKind::VARIANTS.iter().copied() {
                if let Some(part) = PARTS.iter().find(|part| !known.contains(&*template_name(language, kind, part))) {
                    let file = format!("{}.{part}", kind.name());
                    return Err(MailTemplateError::Missing(folder.join(language).join(file)));
                }
                self.render(kind, language, &TemplateVariables::sample())?;
            }
        }
        Ok(())
    }
}

fn template_name(language: &str, kind: MailKind, part: &str) -> String {
    format!("mail/{language}/{}.{part}", kind.name())
}

fn files_of_language(language: &str, folder: &Path) -> Result<BTreeMap<String, PathBuf>, MailTemplateError> {
    let mut files = BTreeMap::new();
    for path in entries(folder)? {
        let name = format!("mail/{language}/{}", file_name(&path));
        let is_part = |kind: &MailKind| PARTS.iter().any(|part| name == template_name(language, *kind, part));
        if !MailKind::VARIANTS.iter().any(is_part) {
            return Err(MailTemplateError::Unknown(path));
        }
        files.insert(name, path);
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, MailTemplateError> {
    let entries = std::fs::read_dir(folder).and_then(|entries| {
        let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        paths.sort();
        Ok(paths)
    });
    entries.map_err(|error| MailTemplateError::Unreadable { folder: folder.to_owned(), error })
}

fn file_name(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)]) -> Result<MailTemplates, String> {
        let folder = std::env::temp_dir().join(format!("vestibule-templates-{}", uuid::Uuid::now_v7()));
        for (name, source) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, source).unwrap();
        }
        let loaded = MailTemplates::load(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.display()), ""))
    }

    #[test]
    fn every_built_in_mail_can_be_rendered() {
        let mails = MailTemplates::built_in();
        mails.check(Path::new("")).unwrap();
        let files = mails.templates.names().filter(|name| name.starts_with("mail/")).count();
        assert_eq!(files, LANGUAGES.len() * MailKind::VARIANTS.len() * PARTS.len() + 1, "no file is unused");
    }

    #[test]
    fn a_template_that_cannot_work_is_named_with_its_line() {
        for (file, source, expected) in [
            ("en/confirm_email.txt", "Hello\n{{ link }\n", "en/confirm_email.txt, line 2: syntax error"),
            ("de/test.txt", "Hallo\n\n{{ lnik }}", "de/test.txt, line 3: undefined variable"),
            ("en/test.html", "{% extends \"mail/layout.htm\" %}", "en/test.html, line 1: template not found"),
            ("layout.html", "<html>\n{{ word }}", "layout.html, line 2: undefined variable"),
            ("en/confirm.txt", "", "en/confirm.txt: not an email template"),
            ("en/layout.html", "", "en/layout.html: not an email template"),
            ("layout.txt", "", "layout.txt: not an email template"),
            ("EN/test.txt", "", "EN: not an email template"),
            ("fr/confirm_email.txt", "", "fr/confirm_email.subject.txt: is missing"),
        ] {
            let refused = load(&[(file, source)]).err().unwrap();
            assert!(refused.starts_with(expected) && !refused.contains('\n'), "{refused}");
        }
        assert!(MailTemplates::load(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn an_admins_template_replaces_one_part_and_escapes() {
        let mails = load(&[("en/confirm_email.html", "<p>{{ device }} {{ link }}</p>")]).unwrap();
        let variables = TemplateVariables { device: "<b>".into(), ..TemplateVariables::sample() };
        let mail = mails.render(MailKind::ConfirmEmail, "en", &variables).unwrap();
        assert_eq!(mail.html, format!("<p>&lt;b&gt; {}</p>", variables.link));
        assert!(mail.text.contains("<b>") && mail.text.contains(&variables.link));
    }

    #[test]
    fn an_admins_layout_is_that_of_all_mails() {
        let mails = load(&[("layout.html", "{{ lang }}: {% block content %}{% endblock %}")]).unwrap();
        let mail = mails.render(MailKind::ResetPassword, "de", &TemplateVariables::sample()).unwrap();
        assert!(mail.html.starts_with("de: ") && mail.html.contains("class=\"button\""), "{}", mail.html);
    }

    #[test]
    fn the_language_is_the_most_preferred_that_exists() {
        let mails = MailTemplates::built_in();
        assert_eq!(mails.choose(Some("fr, de-AT;q=0.9, en;q=0.8")), "de");
        assert_eq!(mails.choose(Some("fr")), "en");
        assert_eq!(mails.choose(None), "en");
        let render = |language| mails.render(MailKind::Test, language, &TemplateVariables::sample()).unwrap();
        assert_eq!(render("fr"), render("en"));
    }

    #[test]
    fn a_subject_stays_one_line() {
        let service = "a\r\nBcc: eve@example.com".into();
        let variables = TemplateVariables { service, ..TemplateVariables::sample() };
        let mail = MailTemplates::built_in().render(MailKind::ConfirmEmail, "en", &variables).unwrap();
        assert!(!mail.subject.contains(['\r', '\n']));
    }
}
