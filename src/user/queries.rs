//! The queries on addresses and accounts. They take a connection: the flow owns the transaction.
//!
//! Whoever changes which accounts an address has holds the lock on its row in `addresses` first: registrations and
//! confirmations of one address come one after the other.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{addresses, users};
use crate::password::{HashParameters, PasswordHash};

use super::{Email, User, UserId, Username};

/// The unconfirmed accounts that an address keeps: the newest.
pub const UNCONFIRMED_KEPT: i64 = 3;

/// The constraint that makes usernames unique.
pub const USERNAME_KEY: &str = "users_username_key";
/// The constraint that gives an address to one confirmed account at most.
pub const CONFIRMED_EMAIL_KEY: &str = "users_confirmed_email_key";

/// An account to insert.
pub struct NewUser<'a> {
    /// Its identity.
    pub id: UserId,
    /// Its address, not yet proved.
    pub email: &'a Email,
    /// Its username.
    pub username: Option<&'a Username>,
    /// The hash under the parameters of the address.
    pub password_hash: &'a PasswordHash,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
}

/// What a login compares: the accounts that the given name could mean, and the parameters that all of them share.
pub struct Candidates {
    /// The parameters of the one hash to compute.
    pub parameters: HashParameters,
    /// The accounts, the confirmed one first, then the newest first.
    pub accounts: Vec<(User, PasswordHash)>,
}

/// Makes an address known, with `fresh` parameters if it was not, and locks it until the transaction ends. Gives the
/// parameters that its accounts share.
///
/// # Errors
/// Those of the database.
pub async fn lock_address(
    conn: &mut Connection,
    canonical: &str,
    fresh: &HashParameters,
    now: DateTime<Utc>,
) -> QueryResult<HashParameters> {
    let shared: String = diesel::insert_into(addresses::table)
        .values((
            addresses::canonical.eq(canonical),
            addresses::parameters.eq(fresh.as_str()),
            addresses::created_at.eq(now),
        ))
        .on_conflict(addresses::canonical)
        // Changes nothing, but locks and returns the row that is there.
        .do_update()
        .set(addresses::canonical.eq(excluded(addresses::canonical)))
        .returning(addresses::parameters)
        .get_result(conn)
        .await?;
    parameters(&shared)
}

/// A row of a login: the address, and an account of it if it has one.
type CandidateRow = (String, Option<Account>);

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
struct Account {
    #[diesel(embed)]
    user: User,
    password_hash: String,
}

fn candidates(rows: Vec<CandidateRow>) -> QueryResult<Option<Candidates>> {
    let Some((shared, _)) = rows.as_slice().first() else {
        return Ok(None);
    };
    let parameters = parameters(shared)?;
    let accounts = rows.into_iter().filter_map(|(_, account)| account);
    let accounts =
        accounts.map(|Account { user, password_hash }| (user, PasswordHash::stored(password_hash))).collect();
    Ok(Some(Candidates { parameters, accounts }))
}

/// Locks an address until the transaction ends, if it is known.
///
/// # Errors
/// Those of the database.
pub async fn lock_known_address(conn: &mut Connection, canonical: &str) -> QueryResult<()> {
    lock_known_addresses(conn, &[canonical]).await
}

/// Locks those of the addresses that are known, in one order for everybody.
///
/// # Errors
/// Those of the database.
pub async fn lock_known_addresses(conn: &mut Connection, canonicals: &[&str]) -> QueryResult<()> {
    let known = addresses::table.filter(addresses::canonical.eq_any(canonicals));
    // Byte by byte, as the import and whoever sorts in Rust do, whatever the collation of the database.
    let locked = known.order(sql::<Text>("canonical collate \"C\"")).select(addresses::canonical).for_update();
    locked.load::<String>(conn).await.map(drop)
}

/// The parameters that the accounts of an address share. `None` where it is unknown.
///
/// # Errors
/// Those of the database.
pub async fn find_parameters(conn: &mut Connection, canonical: &str) -> QueryResult<Option<HashParameters>> {
    let found: Option<String> =
        addresses::table.find(canonical).select(addresses::parameters).first(conn).await.optional()?;
    found.as_deref().map(parameters).transpose()
}

/// Sets the parameters that the accounts of an address share; whoever calls this has seen to it that all hashes fit.
///
/// # Errors
/// Those of the database.
pub async fn set_parameters(conn: &mut Connection, canonical: &str, parameters: &HashParameters) -> QueryResult<()> {
    diesel::update(addresses::table.find(canonical))
        .set(addresses::parameters.eq(parameters.as_str()))
        .execute(conn)
        .await?;
    Ok(())
}

fn parameters(stored: &str) -> QueryResult<HashParameters> {
    HashParameters::parse(stored).map_err(|error| diesel::result::Error::DeserializationError(error.into()))
}

