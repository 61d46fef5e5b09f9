//! One line of an import: a JSON object, read strictly.
//!
//! serde's own errors repeat values, and a value can be a hash. So every member is read as any JSON first, and judged here.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::password::{BadHash, ForeignSecret, HashParameters, PasswordHash};
use crate::user::{Email, UNCONFIRMED_TTL, UserId, Username};

use super::Refusal;

/// The longest line, in bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Clocks of two machines may differ.
const LEEWAY: chrono::Duration = chrono::Duration::hours(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    email: Option<Value>,
    password_hash: Option<Value>,
    username: Option<Value>,
    confirmed: Option<Value>,
    confirmed_at: Option<Value>,
    disabled_at: Option<Value>,
    created_at: Option<Value>,
    id: Option<Value>,
}

/// An account to import.
pub struct ImportedUser {
    pub(super) id: UserId,
    /// Whether the line has an id: otherwise each reading makes a new one.
    pub(super) has_id: bool,
    pub(super) email: Email,
    pub(super) username: Option<Username>,
    /// `None` for an account without a password.
    pub(super) hash: Option<PasswordHash>,
    /// Those of the hash. Without one, a new address gets these.
    pub(super) parameters: HashParameters,
    pub(super) confirmed_at: Option<DateTime<Utc>>,
    pub(super) disabled_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
}

impl ImportedUser {
    /// Reads a line, without its end. `secret` is what the application that it comes from mixes into passwords, and
    /// `bcrypt_cost` that of our own hashes.
    pub fn read(
        line: &[u8],
        secret: Option<&ForeignSecret>,
        bcrypt_cost: u32,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let members = members(line)?;
        let email = Email::parse(&text(members.email, "email")?.ok_or(Refusal::Kind("email", "there"))?)?;
        let username = text(members.username, "username")?.map(|name| Username::parse(&name)).transpose()?;
        let hash = hash(text(members.password_hash, "password_hash")?, secret)?;
        let (hash, parameters) = hash
            .map_or_else(|| (None, HashParameters::random(bcrypt_cost)), |(hash, parameters)| (Some(hash), parameters));
        let id = text(members.id, "id")?;
        let id = id.map(|id| Uuid::parse_str(&id).map_err(|_| Refusal::Kind("id", "a UUID"))).transpose()?;
        let created_at = time(members.created_at, "created_at", now)?.unwrap_or(now);
        let confirmed_at = match (members.confirmed, time(members.confirmed_at, "confirmed_at", now)?) {
            (None | Some(Value::Bool(true)), confirmed_at) => Some(confirmed_at.unwrap_or(now)),
            (Some(Value::Bool(false)), None) => None,
            (Some(Value::Bool(false)), Some(_)) => return Err(Refusal::Contradiction),
            (Some(_), _) => return Err(Refusal::Kind("confirmed", "true or false")),
        };
        let disabled_at = time(members.disabled_at, "disabled_at", now)?;
        // It would be deleted within minutes: its time to confirm begins now.
        let is_overdue = confirmed_at.is_none() && created_at < now - UNCONFIRMED_TTL;
        Ok(Self {
            id: id.map_or_else(UserId::new, UserId),
            has_id: id.is_some(),
            email,
            username,
            hash,
            parameters,
            confirmed_at,
            disabled_at,
            created_at: if is_overdue { now } else { created_at },
        })
    }
}

fn members(line: &[u8]) -> Result<Members, Refusal> {
    if line.len() > MAX_LINE {
        return Err(Refusal::TooLong);
    }
    let line = str::from_utf8(line).map_err(|_| Refusal::NotUtf8)?;
    // serde would take an array for a struct.
    if !line.trim_start().starts_with(['{', '}']) && serde_json::from_str::<Value>(line).is_ok() {
        return Err(Refusal::NotAnObject);
    }
    serde_json::from_str(line).map_err(|error| {
        if !error.is_data() {
            return Refusal::NotJson(error.column());
        }
        // "unknown field `x`, expected …" or "duplicate field `x` at line 1 column 2": names, no values.
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default().split(", expected").next().unwrap_or_default();
        Refusal::Member(text.replace("field", "member").chars().take(80).collect::<String>().escape_debug().to_string())
    })
}

/// `None` for an account without a password: no text, an empty one, or Django's `!…`.
fn hash(
    text: Option<String>,
    secret: Option<&ForeignSecret>,
) -> Result<Option<(PasswordHash, HashParameters)>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let text = secret.and_then(|secret| secret.wrap(&text)).unwrap_or(text);
    match PasswordHash::parse(&text) {
        Err(BadHash::NoPassword) => Ok(None),
        parsed => Ok(Some(parsed?)),
    }
}

