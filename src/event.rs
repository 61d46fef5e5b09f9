//! What happened to an account: written in the transaction in which it happens, shown to its owner and the operator,
//! kept for a year. Never with a secret.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use crate::client::Occasion;
use crate::db::schema::events;
use crate::db::{CLEANING_BATCH, Connection};
use crate::user::UserId;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal)+) => {
        /// What can happen to an account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind {
            $($(#[$doc])* $variant,)+
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// It came to be.
    Registered "registered"
    /// Its address was proved.
    Confirmed "confirmed"
    /// Somebody signed in.
    SignedIn "signed_in"
    /// Somebody tried to, with a wrong password.
    SignInRefused "sign_in_refused"
    /// Somebody signed out.
    SignedOut "signed_out"
    /// Sessions were ended by their owner.
    SessionsEnded "sessions_ended"
    /// Somebody asked for a link to reset the password.
    PasswordResetRequested "password_reset_requested"
    /// The password was reset by such a link.
    PasswordReset "password_reset"
    /// The password was changed by somebody who knew it.
    PasswordChanged "password_changed"
    /// A current password that was asked for was wrong.
    PasswordRefused "password_refused"
    /// The username was changed.
    UsernameChanged "username_changed"
    /// Another address was asked for.
    EmailChangeRequested "email_change_requested"
    /// The other address proved itself.
    EmailChanged "email_changed"
    /// The earlier address took it back.
    EmailChangeUndone "email_change_undone"
    /// An operator made it.
    CreatedByOperator "created_by_operator"
    /// An operator confirmed its address.
    ConfirmedByOperator "confirmed_by_operator"
    /// An operator shut it.
    DisabledByOperator "disabled_by_operator"
    /// An operator opened it again.
    EnabledByOperator "enabled_by_operator"
    /// An operator ended its sessions.
    SignedOutByOperator "signed_out_by_operator"
    /// An operator set its password.
    PasswordSetByOperator "password_set_by_operator"
}

/// An event, as it is shown.
#[derive(Clone, Debug, Queryable, Selectable, Serialize)]
#[diesel(table_name = events, check_for_backend(diesel::pg::Pg))]
pub struct Event {
    /// What happened.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
    /// From where; none for an operator.
    pub ip: Option<IpNet>,
    /// With what.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
}

/// Writes down what happened to an account in a request.
///
/// # Errors
/// Those of the database.
pub async fn record(conn: &mut Connection, user_id: UserId, kind: EventKind, occasion: &Occasion) -> QueryResult<()> {
    diesel::insert_into(events::table)
        .values((
            events::id.eq(Uuid::now_v7()),
            events::user_id.eq(user_id.0),
            events::kind.eq(kind.name()),
            events::at.eq(occasion.at),
            events::ip.eq(IpNet::from(occasion.client.ip)),
            events::user_agent.eq(occasion.client.user_agent.as_deref()),
            events::request_id.eq(&occasion.request_id),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes down what an operator did to an account.
///
/// # Errors
/// Those of the database.
pub async fn record_operator(
    conn: &mut Connection,
    user_id: UserId,
    kind: EventKind,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(events::table)
        .values((
            events::id.eq(Uuid::now_v7()),
            events::user_id.eq(user_id.0),
            events::kind.eq(kind.name()),
            events::at.eq(at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The events of an account, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(conn: &mut Connection, user_id: UserId, limit: i64) -> QueryResult<Vec<Event>> {
    events::table
        .filter(events::user_id.eq(user_id.0))
        .order(events::id.desc())
        .limit(limit)
        .select(Event::as_select())
        .load(conn)
        .await
}

/// When the `n`th latest event of this kind happened to an account, if there are so many.
///
/// # Errors
/// Those of the database.
pub async fn nth_latest(
    conn: &mut Connection,
    user_id: UserId,
    kind: EventKind,
    n: i64,
) -> QueryResult<Option<DateTime<Utc>>> {
    let of_kind = events::table.filter(events::user_id.eq(user_id.0)).filter(events::kind.eq(kind.name()));
    of_kind.order(events::at.desc()).offset(n - 1).select(events::at).first(conn).await.optional()
}

/// How an account came to be, if somebody registered it.
///
/// # Errors
/// Those of the database.
pub async fn find_registration(conn: &mut Connection, user_id: UserId) -> QueryResult<Option<Event>> {
    events::table
        .filter(events::user_id.eq(user_id.0))
        .filter(events::kind.eq(EventKind::Registered.name()))
        .select(Event::as_select())
        .first(conn)
        .await
        .optional()
}

/// Deletes some of the events before `before`.
///
/// # Errors
/// Those of the database.
pub async fn delete_before(conn: &mut Connection, before: DateTime<Utc>) -> QueryResult<usize> {
    let old = events::table.filter(events::at.lt(before));
    let some: Vec<Uuid> = old.select(events::id).limit(CLEANING_BATCH).load(conn).await?;
    diesel::delete(events::table.filter(events::id.eq_any(some))).execute(conn).await
}