/// Inserts an unconfirmed account.
///
/// # Errors
/// The constraint [`USERNAME_KEY`] when the username is taken.
pub async fn insert(conn: &mut Connection, user: &NewUser<'_>) -> QueryResult<()> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.0),
            users::email.eq(user.email.as_typed()),
            users::email_canonical.eq(user.email.canonical()),
            users::username.eq(user.username.map(Username::as_typed)),
            users::username_canonical.eq(user.username.map(Username::canonical)),
            users::password_hash.eq(user.password_hash.as_str()),
            users::password_set_at.eq(user.created_at),
            users::created_at.eq(user.created_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes the unconfirmed accounts of an address but for the newest [`UNCONFIRMED_KEPT`].
///
/// # Errors
/// Those of the database.
pub async fn delete_surplus(conn: &mut Connection, canonical: &str) -> QueryResult<usize> {
    let unconfirmed = users::email_canonical.eq(canonical).and(users::confirmed_at.is_null());
    let surplus: Vec<Uuid> = users::table
        .filter(unconfirmed)
        .order((users::created_at.desc(), users::id.desc()))
        .offset(UNCONFIRMED_KEPT)
        .select(users::id)
        .load(conn)
        .await?;
    if surplus.is_empty() {
        return Ok(0);
    }
    diesel::delete(users::table.filter(users::id.eq_any(surplus))).execute(conn).await
}

/// The accounts of an address. `None` where the address is unknown.
///
/// # Errors
/// Those of the database.
pub async fn find_candidates_by_email(conn: &mut Connection, email: &Email) -> QueryResult<Option<Candidates>> {
    let rows = addresses::table
        .left_join(users::table)
        .filter(addresses::canonical.eq(email.canonical()))
        .order((users::confirmed_at.is_null().asc(), users::created_at.desc(), users::id.desc()))
        .select((addresses::parameters, Option::<Account>::as_select()))
        .load(conn)
        .await?;
    candidates(rows)
}

/// The account of a username. `None` where the name is unknown.
///
/// # Errors
/// Those of the database.
pub async fn find_candidates_by_username(conn: &mut Connection, name: &Username) -> QueryResult<Option<Candidates>> {
    let rows = addresses::table
        .left_join(users::table)
        .filter(users::username_canonical.eq(name.canonical()))
        .select((addresses::parameters, Option::<Account>::as_select()))
        .load(conn)
        .await?;
    candidates(rows)
}

/// The account of this identity.
///
/// # Errors
/// Those of the database.
pub async fn find(conn: &mut Connection, id: UserId) -> QueryResult<Option<User>> {
    users::table.find(id.0).select(User::as_select()).first(conn).await.optional()
}

/// Whether somebody proved that the address is theirs.
///
/// # Errors
/// Those of the database.
pub async fn is_address_taken(conn: &mut Connection, canonical: &str) -> QueryResult<bool> {
    let confirmed = users::table.filter(users::email_canonical.eq(canonical)).filter(users::confirmed_at.is_not_null());
    diesel::select(exists(confirmed)).get_result(conn).await
}

/// Confirms an account, once. `false` where it is gone, confirmed already or has another address by now.
///
/// # Errors
/// The constraint [`CONFIRMED_EMAIL_KEY`] when the address belongs to somebody else.
pub async fn set_confirmed(
    conn: &mut Connection,
    id: UserId,
    canonical: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let unconfirmed =
        users::table.find(id.0).filter(users::email_canonical.eq(canonical)).filter(users::confirmed_at.is_null());
    let changed = diesel::update(unconfirmed).set(users::confirmed_at.eq(now)).execute(conn).await?;
    Ok(changed == 1)
}

/// Deletes the unconfirmed accounts of an address, with their sessions and mails.
///
/// # Errors
/// Those of the database.
pub async fn delete_unconfirmed_of(conn: &mut Connection, canonical: &str) -> QueryResult<usize> {
    let rivals = users::table.filter(users::email_canonical.eq(canonical)).filter(users::confirmed_at.is_null());
    diesel::delete(rivals).execute(conn).await
}

/// Renews hash and parameters of an address that has this account alone. `false` where it has others: theirs could
/// then not be compared with the same hash, so they all stay as they are; and where hash or address of the account are
/// not those any more that the password was proved for.
///
/// # Errors
/// Those of the database.
pub async fn set_password_hash_if_alone(
    conn: &mut Connection,
    user: &User,
    replaced: &PasswordHash,
    hash: &PasswordHash,
    parameters: &HashParameters,
) -> QueryResult<bool> {
    let others = diesel::alias!(users as others);
    let other = others
        .filter(others.field(users::email_canonical).eq(&user.email_canonical))
        .filter(others.field(users::id).ne(user.id));
    let unchanged = users::table
        .find(user.id)
        .filter(users::password_hash.eq(replaced.as_str()))
        .filter(users::email_canonical.eq(&user.email_canonical));
    let changed = diesel::update(unchanged.filter(not(exists(other))))
        .set(users::password_hash.eq(hash.as_str()))
        .execute(conn)
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    set_parameters(conn, &user.email_canonical, parameters).await?;
    Ok(true)
}
