//! The counters. They take a connection: the flow owns the transaction. Rows are locked in one order, client before
//! name, so that no two logins wait for each other.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;

use crate::db::schema::{account_throttles, client_throttles};
use crate::db::{CLEANING_BATCH, Connection};
use crate::event::{self, EventKind};
use crate::user::User;

use super::policy::{ACCOUNT_WINDOW, Action, Failures, LOCKED_AT, OF_ACCOUNT, Wait, Window, wait_until};
use super::{LoginName, network};

/// How long failures are remembered when nobody tries any more, unless the name is locked.
const MEMORY: Duration = Duration::days(30);

/// A login that was counted as a failure before its password was looked at.
#[derive(Clone)]
pub struct LoginAttempt {
    client: IpAddr,
}

/// Counts a login of this client with this name as a failure, or says how long to wait, in which case nothing counts.
///
/// # Errors
/// Those of the database.
pub async fn begin_login(
    conn: &mut Connection,
    client: IpAddr,
    name: &LoginName,
    now: DateTime<Utc>,
) -> QueryResult<Result<LoginAttempt, Wait>> {
    let window = match lock_client(conn, client, Action::Login, now).await?.one_more(Action::Login, now) {
        Ok(window) => window,
        // A name is not written down for a try that does not count: names are free to invent, and rows are not.
        Err(wait) => {
            let known = find_name(conn, name).await?;
            let other = known.and_then(|failures| failures.one_more(now).err());
            // Both refuse: the longer wait is the true one.
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

/// Forgets the failures of an account whose password was right, under all its names; and that this attempt counted
/// against its client. Other failures of the client stay: they were somebody else's account.
///
/// # Errors
/// Those of the database.
pub async fn settle_login_success(conn: &mut Connection, attempt: &LoginAttempt, user: &User) -> QueryResult<()> {
    take_back_client(conn, attempt.client).await?;
    lift(conn, user).await
}

/// Forgets the failures of an account under all its names, also those that locked it.
///
/// # Errors
/// Those of the database.
pub async fn lift(conn: &mut Connection, user: &User) -> QueryResult<()> {
    let names = LoginName::all_of(user);
    let names: Vec<&[u8]> = names.iter().map(|name| name.0.as_slice()).collect();
    diesel::delete(account_throttles::table.filter(account_throttles::name_sha256.eq_any(names))).execute(conn).await?;
    Ok(())
}

/// Counts a registration of this client, or says how long to wait.
///
/// # Errors
/// Those of the database.
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

/// How long an account has to wait before it does once more what is written down as `kind`; nothing while it did so less
/// than ten times in an hour.
///
/// # Errors
/// Those of the database.
pub async fn wait_of_account(
    conn: &mut Connection,
    user: &User,
    kind: EventKind,
    now: DateTime<Utc>,
) -> QueryResult<Option<Wait>> {
    let earlier = event::nth_latest(conn, user.id(), kind, OF_ACCOUNT).await?;
    Ok(earlier.map(|at| at + ACCOUNT_WINDOW).filter(|until| *until > now).map(|until| wait_until(until, now)))
}

/// Deletes some of the counters that say nothing any more.
///
/// # Errors
/// Those of the database.
pub async fn delete_old(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<usize> {
    let forgotten = || {
        account_throttles::table
            .filter(account_throttles::last_at.lt(now - MEMORY))
            .filter(account_throttles::failures.lt(LOCKED_AT))
    };
    let some: Vec<Vec<u8>> =
        forgotten().select(account_throttles::name_sha256).limit(CLEANING_BATCH).load(conn).await?;
    let names = diesel::delete(forgotten().filter(account_throttles::name_sha256.eq_any(some))).execute(conn).await?;
    let over = || client_throttles::table.filter(client_throttles::window_ends_at.lt(now));
    let some: Vec<ipnet::IpNet> = over().select(client_throttles::client).limit(CLEANING_BATCH).load(conn).await?;
    Ok(names + diesel::delete(over().filter(client_throttles::client.eq_any(some))).execute(conn).await?)
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
        // Changes nothing, but locks and returns the row that is there.
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

async fn take_back_client(conn: &mut Connection, client: IpAddr) -> QueryResult<()> {
    diesel::update(client_throttles::table.find((network(client), Action::Login.name())))
        .filter(client_throttles::count.gt(0))
        .set(client_throttles::count.eq(client_throttles::count - 1))
        .execute(conn)
        .await?;
    Ok(())
}

async fn find_name(conn: &mut Connection, name: &LoginName) -> QueryResult<Option<Failures>> {
    let found = account_throttles::table
        .find(name.0.as_slice())
        .select((account_throttles::failures, account_throttles::blocked_until))
        .first(conn)
        .await
        .optional()?;
    Ok(found.map(|(count, blocked_until)| Failures { count, blocked_until }))
}

async fn lock_name(conn: &mut Connection, name: &LoginName, now: DateTime<Utc>) -> QueryResult<Failures> {
    let (count, blocked_until) = diesel::insert_into(account_throttles::table)
        .values((
            account_throttles::name_sha256.eq(name.0.as_slice()),
            account_throttles::failures.eq(0),
            account_throttles::last_at.eq(now),
        ))
        .on_conflict(account_throttles::name_sha256)
        .do_update()
        .set(account_throttles::name_sha256.eq(excluded(account_throttles::name_sha256)))
        .returning((account_throttles::failures, account_throttles::blocked_until))
        .get_result(conn)
        .await?;
    Ok(Failures { count, blocked_until })
}

async fn set_name(conn: &mut Connection, name: &LoginName, failures: Failures, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(account_throttles::table.find(name.0.as_slice()))
        .set((
            account_throttles::failures.eq(failures.count),
            account_throttles::blocked_until.eq(failures.blocked_until),
            account_throttles::last_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
