//! The queries on the counters. Rows are locked in one order, client before name, so that no two sign-ins wait for each
//! other.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use crate::audit::{self, EventKind};
use crate::db::Connection;
use crate::db::schema::{client_throttles, login_throttles};
use crate::user::User;

use super::policy::{ACCOUNT_WINDOW, Action, Failures, PER_ACCOUNT, Wait, Window, wait_until};
use super::{LoginName, network};

/// A sign-in that was counted as a failure before its password was looked at.
#[derive(Clone)]
pub struct LoginAttempt {
    client: IpAddr,
}

/// Counts a sign-in of this client with this name as a failure, or says how long to wait; then nothing is counted.
pub async fn begin_login(
    conn: &mut Connection,
    client: IpAddr,
    name: &LoginName,
    now: DateTime<Utc>,
) -> QueryResult<Result<LoginAttempt, Wait>> {
    let window = match lock_client(conn, client, Action::Login, now).await?.one_more(Action::Login, now) {
        Ok(window) => window,
        // No row for a name whose try does not count: anybody can invent names, and rows cost space.
        Err(wait) => {
            let known = find_name(conn, name).await?;
            let other = known.and_then(|failures| failures.one_more(now).err());
            // Both refuse; the longer wait is the true one.
            return Ok(Err(other.filter(|other| other.seconds > wait.seconds).unwrap_or(wait)));
        }
    };
    let failures = match lock_name(conn, name, now).await?.one_more(now) {
        Ok(failures) => failures,
        Err(wait) => return Ok(Err(wait)),
    };
    set_client(conn, client, Action::Login, window).await?;
    set_name(conn, name, failures, now).await?;
    Ok(Ok(LoginAttempt { client }))
}

/// Forgets the failures of an account whose password was right, and no longer counts this attempt against its client.
/// The client's other failures stay: they concerned other accounts.
pub async fn finish_login(conn: &mut Connection, attempt: &LoginAttempt, user: &User) -> QueryResult<()> {
    diesel::update(client_throttles::table.find((network(attempt.client), Action::Login.name())))
        .filter(client_throttles::count.gt(0))
        .set(client_throttles::count.eq(client_throttles::count - 1))
        .execute(conn)
        .await?;
    clear(conn, user).await
}

/// Forgets the failures of an account under all its names, a lock included.
pub async fn clear(conn: &mut Connection, user: &User) -> QueryResult<()> {
    let names = LoginName::all_of(user);
    let names: Vec<&[u8]> = names.iter().map(|name| name.0.as_slice()).collect();
    diesel::delete(login_throttles::table.filter(login_throttles::name_sha256.eq_any(names))).execute(conn).await?;
    Ok(())
}

/// Counts a registration of this client, or says how long to wait.
pub async fn count_registration(
    conn: &mut Connection,
    client: IpAddr,
    now: DateTime<Utc>,
) -> QueryResult<Result<(), Wait>> {
    let window = lock_client(conn, client, Action::Register, now).await?;
    match window.one_more(Action::Register, now) {
        Ok(window) => set_client(conn, client, Action::Register, window).await.map(Ok),
        Err(wait) => Ok(Err(wait)),
    }
}

/// How long an account must wait before it does once more what is recorded as `kind`, if it must.
pub async fn wait_of_account(
    conn: &mut Connection,
    user: &User,
    kind: EventKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<Wait>> {
    let earlier = audit::nth_latest(conn, user.id(), kind, PER_ACCOUNT).await?;
    Ok(earlier.map(|at| at + ACCOUNT_WINDOW).filter(|until| *until > now).map(|until| wait_until(until, now)))
}

async fn lock_client(conn: &mut Connection, client: IpAddr, action: Action, now: DateTime<Utc>) -> QueryResult<Window> {
    let (count, ends_at) = diesel::insert_into(client_throttles::table)
        .values((
            client_throttles::client.eq(network(client)),
            client_throttles::action.eq(action.name()),
            client_throttles::count.eq(0),
            client_throttles::window_ends_at.eq(now),
        ))
        .on_conflict((client_throttles::client, client_throttles::action))
        // Changes nothing, but locks and returns the existing row.
        .do_update()
        .set(client_throttles::client.eq(excluded(client_throttles::client)))
        .returning((client_throttles::count, client_throttles::window_ends_at))
        .get_result(conn)
        .await?;
    Ok(Window { count, ends_at })
}

async fn set_client(conn: &mut Connection, client: IpAddr, action: Action, window: Window) -> QueryResult<()> {
    diesel::update(client_throttles::table.find((network(client), action.name())))
        .set((client_throttles::count.eq(window.count), client_throttles::window_ends_at.eq(window.ends_at)))
        .execute(conn)
        .await?;
    Ok(())
}

async fn find_name(conn: &mut Connection, name: &LoginName) -> QueryResult<Option<Failures>> {
    let found = login_throttles::table
        .find(name.0.as_slice())
        .select((login_throttles::failures, login_throttles::blocked_until))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(count, blocked_until)| Failures { count, blocked_until }))
}

async fn lock_name(conn: &mut Connection, name: &LoginName, now: DateTime<Utc>) -> QueryResult<Failures> {
    let (count, blocked_until) = diesel::insert_into(login_throttles::table)
        .values((
            login_throttles::name_sha256.eq(name.0.as_slice()),
            login_throttles::failures.eq(0),
            login_throttles::last_at.eq(now),
        ))
        .on_conflict(login_throttles::name_sha256)
        .do_update()
        .set(login_throttles::name_sha256.eq(excluded(login_throttles::name_sha256)))
        .returning((login_throttles::failures, login_throttles::blocked_until))
        .get_result(conn)
        .await?;
    Ok(Failures { count, blocked_until })
}

async fn set_name(conn: &mut Connection, name: &LoginName, failures: Failures, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(login_throttles::table.find(name.0.as_slice()))
        .set((
            login_throttles::failures.eq(failures.count),
            login_throttles::blocked_until.eq(failures.blocked_until),
            login_throttles::last_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
