//! The errors that operations can answer, for the OpenAPI document.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Header, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema as _};

use crate::problem::Code;

macro_rules! problem_responses {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),+;)+) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    of(&[$(Code::$code),+])
                }
            }
        )+
    };
}

problem_responses! {
    /// Every operation can answer this.
    ServerErrors: Internal;
    DatabaseErrors: Internal, Unavailable;
    HashingErrors: Internal, Overloaded, Unavailable;
    BodyErrors: InvalidJson, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed;
    /// For the guard `SignedIn`.
    NeedsSession: Unauthenticated;
    /// For the guard `Confirmed`.
    NeedsConfirmed: Unauthenticated, Unconfirmed;
    LinkErrors: LinkExpired, LinkUsed, LinkInvalid;
    /// After `BodyErrors`, whose 422 it has too.
    CodeErrors: CodeInvalid, ValidationFailed;
    WrongCredentials: InvalidCredentials;
    /// For changes behind the guard `Confirmed`.
    ConfirmedChange: Unauthenticated, Unconfirmed, CrossOrigin;
    /// For sensitive operations behind the guard `Confirmed`.
    ConfirmedReauth: Unauthenticated, Unconfirmed, WrongPassword, CrossOrigin;
    /// For sensitive operations behind the guard `SignedIn`.
    SignedInReauth: Unauthenticated, WrongPassword, CrossOrigin;
    /// For links that need a proof of the registration.
    LinkProof: PasswordRequired, WrongPassword, CrossOrigin;
    RateLimits: RateLimited;
    CrossOrigin: CrossOrigin;
    UsernameTaken: UsernameTaken;
    Missing: NotFound;
}

/// The same as `T`, where a browser gets a page instead.
pub struct OrPage<T>(PhantomData<T>);

impl<T: IntoResponses> IntoResponses for OrPage<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = T::responses();
        for response in responses.values_mut() {
            if let RefOr::T(response) = response {
                let page = ContentBuilder::new().schema(Some(String::schema())).build();
                response.content.insert("text/html".into(), page.into());
            }
        }
        responses
    }
}

/// One response per status; codes of one status share it.
fn of(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut statuses: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in codes {
        statuses.entry(code.status().as_str().to_owned()).or_default().push(*code);
    }
    statuses.into_iter().map(|(status, codes)| (status, response(&codes).into())).collect()
}

fn response(codes: &[Code]) -> Response {
    let texts: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.name(), code.title())).collect();
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut response = ResponseBuilder::new().description(texts.join(" · ")).content("application/problem+json", body);
    if codes.contains(&Code::Unauthenticated) {
        response = response.header("WWW-Authenticate", header(Type::String, "`Bearer`"));
    }
    if codes.iter().any(|code| matches!(code, Code::Overloaded | Code::Unavailable | Code::RateLimited)) {
        response = response.header("Retry-After", header(Type::Integer, "Seconds to wait"));
    }
    response.build()
}

fn header(type_: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(type_)).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
