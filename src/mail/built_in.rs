//! The mails that ship, in English and German: templates that are checked when the service is compiled.

use askama::Template;

use super::content::{MailContent, MailKind, TemplateVariables};

/// The languages that ship; the first is what is written where nothing else fits.
pub(super) const LANGUAGES: [&str; 2] = ["en", "de"];

/// Declares the mails: for each kind and language a function that writes it, and the sources, which templates of the
/// admin can build on.
macro_rules! mails {
    ($($language:tt $kind:ident $name:ident $subject:tt $text:tt $html:tt)+) => {
        /// Writes a mail that ships. `None` in a language that does not.
        pub(super) fn write(kind: MailKind, language: &str, words: &TemplateVariables) -> Option<askama::Result<MailContent>> {
            match (language, kind) {
                $(($language, MailKind::$kind) => Some($name(words)),)+
                _ => None,
            }
        }

        /// The source of a template that ships, by name.
        pub(super) fn source(name: &str) -> Option<&'static str> {
            match name {
                "mail/en/layout.html" => Some(include_str!("../../templates/mail/en/layout.html")),
                "mail/de/layout.html" => Some(include_str!("../../templates/mail/de/layout.html")),
                $($subject => Some(include_str!(concat!("../../templates/", $subject))),
                  $text => Some(include_str!(concat!("../../templates/", $text))),
                  $html => Some(include_str!(concat!("../../templates/", $html))),)+
                _ => None,
            }
        }

        $(fn $name(words: &TemplateVariables) -> askama::Result<MailContent> {
            #[derive(Template)]
            #[template(path = $subject)]
            struct Subject<'a> {
                words: &'a TemplateVariables,
            }
            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> {
                words: &'a TemplateVariables,
            }
            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> {
                words: &'a TemplateVariables,
            }
            Ok(MailContent {
                subject: Subject { words }.render()?,
                text: Text { words }.render()?,
                html: Html { words }.render()?,
            })
        })+
    };
}

mails! {
    "en" ConfirmEmail confirm_email_en
        "mail/en/confirm_email.subject.txt" "mail/en/confirm_email.txt" "mail/en/confirm_email.html"
    "de" ConfirmEmail confirm_email_de
        "mail/de/confirm_email.subject.txt" "mail/de/confirm_email.txt" "mail/de/confirm_email.html"
    "en" AlreadyRegistered already_registered_en
        "mail/en/already_registered.subject.txt" "mail/en/already_registered.txt" "mail/en/already_registered.html"
    "de" AlreadyRegistered already_registered_de
        "mail/de/already_registered.subject.txt" "mail/de/already_registered.txt" "mail/de/already_registered.html"
    "en" ResetPassword reset_password_en
        "mail/en/reset_password.subject.txt" "mail/en/reset_password.txt" "mail/en/reset_password.html"
    "de" ResetPassword reset_password_de
        "mail/de/reset_password.subject.txt" "mail/de/reset_password.txt" "mail/de/reset_password.html"
    "en" PasswordChanged password_changed_en
        "mail/en/password_changed.subject.txt" "mail/en/password_changed.txt" "mail/en/password_changed.html"
    "de" PasswordChanged password_changed_de
        "mail/de/password_changed.subject.txt" "mail/de/password_changed.txt" "mail/de/password_changed.html"
    "en" ChangeEmail change_email_en
        "mail/en/change_email.subject.txt" "mail/en/change_email.txt" "mail/en/change_email.html"
    "de" ChangeEmail change_email_de
        "mail/de/change_email.subject.txt" "mail/de/change_email.txt" "mail/de/change_email.html"
    "en" EmailChangeNotice email_change_notice_en
        "mail/en/email_change_notice.subject.txt" "mail/en/email_change_notice.txt" "mail/en/email_change_notice.html"
    "de" EmailChangeNotice email_change_notice_de
        "mail/de/email_change_notice.subject.txt" "mail/de/email_change_notice.txt" "mail/de/email_change_notice.html"
    "en" AccountDeleted farewell_en
        "mail/en/account_deleted.subject.txt" "mail/en/account_deleted.txt" "mail/en/account_deleted.html"
    "de" AccountDeleted farewell_de
        "mail/de/account_deleted.subject.txt" "mail/de/account_deleted.txt" "mail/de/account_deleted.html"
    "en" Test test_en
        "mail/en/test.subject.txt" "mail/en/test.txt" "mail/en/test.html"
    "de" Test test_de
        "mail/de/test.subject.txt" "mail/de/test.txt" "mail/de/test.html"
}
