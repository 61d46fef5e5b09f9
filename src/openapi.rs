//! The OpenAPI 3.1 document: info, tags and security schemes. The operations come from the route table.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, ServerBuilder};
use utoipa::openapi::{RefOr, Required, SecurityRequirement};
use utoipa::{OpenApi as _, ToSchema as _};

use crate::config::DEFAULT_COOKIE_NAME;
use crate::flows::Operations;
use crate::problem::ProblemBody;

const DESCRIPTION: &str = "Sign-up, sign-in and email confirmation. Anyone can register, sign in and see their account; \
most other operations need a confirmed email address and answer `403 unconfirmed` until then.\n\nErrors are \
`application/problem+json` (RFC 9457); `code` is stable, and `type` is a page that explains it. Every answer has an \
`X-Request-Id`. `HEAD` works where `GET` does.";

/// The document, for a service under `base_path` whose session cookie is called `cookie_name`.
pub fn document(base_path: &str, cookie_name: &str) -> OpenApi {
    let mut document = Operations::openapi();
    document.info = InfoBuilder::new()
        .title("Vestibule")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0 OR MIT").identifier(Some("Apache-2.0 OR MIT")).build()))
        .build();
    let server = if base_path.is_empty() { "/" } else { base_path };
    document.servers = Some(vec![ServerBuilder::new().url(server).description(Some("This service")).build()]);
    document.tags = Some(vec![
        tag("account", "Accounts: register, confirm, view, change, delete"),
        tag("password", "Passwords: forgotten, reset, changed"),
        tag("session", "Sessions: sign in, sign out, list, end"),
        tag("token", "Access tokens: for your other services, and the keys that verify them"),
        tag("operation", "Health, error codes and this document"),
        tag("development", "On your own machine only"),
    ]);
    let mut components = document.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert(ProblemBody::name().into_owned(), <ProblemBody as utoipa::PartialSchema>::schema());
    components.add_security_scheme("session_cookie", cookie_scheme(cookie_name));
    components.add_security_scheme("bearer", bearer_scheme());
    document.components = Some(components);
    // Explicit: operations without a security requirement need no credentials.
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten() {
            operation.security.get_or_insert_with(|| vec![SecurityRequirement::default()]);
        }
    }
    // A session makes these bodies optional; utoipa has no attribute for that.
    for path in ["/resend", "/confirm/{token}"] {
        let operation = document.paths.paths.get_mut(path).and_then(|item| item.post.as_mut());
        if let Some(RefOr::T(body)) = operation.and_then(|operation| operation.request_body.as_mut()) {
            body.required = Some(Required::False);
        }
    }
    document
}

/// The document as text, with a line feed at its end.
///
/// # Errors
/// None that happens; serialising has one.
pub fn json() -> serde_json::Result<String> {
    Ok(document("", DEFAULT_COOKIE_NAME).to_pretty_json()? + "\n")
}

fn tag(name: &str, description: &str) -> Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

fn cookie_scheme(name: &str) -> SecurityScheme {
    let description = "The session cookie of `POST /login`; `__Host-session` under https, unless `COOKIE_NAME` is set.";
    SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(name, description)))
}

fn bearer_scheme() -> SecurityScheme {
    let description = "The `token` of `POST /login` with `\"transport\": \"bearer\"`.";
    SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build())
}
