//! Looking at accounts.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use crate::client::device_name;
use crate::db::Connection;
use crate::db::schema::users;
use crate::event::{self, Event};
use crate::mail::fate::{self, Fate};
use crate::password::HashParameters;
use crate::session;
use crate::user::{Email, User, UserId, Username, queries};

use super::Account;

/// Events shown at most.
const EVENTS_SHOWN: i64 = 50;

/// An account and what belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct AccountDetails {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// Where it is signed in.
    pub sessions: Vec<SessionSummary>,
    /// Which letters were promised to it.
    pub mails: Vec<Fate>,
    /// What happened to it lately.
    pub events: Vec<Event>,
}

/// A session, as an operator sees it.
#[derive(Clone, Debug, Serialize)]
pub struct SessionSummary {
    /// Its identity.
    pub id: Uuid,
    /// When it was last used.
    pub last_seen_at: DateTime<Utc>,
    /// Where it was begun.
    pub ip: std::net::IpAddr,
    /// With what.
    pub device: String,
}

/// The newest accounts, or those with a text in their address or username.
///
/// # Errors
/// Those of the database.
pub async fn list(conn: &mut Connection, search: Option<&str>, limit: i64) -> QueryResult<Vec<Account>> {
    let mut query = users::table.select(User::as_select()).order(users::id.desc()).limit(limit).into_boxed();
    if let Some(text) = search {
        let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        query = query.filter(users::email_canonical.like(pattern.clone()).or(users::username_canonical.like(pattern)));
    }
    Ok(query.load(conn).await?.into_iter().map(Account::from).collect())
}

/// The account of an identity, address or username. Of the accounts of an address the confirmed one, else the newest.
///
/// # Errors
/// Those of the database.
pub async fn find(conn: &mut Connection, name: &str) -> QueryResult<Option<User>> {
    if let Ok(id) = name.parse::<Uuid>() {
        return queries::find(conn, UserId(id)).await;
    }
    let found = if let Ok(email) = Email::parse(name) {
        queries::find_candidates_by_email(conn, &email).await?
    } else if let Ok(username) = Username::parse(name) {
        queries::find_candidates_by_username(conn, &username).await?
    } else {
        None
    };
    Ok(found.and_then(|candidates| candidates.accounts.into_iter().next()).map(|(user, _)| user))
}

/// The unconfirmed accounts of an address, if `name` is one, nobody confirmed it, and there are several: each may be
/// somebody else's.
///
/// # Errors
/// Those of the database.
pub(super) async fn rivals(conn: &mut Connection, name: &str, found: &User) -> QueryResult<Vec<Account>> {
    let Some(email) = Email::parse(name).ok().filter(|_| !found.is_confirmed()) else {
        return Ok(Vec::new());
    };
    let accounts = queries::find_candidates_by_email(conn, &email).await?.map_or(Vec::new(), |found| found.accounts);
    let several = accounts.into_iter().map(|(user, _)| Account::from(user)).collect::<Vec<_>>();
    Ok(if several.len() > 1 { several } else { Vec::new() })
}

/// An account and what belongs to it.
///
/// # Errors
/// Those of the database.
pub async fn show(conn: &mut Connection, name: &str, now: DateTime<Utc>) -> QueryResult<Option<AccountDetails>> {
    let Some(user) = find(conn, name).await? else {
        return Ok(None);
    };
    let id = user.id();
    let sessions = session::queries::list(conn, id, now).await?.into_iter().map(|session| SessionSummary {
        id: session.id,
        last_seen_at: session.last_seen_at,
        ip: session.ip.addr(),
        device: device_name(session.user_agent.as_deref()),
    });
    Ok(Some(AccountDetails {
        sessions: sessions.collect(),
        mails: fate::list_of(conn, id).await?,
        events: event::list(conn, id, EVENTS_SHOWN).await?,
        account: user.into(),
    }))
}

/// An account, and what a new password of it is hashed under.
///
/// # Errors
/// Those of the database.
pub async fn find_with_parameters(conn: &mut Connection, name: &str) -> QueryResult<Option<(Account, HashParameters)>> {
    let Some(user) = find(conn, name).await? else {
        return Ok(None);
    };
    let parameters = queries::find_parameters(conn, &user.email_canonical).await?;
    Ok(parameters.map(|parameters| (user.into(), parameters)))
}
