//! The table of problems: code, status, title, detail (what an answer says) and meaning (what its page says).

use actix_web::http::StatusCode;
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

macro_rules! problems {
    ($($variant:ident $status:ident $title:literal $detail:literal $meaning:literal)+) => {
        /// A stable name for each error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, EnumString, IntoStaticStr, VariantArray)]
        #[serde(rename_all = "snake_case")]
        #[strum(serialize_all = "snake_case")]
        #[schema(as = ProblemCode)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            pub fn detail(self) -> &'static str {
                match self { $(Self::$variant => $detail,)+ }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

problems! {
    InvalidJson BAD_REQUEST "Not a JSON object"
        "The body must be one JSON object in UTF-8."
        "The body could not be read as a JSON object. Send one object in UTF-8, with Content-Type: application/json."
    InvalidCredentials UNAUTHORIZED "Wrong name or password"
        "The name or the password is wrong."
        "The sign-in failed. The answer is the same for an unknown account and for a wrong password, so that nobody can \
         find out who has an account."
    Unauthenticated UNAUTHORIZED "Not signed in"
        "You need a session. Sign in with POST /login."
        "The request has no session, or its session expired or was ended. Sign in with POST /login and send the cookie, \
         or the token as Authorization: Bearer."
    Unconfirmed FORBIDDEN "Address not confirmed"
        "You need a confirmed address. Open the link in the email; POST /resend sends it again."
        "You are signed in, but the address of the account is not confirmed yet. Open the link in the email that was \
         sent at registration. POST /resend with this session sends it again."
    PasswordRequired FORBIDDEN "Password required"
        "Send the password of the registration, its registration value, or its session."
        "The link proves that you read the mailbox, but not that you are the person who registered: anybody can register \
         an address. Send the password that you chose, the value of registration that POST /register answered, or a \
         session of the account. To confirm another address, send a session of the account or its password."
    WrongPassword FORBIDDEN "Wrong password"
        "The password is wrong."
        "This operation asks for your current password, or for that of the registration, and the one you sent is wrong. \
         You stay signed in. A wrong password counts as a failed try."
    NotFound NOT_FOUND "Not found"
        "Nothing exists at this path, or you may not see it."
        "Nothing exists at this path, or you may not see it. GET /docs/ shows what exists."
    MethodNotAllowed METHOD_NOT_ALLOWED "Method not allowed"
        "This path does not support the method; the Allow header lists those that it supports."
        "The path exists, but not with this method. The Allow header lists the methods that it supports."
    RequestTimeout REQUEST_TIMEOUT "Request timeout"
        "The body did not arrive within 10 s."
        "The body must arrive within 10 seconds. Nothing was changed. Send the request again."
    UsernameTaken CONFLICT "Username taken"
        "Another account has this username."
        "Usernames are public, unique and case-insensitive. Choose another one."
    LinkExpired GONE "Link expired"
        "This link has expired. Request a new one the same way."
        "The link is genuine, but too old. Request a new one the same way: POST /resend, POST /password/forgot or \
         POST /email/change. A link that undoes a change of address cannot be sent again."
    LinkUsed GONE "Link used"
        "This link was used or replaced, or its account no longer exists."
        "The link is genuine, but it does nothing any more: it was used, a newer link or another registration replaced \
         it, or the account no longer exists. Sign in, or start again with POST /password/forgot, POST /email/change \
         or POST /register."
    PayloadTooLarge PAYLOAD_TOO_LARGE "Body too large"
        "The body must not be larger than 16 KiB."
        "The body is larger than 16 KiB. No request of this service needs more."
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "Not JSON"
        "Send the body with Content-Type: application/json, uncompressed."
        "Bodies are JSON. Send Content-Type: application/json, in UTF-8 and without Content-Encoding."
    LinkInvalid UNPROCESSABLE_ENTITY "Link invalid"
        "This is not a link of this service. Was it copied in full?"
        "The token was not made by this service for this purpose, or was damaged on the way. Mail programs sometimes \
         break long links: copy it in full."
    CodeInvalid UNPROCESSABLE_ENTITY "Code invalid"
        "The code is wrong, used or expired. POST /resend sends a new one."
        "The code does not confirm this registration: one of the two is wrong or was used, the code is older than 15 minutes, \
         or it was tried 5 times. POST /resend sends an email with a new code. The link in the email works on."
    ValidationFailed UNPROCESSABLE_ENTITY "Invalid fields"
        "The fields listed in errors are invalid."
        "The body is a JSON object, but fields are missing, invalid or unknown. The member errors lists them \
         (of unknown fields, the first 20), each with a JSON pointer, a code and a reason."
    RateLimited TOO_MANY_REQUESTS "Too many tries"
        "Too many tries. Try again after Retry-After seconds."
        "There were too many tries with this name, or from this client. Wait for the number of seconds in Retry-After. \
         After 100 failed sign-ins in a row only a new password helps."
    CrossOrigin FORBIDDEN "Origin not allowed"
        "Pages of this origin may not use a session cookie; see ALLOWED_ORIGINS."
        "A browser sent this request for a page that does not belong to the service. If the page is yours, add its \
         origin to ALLOWED_ORIGINS."
    Internal INTERNAL_SERVER_ERROR "Internal error"
        "Something went wrong in the service. Please report the request id."
        "Something went wrong in the service. The log has the details under the request id."
    Overloaded SERVICE_UNAVAILABLE "Overloaded"
        "Too many passwords are being checked. Try again in a few seconds."
        "Checking a password is deliberately slow, and the queue for it is full. Try again after Retry-After seconds."
    Unavailable SERVICE_UNAVAILABLE "Temporarily unavailable"
        "The service cannot reach its database. Try again in a few seconds."
        "The database does not answer in time, or other requests are changing the same account. Nothing was changed, unless \
         the connection broke at the very moment of the change. Sessions stay as they are; try again after Retry-After \
         seconds."
}

impl Code {
    /// All codes, in the order of the table.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name in answers.
    pub fn name(self) -> &'static str {
        self.into()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// Seconds to wait before trying again helps.
    pub(super) fn retry_after(self) -> Option<u32> {
        match self {
            Self::Overloaded => Some(5),
            Self::Unavailable => Some(2),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_answers_say() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
            assert_eq!(Code::from_name(code.name()), Some(*code));
        }
        assert_eq!(Code::from_name("teapot"), None);
    }
}
