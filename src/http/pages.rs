//! The few pages that a browser sees, and the choice between a page and JSON.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::mail::mailbox::Mail;
use crate::problem::{Code, Problem};

/// What pages may do: show themselves, send their own form, and nothing that comes from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                           frame-ancestors 'none'";
/// The same for the page that shows a mail: its HTML brings its own styles, in a frame without any rights.
const LETTER_POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-src 'self'; \
                             form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The style of all pages.
pub const STYLE: &str = include_str!("../../templates/pages/style.css");

/// The page around Swagger UI: its own has no viewport, so that a phone shows it too small to read.
pub const DOCS: &str = include_str!("../../templates/pages/docs.html");

/// What a browser sees of a link.
#[derive(Debug)]
pub enum LinkPage {
    /// It can be spent: a button.
    Ask {
        /// Whether it takes a change back, instead of proving an address.
        is_undo: bool,
        /// The address that it proves, or that the account gets back.
        email: String,
    },
    /// It was spent.
    Done {
        /// Whether it took a change back.
        is_undo: bool,
        /// The address that it proved, or that the account got back.
        email: String,
    },
    /// It opens nothing.
    Failed(Problem),
}

#[derive(Template)]
#[template(path = "pages/link.html")]
struct LinkTemplate<'a> {
    page: &'a LinkPage,
}

/// What a browser sees of a link that sets a password.
#[derive(Debug)]
pub enum ResetPage {
    /// A form.
    Ask {
        /// The address of the account.
        email: String,
        /// What is wrong with the password that was sent before.
        complaint: Option<String>,
    },
    /// The password is set.
    Done {
        /// The address of the account.
        email: String,
    },
    /// The link opens nothing.
    Failed(Problem),
}

#[derive(Template)]
#[template(path = "pages/reset.html")]
struct ResetTemplate<'a> {
    page: &'a ResetPage,
}

#[derive(Template)]
#[template(path = "pages/problem.html")]
struct ProblemTemplate {
    code: Code,
}

#[derive(Template)]
#[template(path = "pages/mailbox.html")]
struct MailboxTemplate<'a> {
    mails: &'a [Mail],
}

#[derive(Template)]
#[template(path = "pages/mail.html")]
struct MailTemplate<'a> {
    mail: &'a Mail,
    framed: &'a str,
    source: &'a str,
}

/// Whether the client would rather have a page than JSON: `Accept` prefers `text/html`.
#[must_use]
pub fn wants_html(req: &HttpRequest) -> bool {
    let accept = req.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let quality = |wanted: &str| {
        accept.split(',').filter_map(|range| weighed(range, wanted)).max_by(f32::total_cmp).unwrap_or(0.0)
    };
    let html = quality("text/html");
    html > 0.0 && html >= quality("application/json")
}

/// The quality of a media range, if it names `wanted` itself.
fn weighed(range: &str, wanted: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(wanted) {
        return None;
    }
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    // From 0 to 1 (RFC 9110, section 12.4.2); `nan` and `inf`, which Rust reads, would outweigh every other range.
    let weight = quality.and_then(|text| text.parse().ok()).filter(|weight| (0.0..=1.0).contains(weight));
    Some(weight.unwrap_or(1.0))
}

/// The page of a link.
#[must_use]
pub fn link(page: &LinkPage) -> HttpResponse {
    let status = match page {
        LinkPage::Failed(problem) => problem.code.status(),
        _ => StatusCode::OK,
    };
    html(HttpResponse::build(status), &LinkTemplate { page }, PAGE_POLICY)
}

/// The page of a link that sets a password.
#[must_use]
pub fn reset(page: &ResetPage) -> HttpResponse {
    let status = match page {
        ResetPage::Failed(problem) => problem.code.status(),
        ResetPage::Ask { complaint: Some(_), .. } => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    html(HttpResponse::build(status), &ResetTemplate { page }, PAGE_POLICY)
}

/// The page that explains a code.
#[must_use]
pub fn problem(code: Code) -> HttpResponse {
    html(HttpResponse::Ok(), &ProblemTemplate { code }, PAGE_POLICY)
}

/// The development mailbox.
#[must_use]
pub fn mailbox(mails: &[Mail]) -> HttpResponse {
    html(HttpResponse::Ok(), &MailboxTemplate { mails }, PAGE_POLICY)
}

/// A mail of the development mailbox, with the source of its message.
#[must_use]
pub fn mail(mail: &Mail, source: &str) -> HttpResponse {
    // A link in the frame opens beside it: within it, the page that it leads to may not be shown.
    let framed = mail.html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    html(HttpResponse::Ok(), &MailTemplate { mail, framed: &framed, source }, LETTER_POLICY)
}

/// What to do about a link that opens nothing. Somebody who clicked it has no use for the names of operations.
fn advice(problem: &Problem) -> &'static str {
    match problem.code {
        Code::LinkExpired => {
            "This link is past its time, and changed nothing. If you still need one, ask for it where you asked for \
             this one."
        }
        Code::LinkUsed => {
            "There is nothing left that this link could do: it was used before, a newer one took its place, or its \
             account is gone. Try to sign in. If you still need a link, ask for it where you asked for this one."
        }
        code => code.meaning(),
    }
}

fn html(mut answer: HttpResponseBuilder, template: &impl Template, policy: &str) -> HttpResponse {
    match template.render() {
        Ok(text) => {
            answer.insert_header(ContentType::html()).insert_header((CONTENT_SECURITY_POLICY, policy)).body(text)
        }
        Err(error) => HttpResponse::from_error(Problem::internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

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
}
