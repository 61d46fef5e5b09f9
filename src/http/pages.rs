//! The pages that a browser sees, and the choice between a page and JSON.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::mail::mailbox::Mail;
use crate::problem::{Code, Problem};
use crate::templates::Templates;

/// Pages use our style sheet and send forms to us, and load nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'";
/// The page of a mail also has its HTML, which brings its own styles, in a frame without any rights.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-src 'self'; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub const STYLE: &str = include_str!("../../templates/pages/style.css");

/// What a browser sees of a link that confirms an address, or undoes a change of it.
#[derive(Debug)]
pub enum LinkPage {
    /// A button that uses the link.
    Ask {
        is_undo: bool,
        email: String,
        /// Whether it asks for the password of the registration.
        needs_password: bool,
        /// What was wrong with the last try.
        complaint: Option<Problem>,
    },
    /// The link was used.
    Done {
        is_undo: bool,
        email: String,
        /// Where to set a new password, if the old one no longer works.
        reset_url: Option<String>,
    },
    /// The link does not work.
    Failed(Problem),
}

/// What a browser sees of a link that sets a password.
#[derive(Debug)]
pub enum ResetPage {
    Ask {
        email: String,
        /// What is wrong with the password that was sent.
        complaint: Option<String>,
    },
    Done {
        email: String,
    },
    Failed(Problem),
}

/// Whether `Accept` prefers a page to JSON.
pub fn wants_html(req: &HttpRequest) -> bool {
    let accept = req.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let quality = |wanted: &str| {
        accept.split(',').filter_map(|range| quality_of(range, wanted)).max_by(f32::total_cmp).unwrap_or(0.0)
    };
    let html = quality("text/html");
    html > 0.0 && html >= quality("application/json")
}

/// The quality of a media range, if it names `wanted` itself.
fn quality_of(range: &str, wanted: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(wanted) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    // From 0 to 1 (RFC 9110, section 12.4.2); `nan` and `inf`, which Rust reads, would outweigh every other range.
    let weight = quality.and_then(|text| text.parse().ok()).filter(|weight| (0.0..=1.0).contains(weight));
    Some(weight.unwrap_or(1.0))
}

pub fn link(templates: &Templates, page: &LinkPage) -> HttpResponse {
    match page {
        LinkPage::Ask { is_undo, email, needs_password, complaint } => {
            let name = if *is_undo { "undo_email_change" } else { "confirm_email" };
            let status = complaint.as_ref().map_or(StatusCode::OK, |problem| problem.code.status());
            let is_wrong = complaint.as_ref().is_some_and(|problem| problem.code == Code::WrongPassword);
            let variables = json!({ "email": email, "needs_password": needs_password, "is_wrong": is_wrong });
            page_of(templates, status, name, &variables)
        }
        LinkPage::Done { is_undo, email, reset_url } => {
            let name = if *is_undo { "email_change_undone" } else { "email_confirmed" };
            page_of(templates, StatusCode::OK, name, &json!({ "email": email, "reset_url": reset_url }))
        }
        LinkPage::Failed(problem) => broken_link(templates, problem),
    }
}

pub fn reset(templates: &Templates, page: &ResetPage) -> HttpResponse {
    match page {
        ResetPage::Ask { email, complaint } => {
            let status = if complaint.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            page_of(templates, status, "reset_password", &json!({ "email": email, "complaint": complaint }))
        }
        ResetPage::Done { email } => page_of(templates, StatusCode::OK, "password_reset", &json!({ "email": email })),
        ResetPage::Failed(problem) => broken_link(templates, problem),
    }
}

fn broken_link(templates: &Templates, problem: &Problem) -> HttpResponse {
    let variables = json!({ "title": problem.code.title(), "help": link_help(problem.code) });
    page_of(templates, problem.code.status(), "broken_link", &variables)
}

/// What to do about a link that does not work, without the names of API operations.
fn link_help(code: Code) -> &'static str {
    match code {
        Code::LinkExpired => {
            "This link has expired. Nothing was changed. If you still need a link, request a new one where you \
             requested this one."
        }
        Code::LinkUsed => {
            "This link was already used, was replaced by a newer one, or its account no longer exists. Try to sign in. \
             If you still need a link, request a new one where you requested this one."
        }
        Code::LinkInvalid => {
            "This is not a valid link of this service. Email programs sometimes break long links: copy it in full."
        }
        code => code.meaning(),
    }
}

/// The page that explains an error code.
pub fn problem(templates: &Templates, code: Code) -> HttpResponse {
    let (title, status) = (code.title(), code.status().to_string());
    let variables = json!({ "code": code.name(), "title": title, "status": status, "meaning": code.meaning() });
    page_of(templates, StatusCode::OK, "problem", &variables)
}

/// The development mailbox.
pub fn mailbox(templates: &Templates, mails: &[Mail]) -> HttpResponse {
    let mails: Vec<Value> = mails.iter().map(mail_variables).collect();
    page_of(templates, StatusCode::OK, "mailbox", &json!({ "mails": mails }))
}

