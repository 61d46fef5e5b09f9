//! From a batch of newcomers to rows: all new addresses at once, each known address for itself.
//!
//! The locks on the addresses are those of registrations and confirmations, taken in one order, so that an import can run
//! beside the service and beside another import.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, RunQueryDsl};
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{addresses, users};
use crate::user::Username;
use crate::user::queries::{delete_surplus, delete_unconfirmed_of};

use super::{Batch, Newcomer, Outcome, Refusal};

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Text)]
    canonical: String,
    #[diesel(sql_type = Text)]
    parameters: String,
    #[diesel(sql_type = Bool)]
    is_new: bool,
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = Text)]
    email_canonical: String,
}

/// Takes in a batch, and says of each newcomer what became of it. Belongs into one transaction.
///
/// # Errors
/// Those of the database.
pub async fn insert_batch(conn: &mut Connection, batch: &Batch, now: DateTime<Utc>) -> QueryResult<Vec<Outcome>> {
    let newcomers: Vec<&Newcomer> = batch.newcomers.iter().map(|(_, newcomer)| newcomer).collect();
    let there = already_there(conn, &newcomers).await?;
    let rest: Vec<&Newcomer> =
        newcomers.iter().copied().filter(|newcomer| !there.contains(newcomer.email.canonical())).collect();
    let locked = lock_addresses(conn, &rest, now).await?;
    let (fresh, known): (Vec<&Newcomer>, Vec<&Newcomer>) =
        rest.into_iter().partition(|newcomer| locked.get(newcomer.email.canonical()).is_none_or(|row| row.is_new));
    let mut outcomes = insert_all(conn, &fresh).await?;
    for newcomer in known {
        let canonical = newcomer.email.canonical();
        let shared = locked.get(canonical).map_or("", |row| &row.parameters);
        outcomes.insert(canonical, join(conn, newcomer, shared).await?);
    }
    let outcome = |newcomer: &Newcomer| outcomes.remove(newcomer.email.canonical()).unwrap_or(Outcome::AlreadyThere);
    Ok(newcomers.into_iter().map(outcome).collect())
}

/// The addresses of those whose identity is known, or whose address is proved. Most of a second run, at the price of two
/// look-ups.
async fn already_there<'a>(conn: &mut Connection, newcomers: &[&'a Newcomer]) -> QueryResult<HashSet<&'a str>> {
    let ids = newcomers.iter().map(|newcomer| newcomer.id.0);
    let known: Vec<Uuid> = users::table.filter(users::id.eq_any(ids)).select(users::id).load(conn).await?;
    let known: HashSet<Uuid> = known.into_iter().collect();
    let owned: Vec<String> = users::table
        .filter(users::email_canonical.eq_any(newcomers.iter().map(|newcomer| newcomer.email.canonical())))
        .filter(users::confirmed_at.is_not_null())
        .select(users::email_canonical)
        .load(conn)
        .await?;
    let owned: HashSet<String> = owned.into_iter().collect();
    let is_there = |newcomer: &&&Newcomer| {
        known.contains(&newcomer.id.0) || newcomer.confirmed_at.is_some() && owned.contains(newcomer.email.canonical())
    };
    Ok(newcomers.iter().filter(is_there).map(|newcomer| newcomer.email.canonical()).collect())
}

/// Makes the addresses known, with the parameters of their newcomers if they were not, and locks them in order.
async fn lock_addresses(
    conn: &mut Connection,
    newcomers: &[&Newcomer],
    now: DateTime<Utc>,
) -> QueryResult<HashMap<String, Locked>> {
    let canonical: Vec<&str> = newcomers.iter().map(|newcomer| newcomer.email.canonical()).collect();
    let parameters: Vec<&str> = newcomers.iter().map(|newcomer| newcomer.parameters.as_str()).collect();
    let rows: Vec<Locked> = diesel::sql_query(
        "insert into addresses (canonical, parameters, created_at) \
         select canonical, parameters, $3 from unnest($1, $2) as newcomer (canonical, parameters) \
         order by canonical collate \"C\" \
         on conflict (canonical) do update set canonical = excluded.canonical \
         returning canonical, parameters, xmax::text = '0' as is_new",
    )
    .bind::<Array<Text>, _>(canonical)
    .bind::<Array<Text>, _>(parameters)
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.canonical.clone(), row)).collect())
}

/// Inserts accounts of addresses that were unknown until now, and forgets the addresses of those that collide.
async fn insert_all<'a>(conn: &mut Connection, newcomers: &[&'a Newcomer]) -> QueryResult<HashMap<&'a str, Outcome>> {
    let inserted = insert(conn, newcomers).await?;
    let (imported, colliding): (Vec<&Newcomer>, Vec<&Newcomer>) =
        newcomers.iter().partition(|newcomer| inserted.contains(newcomer.email.canonical()));
    let mut outcomes: HashMap<_, _> =
        imported.into_iter().map(|newcomer| (newcomer.email.canonical(), Outcome::Imported)).collect();
    if !colliding.is_empty() {
        let unused = colliding.iter().map(|newcomer| newcomer.email.canonical());
        diesel::delete(addresses::table.filter(addresses::canonical.eq_any(unused))).execute(conn).await?;
    }
    for newcomer in colliding {
        outcomes.insert(newcomer.email.canonical(), collision(conn, newcomer).await?);
    }
    Ok(outcomes)
}

