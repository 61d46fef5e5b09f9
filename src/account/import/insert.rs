//! From a batch to rows: all new addresses at once, each known address for itself.
//!
//! The locks on the addresses are those of registrations and confirmations, taken in one order, so that an import can run
//! beside the service and beside another import.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::audit::{self, Actor, EventKind};
use crate::db::schema::{addresses, users};
use crate::db::{self, Connection};
use crate::password::PasswordHash;
use crate::user::registrations::{delete_all_of, delete_surplus};
use crate::user::{Username, addresses as address_queries, new_credential_version};

use super::{Batch, ImportedUser, Outcome, Refusal};

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

/// Inserts a batch and returns what became of each line. Belongs in one transaction.
pub async fn insert_batch(conn: &mut Connection<'_>, batch: &Batch, now: DateTime<Utc>) -> QueryResult<Vec<Outcome>> {
    let all: Vec<&ImportedUser> = batch.users.iter().map(|(_, user)| user).collect();
    let there = already_there(conn, &all).await?;
    let rest: Vec<&ImportedUser> = all.iter().copied().filter(|user| !there.contains(user.email.canonical())).collect();
    let locked = lock_addresses(conn, &rest, now).await?;
    let (fresh, known): (Vec<&ImportedUser>, Vec<&ImportedUser>) =
        rest.into_iter().partition(|user| locked.get(user.email.canonical()).is_none_or(|row| row.is_new));
    let mut outcomes = insert_fresh(conn, &fresh, now).await?;
    for user in known {
        let canonical = user.email.canonical();
        let shared = locked.get(canonical).map_or("", |row| &row.parameters);
        outcomes.insert(canonical, join(conn, user, shared, now).await?);
    }
    let outcome = |user: &ImportedUser| outcomes.remove(user.email.canonical()).unwrap_or(Outcome::AlreadyThere);
    Ok(all.into_iter().map(outcome).collect())
}

/// The addresses of those whose id is known or whose address is confirmed here: in a second run, most of them, for two
/// queries.
async fn already_there<'a>(conn: &mut Connection<'_>, batch: &[&'a ImportedUser]) -> QueryResult<HashSet<&'a str>> {
    let ids = batch.iter().map(|user| user.id.0);
    let known: Vec<Uuid> = users::table.filter(users::id.eq_any(ids)).select(users::id).load(conn).await?;
    let known: HashSet<Uuid> = known.into_iter().collect();
    let owned: Vec<String> = users::table
        .filter(users::email_canonical.eq_any(batch.iter().map(|user| user.email.canonical())))
        .filter(users::confirmed_at.is_not_null())
        .select(users::email_canonical)
        .load(conn)
        .await?;
    let owned: HashSet<String> = owned.into_iter().collect();
    let is_there = |user: &&&ImportedUser| {
        known.contains(&user.id.0) || user.confirmed_at.is_some() && owned.contains(user.email.canonical())
    };
    Ok(batch.iter().filter(is_there).map(|user| user.email.canonical()).collect())
}

/// Inserts the addresses that are new, with the parameters of their users, and locks all of them in order.
async fn lock_addresses(
    conn: &mut Connection<'_>,
    batch: &[&ImportedUser],
    now: DateTime<Utc>,
) -> QueryResult<HashMap<String, Locked>> {
    let canonical: Vec<&str> = batch.iter().map(|user| user.email.canonical()).collect();
    let parameters: Vec<&str> = batch.iter().map(|user| user.parameters.as_str()).collect();
    let rows: Vec<Locked> = diesel::sql_query(
        "insert into addresses (canonical, parameters, created_at) \
         select canonical, parameters, $3 from unnest($1, $2) as imported (canonical, parameters) \
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

/// Inserts accounts of addresses that were unknown until now, and deletes the addresses of those that collide.
async fn insert_fresh<'a>(
    conn: &mut Connection<'_>,
    batch: &[&'a ImportedUser],
    now: DateTime<Utc>,
) -> QueryResult<HashMap<&'a str, Outcome>> {
    let inserted = insert(conn, batch, now).await?;
    let (imported, colliding): (Vec<&ImportedUser>, Vec<&ImportedUser>) =
        batch.iter().partition(|user| inserted.contains(user.email.canonical()));
    let mut outcomes: HashMap<_, _> =
        imported.into_iter().map(|user| (user.email.canonical(), Outcome::Imported)).collect();
    if !colliding.is_empty() {
        let unused = colliding.iter().map(|user| user.email.canonical());
        diesel::delete(addresses::table.filter(addresses::canonical.eq_any(unused))).execute(conn).await?;
    }
    for user in colliding {
        outcomes.insert(user.email.canonical(), collision(conn, user).await?);
    }
    Ok(outcomes)
}

/// Inserts what collides with nothing, with an event each; returns the addresses of what was inserted.
async fn insert(
    conn: &mut Connection<'_>,
    batch: &[&ImportedUser],
    now: DateTime<Utc>,
) -> QueryResult<HashSet<String>> {
    fn each<'a, T>(batch: &[&'a ImportedUser], what: impl Fn(&'a ImportedUser) -> T) -> Vec<T> {
        batch.iter().map(|user| what(user)).collect()
    }
    let rows: Vec<Inserted> = diesel::sql_query(
        "with imported as (select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) as imported \
         (id, email, email_canonical, username, username_canonical, password_hash, confirmed_at, disabled_at, \
         created_at, credential_version, event_id)), \
         inserted as (insert into users (id, email, email_canonical, username, username_canonical, password_hash, \
         confirmed_at, disabled_at, created_at, password_set_at, credential_version) \
         select id, email, email_canonical, username, username_canonical, password_hash, confirmed_at, disabled_at, \
         created_at, case when password_hash is not null then created_at end, credential_version from imported \
         on conflict do nothing returning id, email_canonical), \
         recorded as (insert into account_events (id, user_id, kind, actor, at) \
         select event_id, id, $12, $13, $14 from inserted join imported using (id)) \
         select email_canonical from inserted",
    )
    .bind::<Array<SqlUuid>, _>(each(batch, |user| user.id.0))
    .bind::<Array<Text>, _>(each(batch, |user| user.email.as_typed()))
    .bind::<Array<Text>, _>(each(batch, |user| user.email.canonical()))
    .bind::<Array<Nullable<Text>>, _>(each(batch, |user| user.username.as_ref().map(Username::as_typed)))
    .bind::<Array<Nullable<Text>>, _>(each(batch, |user| user.username.as_ref().map(Username::canonical)))
    .bind::<Array<Nullable<Text>>, _>(each(batch, |user| user.hash.as_ref().map(PasswordHash::as_str)))
    .bind::<Array<Nullable<Timestamptz>>, _>(each(batch, |user| user.confirmed_at))
    .bind::<Array<Nullable<Timestamptz>>, _>(each(batch, |user| user.disabled_at))
    .bind::<Array<Timestamptz>, _>(each(batch, |user| user.created_at))
    .bind::<Array<SqlUuid>, _>(each(batch, |_| new_credential_version()))
    .bind::<Array<SqlUuid>, _>(each(batch, |_| audit::new_id(now)))
    .bind::<Text, _>(EventKind::Created.name())
    .bind::<Text, _>(<&str>::from(Actor::Import))
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.email_canonical).collect())
}

