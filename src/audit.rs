//! Account events: what happened to an account and who did it. Written in the transaction in which it happens, shown to
//! the owner and the admin, kept for a year. Never with a secret.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{account_events, users};
use crate::request::RequestContext;
use crate::user::UserId;

/// Who does something to an account.
#[derive(Clone, Copy, Debug, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Actor<'a> {
    /// The owner, or a stranger who acts as the owner, in this request.
    Owner(&'a RequestContext),
    /// An admin, with a command.
    Admin,
    /// An import of accounts.
    Import,
    /// The service itself. Reserved: nothing that it does to an account by itself leaves an event yet.
    System,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum EventKind {
    /// The owner signed up.
    Registered,
    /// An admin or an import made the account.
    Created,
    Confirmed,
    SignedIn,
    SignInRefused,
    SignedOut,
    SessionsEnded,
    PasswordResetRequested,
    PasswordReset,
    PasswordChanged,
    /// The current password was wrong.
    PasswordRefused,
    UsernameChanged,
    EmailChangeRequested,
    EmailChanged,
    EmailChangeUndone,
    Disabled,
    Enabled,
}

impl EventKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[derive(Clone, Debug, Queryable, Selectable, Serialize)]
#[diesel(table_name = account_events, check_for_backend(diesel::pg::Pg))]
pub struct Event {
    #[serde(skip)]
    pub id: Uuid,
    pub kind: String,
    pub actor: String,
    pub at: DateTime<Utc>,
    /// The client, if it was a request.
    pub ip: Option<IpNet>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
}

/// Records what happened to an account.
pub async fn record(
    conn: &mut Connection<'_>,
    user_id: UserId,
    kind: EventKind,
    actor: Actor<'_>,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let request = match actor {
        Actor::Owner(request) => Some(request),
        Actor::Admin | Actor::Import | Actor::System => None,
    };
    diesel::insert_into(account_events::table)
        .values((
            account_events::id.eq(Uuid::now_v7()),
            account_events::user_id.eq(user_id.0),
            account_events::kind.eq(kind.name()),
            account_events::actor.eq(<&str>::from(actor)),
            account_events::at.eq(at),
            account_events::ip.eq(request.map(|request| IpNet::from(request.client.ip))),
            account_events::user_agent.eq(request.and_then(|request| request.client.user_agent.as_deref())),
            account_events::request_id.eq(request.map(|request| request.request_id.as_str())),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The same, unless the account is deleted by now.
pub async fn record_if_there(
    conn: &mut Connection<'_>,
    user_id: UserId,
    kind: EventKind,
    actor: Actor<'_>,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let account = users::table.find(user_id.0).select(users::id).for_key_share();
    match account.first::<Uuid>(conn).await.optional()? {
        Some(_) => record(conn, user_id, kind, actor, at).await,
        None => Ok(()),
    }
}

/// The newest events of an account, or the newest `before` one of them, the newest first.
pub async fn list(
    conn: &mut Connection<'_>,
    user_id: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Event>> {
    account_events::table
        .filter(account_events::user_id.eq(user_id.0))
        .filter(account_events::id.lt(before.unwrap_or(Uuid::max())))
        .order(account_events::id.desc())
        .limit(limit)
        .select(Event::as_select())
        .load(conn)
        .await
}

/// When the `n`th latest event of this kind happened to an account, if it has so many.
pub async fn nth_latest(
    conn: &mut Connection<'_>,
    user_id: UserId,
    kind: EventKind,
    n: i64,
) -> QueryResult<Option<DateTime<Utc>>> {
    let of_kind = account_events::table
        .filter(account_events::user_id.eq(user_id.0))
        .filter(account_events::kind.eq(kind.name()));
    of_kind.order(account_events::at.desc()).offset(n - 1).select(account_events::at).first(conn).await.optional()
}

/// How an account was registered; `None` for one that an admin or an import created.
pub async fn find_registration(conn: &mut Connection<'_>, user_id: UserId) -> QueryResult<Option<Event>> {
    account_events::table
        .filter(account_events::user_id.eq(user_id.0))
        .filter(account_events::kind.eq(EventKind::Registered.name()))
        .select(Event::as_select())
        .first(conn)
        .await
        .optional()
}
