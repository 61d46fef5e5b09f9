//! The queries on unconfirmed accounts. Any number of people can register an address; one of them becomes its owner.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;

use crate::db::schema::{registrations, users};
use crate::db::{self, Connection};
use crate::token::Token;

use super::{User, UserId};

/// How many unconfirmed accounts an address keeps of one client network: the newest.
const KEPT_PER_NETWORK: i64 = 3;
/// How many in all, besides the only one of each network.
const KEPT_PER_ADDRESS: i64 = 20;

/// Keeps what proves later that the confirmation comes from the client that registered.
pub async fn insert(conn: &mut Connection<'_>, id: UserId, token: &Token, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::insert_into(registrations::table)
        .values((
            registrations::user_id.eq(id.0),
            registrations::token_sha256.eq(token.sha256().as_slice()),
            registrations::created_at.eq(now),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// The account that was registered with this token, unless it is disabled.
pub async fn find_by_token(conn: &mut Connection<'_>, token: &Token) -> QueryResult<Option<User>> {
    registrations::table
        .inner_join(users::table)
        .filter(registrations::token_sha256.eq(token.sha256().as_slice()))
        .filter(users::disabled_at.is_null())
        .select(User::as_select())
        .first(conn)
        .await
        .optional()
}

/// Confirms an account, once. `false` if it is deleted, was confirmed before or has another address by now.
///
/// # Errors
/// The constraint [`super::users::CONFIRMED_EMAIL_KEY`] if another account confirmed the address.
pub async fn set_confirmed(
    conn: &mut Connection<'_>,
    id: UserId,
    canonical: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let unconfirmed =
        users::table.find(id.0).filter(users::email_canonical.eq(canonical)).filter(users::confirmed_at.is_null());
    let changed = diesel::update(unconfirmed).set(users::confirmed_at.eq(now)).execute(conn).await?;
    Ok(changed == 1)
}

/// Deletes the unconfirmed accounts of an address.
pub async fn delete_all_of(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<()> {
    let rivals = users::table.filter(users::email_canonical.eq(canonical)).filter(users::confirmed_at.is_null());
    diesel::delete(rivals).execute(conn).await.map(drop)
}

/// Deletes the unconfirmed accounts of an address except the newest `KEPT_PER_NETWORK` of each client network, and of
/// those the oldest beyond `KEPT_PER_ADDRESS`. The newest of a network stays in any case: a stranger must not be able to
/// evict the registration of another network.
pub async fn delete_surplus(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<()> {
    let statement = diesel::sql_query(
        "with ranked as (select id, row_number() over (partition by registered_from order by created_at desc, id desc) \
                             as of_network \
                         from users where email_canonical = $1 and confirmed_at is null), \
              counted as (select id, of_network, row_number() over (order by of_network, id desc) as of_address from ranked) \
         delete from users where id in (select id from counted \
             where of_network > $2 or of_address > $3 and of_network > 1)",
    )
    .bind::<Text, _>(canonical)
    .bind::<BigInt, _>(KEPT_PER_NETWORK)
    .bind::<BigInt, _>(KEPT_PER_ADDRESS);
    db::cached(statement).execute(conn).await.map(drop)
}