/// Inserts a user whose address was known, and is locked.
async fn join(
    conn: &mut Connection<'_>,
    user: &ImportedUser,
    shared: &str,
    now: DateTime<Utc>,
) -> QueryResult<Outcome> {
    let canonical = user.email.canonical();
    let accounts: Vec<(bool, Option<String>)> = users::table
        .filter(users::email_canonical.eq(canonical))
        .select((users::confirmed_at.is_not_null(), users::password_hash))
        .load(conn)
        .await?;
    let is_owned = accounts.iter().any(|(is_confirmed, _)| *is_confirmed);
    let takes_over = !is_owned && (user.confirmed_at.is_some() || accounts.is_empty());
    // Registrations of one address share their parameters: several of them come from an export of this service. Accounts
    // without a password fit any.
    let sets_parameters = user.hash.is_some() && accounts.iter().all(|(_, hash)| hash.is_none());
    let is_known = |hash: &PasswordHash| accounts.iter().any(|(_, known)| known.as_deref() == Some(hash.as_str()));
    let fits = user.hash.is_none() || sets_parameters || user.parameters.as_str() == shared;
    let is_one_more = user.confirmed_at.is_none() && user.has_id && fits && !user.hash.as_ref().is_some_and(is_known);
    if !takes_over && !is_one_more {
        return Ok(Outcome::AlreadyThere);
    }
    let joined = db::in_savepoint(conn, async |conn| {
        if takes_over {
            delete_all_of(conn, canonical).await?;
        }
        if takes_over || sets_parameters {
            address_queries::set_parameters(conn, canonical, &user.parameters).await?;
        }
        if insert(conn, &[user], now).await?.is_empty() {
            return Err(diesel::result::Error::RollbackTransaction);
        }
        delete_surplus(conn, canonical).await
    });
    match joined.await {
        Ok(()) => Ok(Outcome::Imported),
        Err(diesel::result::Error::RollbackTransaction) => collision(conn, user).await,
        Err(error) => Err(error),
    }
}

/// Why an account could not be inserted.
async fn collision(conn: &mut Connection<'_>, user: &ImportedUser) -> QueryResult<Outcome> {
    let ids = users::table.filter(users::id.eq(user.id.0)).count().get_result::<i64>(conn).await?;
    if ids > 0 {
        return Ok(Outcome::AlreadyThere);
    }
    let Some(username) = &user.username else {
        return Ok(Outcome::Refused(Refusal::Collision));
    };
    let same_name = users::table.filter(users::username_canonical.eq(username.canonical()));
    let names = same_name.count().get_result::<i64>(conn).await?;
    Ok(Outcome::Refused(if names > 0 { Refusal::UsernameTaken } else { Refusal::Collision }))
}
