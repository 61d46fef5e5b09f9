//! The body of a login, read strictly.

use utoipa::ToSchema;

use crate::app::App;
use crate::body::{Fields, FromFields};
use crate::password::Password;
use crate::problem::FieldIssue;
use crate::session::Transport;
use crate::user::{Email, Username};

/// Who wants to sign in.
#[derive(Debug)]
pub struct Credentials {
    pub(super) name: Name,
    pub(super) password: Password,
    pub(super) remember: bool,
    pub(super) transport: Transport,
}

/// What somebody signs in with.
#[derive(Debug)]
pub(super) enum Name {
    Email(Email),
    Username(Username),
}

/// Who wants to sign in: either `email` or `username`, and the password.
#[derive(ToSchema)]
#[schema(as = Credentials, example = json!({"email": "ada@example.com", "password": "plum-orbit-kettle-42"}))]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the schema of a body that is read field by field")]
pub struct CredentialsBody {
    /// The address of the account.
    #[schema(format = "idn-email", max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// The username of the account, instead of the address.
    #[schema(min_length = 3, max_length = 32, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    username: Option<String>,
    /// The password.
    #[schema(format = Password, example = "plum-orbit-kettle-42")]
    password: String,
    /// Whether the session outlives the browser: 30 days instead of 12 hours.
    /// `false` if left out.
    remember: Option<bool>,
    /// How the token is handed over: as a cookie, or in the answer, to be sent as `Authorization: Bearer`.
    /// `cookie` if left out.
    transport: Option<TransportName>,
}

/// How the token of a session is handed over.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "the schema of a value that is parsed by hand")]
pub enum TransportName {
    /// As the session cookie.
    Cookie,
    /// As `token` in the answer.
    Bearer,
}

impl FromFields for Credentials {
    fn from_fields(fields: &mut Fields, _: &App) -> Option<Self> {
        let email = fields.parsed_if_present("email", Email::parse);
        let username = fields.parsed_if_present("username", Username::parse);
        let name = match (email, username) {
            (Some(Some(email)), Some(None)) => Some(Name::Email(email)),
            (Some(None), Some(Some(username))) => Some(Name::Username(username)),
            (Some(None), Some(None)) => {
                fields.complain("email", "required", "give either email or username");
                None
            }
            (Some(Some(_)), Some(Some(_))) => {
                fields.complain("username", "ambiguous", "give either email or username, not both");
                None
            }
            _ => None,
        };
        let password = fields.text("password");
        let remember = fields.flag("remember");
        let transport = fields.parsed_if_present("transport", |text| {
            text.parse::<Transport>().map_err(|()| FieldIssue::new("unknown_value", "must be \"cookie\" or \"bearer\""))
        });
        Some(Self {
            name: name?,
            password: Password::new(&password?),
            remember: remember?,
            transport: transport?.unwrap_or(Transport::Cookie),
        })
    }
}
