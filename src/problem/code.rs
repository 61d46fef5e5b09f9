//! The table of problems: code, status, title, what a caller should know, what it means.

use actix_web::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! problems {
    ($($variant:ident $name:literal $status:ident $title:literal $detail:literal $meaning:literal)+) => {
        /// A stable name for each thing that can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = ProblemCode)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in answers.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The code in words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What an answer says where nothing more is known.
            #[must_use]
            pub fn detail(self) -> &'static str {
                match self { $(Self::$variant => $detail,)+ }
            }

            /// What it means and what to do, for `/problems/{code}`.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

problems! {
    InvalidJson "invalid_json" BAD_REQUEST "Not a JSON object"
        "The body must be one JSON object in UTF-8."
        "The body could not be read as a JSON object. Send one object in UTF-8, with Content-Type: application/json."
    InvalidCredentials "invalid_credentials" UNAUTHORIZED "Wrong name or password"
        "No account has this name and password."
        "The login failed. The answer is the same whether the account is unknown or the password is wrong, so that \
         nobody can find out who has an account."
    Unauthenticated "unauthenticated" UNAUTHORIZED "Not signed in"
        "This needs a session. Sign in with POST /login."
        "The request has no session, or its session was ended or is past its time. Sign in with POST /login and send \
         the cookie, or the token as Authorization: Bearer."
    Unconfirmed "unconfirmed" FORBIDDEN "Address not confirmed"
        "This needs a confirmed address. Open the link in the letter; POST /resend sends it again."
        "You are signed in, but the account's address is not confirmed yet. Open the link in the letter that was sent \
         at registration. POST /resend with this session sends it again."
    WrongPassword "wrong_password" FORBIDDEN "Wrong password"
        "The current password is wrong."
        "This change asks for the current password, and the one that was given is wrong. The session stays. Wrong \
         passwords count here as they do at the login."
    NotFound "not_found" NOT_FOUND "Not found"
        "There is nothing here."
        "This address does not exist, or not for you. GET /docs/ shows what there is."
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "Method not allowed"
        "This address does not know the method; Allow names those that it knows."
        "The address exists, but not with this method. The Allow header names the methods that it knows."
    UsernameTaken "username_taken" CONFLICT "Username taken"
        "Somebody else has this username."
        "Usernames are public and unique, compared without case. Choose another one."
    LinkExpired "link_expired" GONE "Link expired"
        "This link is past its time. Ask for a new one where you asked for this one."
        "The link is genuine, but too old. Ask for a new one as for the first: POST /resend, POST /password/forgot or POST \
         /email/change. A link that takes a change of address back is sent once."
    LinkUsed "link_used" GONE "Link used"
        "This link was replaced or spent, or its account is gone."
        "The link is genuine, but there is nothing left that it could do: it was spent, a newer one or another \
         registration took its place, or the account is gone. Sign in, or begin anew: POST /password/forgot, POST \
         /email/change or POST /register."
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE "Body too large"
        "A body has at most 16 KiB."
        "The body is larger than 16 KiB. No request of this service needs more."
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "Not JSON"
        "Send the body with Content-Type: application/json, uncompressed."
        "Bodies are JSON. Send Content-Type: application/json, in UTF-8 and without Content-Encoding."
    LinkInvalid "link_invalid" UNPROCESSABLE_ENTITY "Link invalid"
        "This is not a link of this service. Was it copied in full?"
        "The token was not made by this service for this purpose, or was changed on its way. Mail programs sometimes \
         break long links: copy it in full."
    ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "Fields are wrong"
        "The fields in errors are wrong."
        "The body is a JSON object, but fields are missing, wrong or unknown. The member errors lists all of them, \
         each with a JSON pointer, a code and a reason."
    RateLimited "rate_limited" TOO_MANY_REQUESTS "Too many tries"
        "Too many tries. Try again after Retry-After seconds."
        "There were too many tries with this name, or from this client. Wait for the seconds in Retry-After. After 100 \
         failed logins in a row only a password reset helps."
    CrossOrigin "cross_origin" FORBIDDEN "Not from here"
        "A page of another origin must not do this with somebody's cookie; see ALLOWED_ORIGINS."
        "A browser sent this request on behalf of a page that does not belong to the service. If the page is yours, add \
         its origin to ALLOWED_ORIGINS."
    Internal "internal" INTERNAL_SERVER_ERROR "Our fault"
        "Something went wrong on our side. Please tell us the request id."
        "The service met a fault of its own. The operator finds the details in the log under the request id."
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too much at once"
        "Too many passwords are being checked. Try again in a few seconds."
        "Checking a password takes work on purpose, and the queue for it is full. Try again after Retry-After seconds."
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Database away"
        "The service cannot reach its database. Try again in a few seconds."
        "The database cannot be reached or does not answer. Nothing was changed, unless the connection broke just as \
         the change was being kept. Sessions stay as they are; try again after Retry-After seconds."
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Seconds to wait where trying again helps.
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