/// `null` counts as absent.
fn text(member: Option<Value>, name: &'static str) -> Result<Option<String>, Refusal> {
    match member {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::Kind(name, "text")),
    }
}

fn time(member: Option<Value>, name: &'static str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Refusal> {
    let Some(text) = text(member, name)? else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(&text).map_err(|_| Refusal::Kind(name, "a time as in RFC 3339"))?;
    let time = time.with_timezone(&Utc);
    if time > now + LEEWAY { Err(Refusal::Future(name)) } else { Ok(Some(time)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2b$12$0123456789abcdefABCDEOaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn refusal(line: &str) -> String {
        ImportedUser::read(line.as_bytes(), None, 4, Utc::now()).err().unwrap_or_else(|| panic!("{line}")).to_string()
    }

    #[test]
    fn a_line_is_refused_with_its_reason_and_without_its_values() {
        let with = |more: &str| format!(r#"{{"email": "ada@example.com", "password_hash": "{HASH}"{more}}}"#);
        assert!(ImportedUser::read(with("").as_bytes(), None, 4, Utc::now()).is_ok());
        let cases = [
            ("{", "is not JSON (column 1)"),
            ("nothing", "is not JSON (column 2)"),
            ("[1]", "is not a JSON object"),
            ("null", "is not a JSON object"),
            ("{}", "email: must be there"),
            (r#"{"email": 7}"#, "email: must be text"),
            (r#"{"email": "ada"}"#, "email: must be an email address such as ada@example.com"),
            (r#"{"email": "a@x.org", "password_hash": ["secret"]}"#, "password_hash: must be text"),
            (r#"{"email": "a@x.org", "password_hash": "secret"}"#, "password_hash: is of no known scheme"),
            (&with(r#", "role": "admin""#), "unknown member `role`"),
            (&with(r#", "email": "eve@example.com""#), "duplicate member `email`"),
            (
                &with(r#", "username": "a b""#),
                "username: must begin with a letter or digit and have only letters A-Z, digits and . _ - in it",
            ),
            (&with(r#", "id": "7""#), "id: must be a UUID"),
            (&with(r#", "confirmed": "yes""#), "confirmed: must be true or false"),
            (
                &with(r#", "confirmed": false, "confirmed_at": "2020-01-01T00:00:00Z""#),
                "confirmed: contradicts confirmed_at",
            ),
            (&with(r#", "created_at": "yesterday""#), "created_at: must be a time as in RFC 3339"),
            (&with(r#", "disabled_at": true"#), "disabled_at: must be text"),
            (&with(r#", "disabled_at": "2020-01-01""#), "disabled_at: must be a time as in RFC 3339"),
            (&with(r#", "created_at": "3020-01-01T00:00:00Z""#), "created_at: is in the future"),
        ];
        for (line, reason) in cases {
            assert_eq!(refusal(line), reason, "{line}");
        }
        assert_eq!(refusal(&with(&format!(r#", "{}\u001b[2J": 1"#, "x".repeat(500)))).len(), 80);
        assert!(
            ImportedUser::read(b"{\"email\": \"\xff\"}", None, 4, Utc::now())
                .is_err_and(|error| error == Refusal::NotUtf8)
        );
    }

    #[test]
    fn a_line_without_a_usable_password_has_none() {
        for more in ["", r#", "password_hash": null"#, r#", "password_hash": """#, r#", "password_hash": "!Xr4cmSL2""#]
        {
            let line = format!(r#"{{"email": "ada@example.com"{more}}}"#);
            let user =
                ImportedUser::read(line.as_bytes(), None, 4, Utc::now()).unwrap_or_else(|error| panic!("{error}"));
            assert!(user.hash.is_none() && user.parameters.is_current(4), "{line}");
        }
    }

    #[test]
    fn an_unconfirmed_account_has_a_week_from_the_import_on() {
        let now = Utc::now();
        let read = |more: &str| {
            let line = format!(r#"{{"email": "ada@example.com", "password_hash": "{HASH}", {more}}}"#);
            ImportedUser::read(line.as_bytes(), None, 4, now).unwrap_or_else(|error| panic!("{error}"))
        };
        let old = r#""created_at": "2020-01-01T00:00:00+02:00""#;
        assert_eq!(read(old).created_at.to_rfc3339(), "2019-12-31T22:00:00+00:00");
        assert_eq!(read(old).confirmed_at, Some(now));
        assert_eq!(read(&format!(r#"{old}, "confirmed": false"#)).created_at, now);
    }
}