/// Inserts what collides with nothing; gives the addresses of what was inserted.
async fn insert(conn: &mut Connection, newcomers: &[&Newcomer]) -> QueryResult<HashSet<String>> {
    fn each<'a, T>(newcomers: &[&'a Newcomer], what: impl Fn(&'a Newcomer) -> T) -> Vec<T> {
        newcomers.iter().map(|newcomer| what(newcomer)).collect()
    }
    let rows: Vec<Inserted> = diesel::sql_query(
        "insert into users (id, email, email_canonical, username, username_canonical, password_hash, confirmed_at, \
         disabled_at, created_at, password_set_at) \
         select newcomer.*, newcomer.created_at from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as newcomer \
         (id, email, email_canonical, username, username_canonical, password_hash, confirmed_at, disabled_at, \
         created_at) \
         on conflict do nothing returning email_canonical",
    )
    .bind::<Array<SqlUuid>, _>(each(newcomers, |newcomer| newcomer.id.0))
    .bind::<Array<Text>, _>(each(newcomers, |newcomer| newcomer.email.as_typed()))
    .bind::<Array<Text>, _>(each(newcomers, |newcomer| newcomer.email.canonical()))
    .bind::<Array<Nullable<Text>>, _>(each(newcomers, |newcomer| newcomer.username.as_ref().map(Username::as_typed)))
    .bind::<Array<Nullable<Text>>, _>(each(newcomers, |newcomer| newcomer.username.as_ref().map(Username::canonical)))
    .bind::<Array<Text>, _>(each(newcomers, |newcomer| newcomer.hash.as_str()))
    .bind::<Array<Nullable<Timestamptz>>, _>(each(newcomers, |newcomer| newcomer.confirmed_at))
    .bind::<Array<Nullable<Timestamptz>>, _>(each(newcomers, |newcomer| newcomer.disabled_at))
    .bind::<Array<Timestamptz>, _>(each(newcomers, |newcomer| newcomer.created_at))
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.email_canonical).collect())
}

/// Takes in a newcomer of an address that was known, and is locked.
async fn join(conn: &mut Connection, newcomer: &Newcomer, shared: &str) -> QueryResult<Outcome> {
    let canonical = newcomer.email.canonical();
    let accounts: Vec<(bool, String)> = users::table
        .filter(users::email_canonical.eq(canonical))
        .select((users::confirmed_at.is_not_null(), users::password_hash))
        .load(conn)
        .await?;
    let is_owned = accounts.iter().any(|(is_confirmed, _)| *is_confirmed);
    let takes_over = !is_owned && (newcomer.confirmed_at.is_some() || accounts.is_empty());
    // Registrations of one address share their parameters: several of them come from an export of this service.
    let is_one_more = newcomer.confirmed_at.is_none()
        && newcomer.has_id
        && newcomer.parameters.as_str() == shared
        && accounts.iter().all(|(_, hash)| hash != newcomer.hash.as_str());
    if !takes_over && !is_one_more {
        return Ok(Outcome::AlreadyThere);
    }
    let joined = conn.transaction(async |conn| {
        if takes_over {
            delete_unconfirmed_of(conn, canonical).await?;
            diesel::update(addresses::table.find(canonical))
                .set(addresses::parameters.eq(newcomer.parameters.as_str()))
                .execute(conn)
                .await?;
        }
        if insert(conn, &[newcomer]).await?.is_empty() {
            return Err(diesel::result::Error::RollbackTransaction);
        }
        delete_surplus(conn, canonical).await
    });
    match joined.await {
        Ok(_) => Ok(Outcome::Imported),
        Err(diesel::result::Error::RollbackTransaction) => collision(conn, newcomer).await,
        Err(error) => Err(error),
    }
}

/// Why an account could not be inserted.
async fn collision(conn: &mut Connection, newcomer: &Newcomer) -> QueryResult<Outcome> {
    let ids = users::table.filter(users::id.eq(newcomer.id.0)).count().get_result::<i64>(conn).await?;
    if ids > 0 {
        return Ok(Outcome::AlreadyThere);
    }
    let Some(username) = &newcomer.username else {
        return Ok(Outcome::Refused(Refusal::Collision));
    };
    let same_name = users::table.filter(users::username_canonical.eq(username.canonical()));
    let names = same_name.count().get_result::<i64>(conn).await?;
    Ok(Outcome::Refused(if names > 0 { Refusal::UsernameTaken } else { Refusal::Collision }))
}