/// A mail in the development mailbox, with its source.
pub fn mail(templates: &Templates, mail: &Mail, source: &str) -> HttpResponse {
    // Links open outside the frame, because our pages refuse to be framed.
    let framed = mail.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    let variables = json!({ "mail": mail_variables(mail), "framed": framed, "source": source });
    html(templates, StatusCode::OK, "mail", &variables, MAIL_POLICY)
}

fn mail_variables(mail: &Mail) -> Value {
    let Mail { id, to, subject, sent_at, text, links, code, html: _ } = mail;
    let sent_at = sent_at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    json!({ "id": id, "to": to, "subject": subject, "sent_at": sent_at, "text": text, "links": links, "code": code })
}

/// The page around Swagger UI. Its own has no viewport, so its text is too small on a phone.
pub fn docs(templates: &Templates, policy: &str) -> HttpResponse {
    html(templates, StatusCode::OK, "docs", &json!({}), policy)
}

fn page_of(templates: &Templates, status: StatusCode, name: &str, variables: &Value) -> HttpResponse {
    html(templates, status, name, variables, PAGE_POLICY)
}

fn html(templates: &Templates, status: StatusCode, name: &str, variables: &Value, policy: &str) -> HttpResponse {
    match templates.render(&format!("pages/{name}.html"), variables) {
        Ok(text) => HttpResponse::build(status)
            .insert_header(ContentType::html())
            .insert_header((CONTENT_SECURITY_POLICY, policy))
            .body(text),
        Err(error) => HttpResponse::from_error(Problem::internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use actix_web::test::TestRequest;
    use chrono::DateTime;
    use strum::VariantArray as _;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_page_is_for_those_who_would_rather_have_one() {
        let wants =
            |accept: &str| wants_html(&TestRequest::default().insert_header((ACCEPT, accept)).to_http_request());
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json;q=0.5, TEXT/HTML;Q=0.9",
            "text/html;q=nan, text/html",
            "text/html, application/json;q=0.9",
        ] {
            assert!(wants(accept), "{accept}");
        }
        for accept in
            ["", "*/*", "text/html;q=0", "application/json, text/html;q=0.9", "application/json;q=inf, text/html;q=0.1"]
        {
            assert!(!wants(accept), "{accept}");
        }
    }

    #[test]
    fn every_page_can_be_rendered_in_every_state() {
        let templates = Templates::built_in();
        let email = "o'hara&co@example.com".to_owned();
        let mut rendered = Vec::new();
        for is_undo in [false, true] {
            for complaint in [None, Some(Problem::new(Code::WrongPassword))] {
                let (email, needs_password) = (email.clone(), complaint.is_some());
                rendered.push(link(&templates, &LinkPage::Ask { is_undo, email, needs_password, complaint }));
            }
            for reset_url in [None, Some("https://auth.example.com/password/reset/token".to_owned())] {
                rendered.push(link(&templates, &LinkPage::Done { is_undo, email: email.clone(), reset_url }));
            }
        }
        for complaint in [None, Some("must have at least 8 characters".to_owned())] {
            rendered.push(reset(&templates, &ResetPage::Ask { email: email.clone(), complaint }));
        }
        rendered.push(reset(&templates, &ResetPage::Done { email }));
        for code in Code::VARIANTS.iter().copied() {
            rendered.push(link(&templates, &LinkPage::Failed(Problem::new(code))));
            rendered.push(reset(&templates, &ResetPage::Failed(Problem::new(code))));
            rendered.push(problem(&templates, code));
        }
        let a_mail = a_mail("<b> & /");
        for mails in [Vec::new(), vec![a_mail.clone()]] {
            rendered.push(mailbox(&templates, &mails));
        }
        for links in [Vec::new(), vec!["https://auth.example.com/confirm/token".to_owned()]] {
            rendered.push(mail(&templates, &Mail { links, ..a_mail.clone() }, "source"));
        }
        rendered.push(docs(&templates, PAGE_POLICY));
        for page in rendered {
            let is_expected = page.status() != StatusCode::INTERNAL_SERVER_ERROR
                || page.headers().contains_key(CONTENT_SECURITY_POLICY);
            assert!(is_expected, "{page:?}");
        }
    }

    #[test]
    fn what_a_page_quotes_is_escaped_once() {
        let page = mail(&Templates::built_in(), &a_mail("<b> & \"it's\""), "<source>");
        let text = String::from_utf8(page.into_body().try_into_bytes().unwrap().to_vec()).unwrap();
        let quoted = "&lt;b&gt; &amp; &quot;it&#x27;s&quot;";
        assert!(
            text.contains(&format!("<title>{quoted}</title>")) && text.contains(&format!("<h1>{quoted}</h1>")),
            "{text}"
        );
        assert!(text.contains("<pre>&lt;source&gt;</pre>") && text.contains("srcdoc=\"&lt;p&gt;"), "{text}");
    }

    fn a_mail(subject: &str) -> Mail {
        let (to, text, html) = ("ada@example.com".into(), "text".into(), "<p>html</p>".into());
        let (id, sent_at) = (Uuid::nil(), DateTime::UNIX_EPOCH);
        Mail { id, to, subject: subject.to_owned(), sent_at, text, html, links: Vec::new(), code: None }
    }
}
