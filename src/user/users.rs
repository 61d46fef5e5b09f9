//! The queries on accounts. Each change says with its row count whether it happened; none reads first and writes then.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use ipnet::IpNet;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{addresses as address_table, users};
use crate::password::{HashParameters, PasswordHash};

use super::{Email, User, UserId, Username, addresses, new_credential_version, registrations};

/// The constraint that makes usernames unique.
pub const USERNAME_KEY: &str = "users_username_key";
/// The constraint that lets one account at most confirm an address.
pub const CONFIRMED_EMAIL_KEY: &str = "users_confirmed_email_key";

/// An unconfirmed account to insert.
pub struct NewUser<'a> {
    pub id: UserId,
    pub email: &'a Email,
    pub username: Option<&'a Username>,
    pub password_hash: &'a PasswordHash,
    /// The network of the client that registered.
    pub from: Option<IpNet>,
    pub created_at: DateTime<Utc>,
}

/// What a sign-in compares: the accounts that the given name could mean, and the parameters that all of them share.
pub struct Candidates {
    pub parameters: HashParameters,
    /// The confirmed account first, then the newest first.
    pub accounts: Vec<Account>,
}

/// An account with its hash; `None` if it has no password.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub struct Account {
    #[diesel(embed)]
    pub user: User,
    password_hash: Option<String>,
}

impl Account {
    /// Compares in constant time.
    pub fn has_hash(&self, hash: &PasswordHash) -> bool {
        self.password_hash.clone().is_some_and(|stored| PasswordHash::stored(stored).matches(hash))
    }
}

impl Candidates {
    fn new(rows: Vec<(String, Option<Account>)>) -> QueryResult<Option<Self>> {
        let Some((shared, _)) = rows.as_slice().first() else {
            return Ok(None);
        };
        let parameters = addresses::parse(shared)?;
        Ok(Some(Self { parameters, accounts: rows.into_iter().filter_map(|(_, account)| account).collect() }))
    }
}

/// The accounts of an address; `None` for an unknown address.
pub async fn find_by_email(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<Option<Candidates>> {
    let rows = address_table::table
        .left_join(users::table)
        .filter(address_table::canonical.eq(canonical))
        .order((users::confirmed_at.is_null().asc(), users::created_at.desc(), users::id.desc()))
        .select((address_table::parameters, Option::<Account>::as_select()))
        .load(conn)
        .await?;
    Candidates::new(rows)
}

/// The account of a username; `None` for an unknown name.
pub async fn find_by_username(conn: &mut Connection<'_>, name: &Username) -> QueryResult<Option<Candidates>> {
    let rows = address_table::table
        .left_join(users::table)
        .filter(users::username_canonical.eq(name.canonical()))
        .select((address_table::parameters, Option::<Account>::as_select()))
        .load(conn)
        .await?;
    Candidates::new(rows)
}

/// The accounts of an address: the confirmed one first, then the newest first.
pub async fn list_of_address(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<Vec<User>> {
    users::table
        .filter(users::email_canonical.eq(canonical))
        .order((users::confirmed_at.is_null().asc(), users::created_at.desc(), users::id.desc()))
        .select(User::as_select())
        .load(conn)
        .await
}

pub async fn find(conn: &mut Connection<'_>, id: UserId) -> QueryResult<Option<User>> {
    users::table.find(id.0).select(User::as_select()).first(conn).await.optional()
}

/// An account with its hash, and the parameters to compare a password under.
pub async fn find_with_hash(conn: &mut Connection<'_>, id: UserId) -> QueryResult<Option<(HashParameters, Account)>> {
    let found: Option<(String, Account)> = address_table::table
        .inner_join(users::table)
        .filter(users::id.eq(id.0))
        .select((address_table::parameters, Account::as_select()))
        .first(conn)
        .await
        .optional()?;
    found.map(|(shared, account)| Ok((addresses::parse(&shared)?, account))).transpose()
}

/// Inserts an unconfirmed account.
///
/// # Errors
/// The constraint [`USERNAME_KEY`] if the username is taken.
pub async fn insert(conn: &mut Connection<'_>, user: &NewUser<'_>) -> QueryResult<()> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.0),
            users::email.eq(user.email.as_typed()),
            users::email_canonical.eq(user.email.canonical()),
            users::username.eq(user.username.map(Username::as_typed)),
            users::username_canonical.eq(user.username.map(Username::canonical)),
            users::password_hash.eq(user.password_hash.as_str()),
            users::password_set_at.eq(user.created_at),
            users::credential_version.eq(new_credential_version()),
            users::registered_from.eq(user.from),
            users::created_at.eq(user.created_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Locks an account and its address. `false` if its credentials changed since `user` was read, or it is deleted or
/// disabled: a re-authentication from before then no longer counts.
pub async fn lock_unchanged(conn: &mut Connection<'_>, user: &User) -> QueryResult<bool> {
    addresses::lock(conn, &user.email_canonical).await?;
    let unchanged = users::table
        .find(user.id)
        .filter(users::credential_version.eq(user.credential_version))
        .filter(users::disabled_at.is_null());
    let locked = unchanged.select(users::id).for_update().first::<Uuid>(conn).await.optional()?;
    Ok(locked.is_some())
}

/// Sets a password. `false` if the credentials changed since `user` was read: of two changes at once, one wins, and
/// links that were sent for the earlier credentials no longer work.
pub async fn set_password(
    conn: &mut Connection<'_>,
    user: &User,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let unchanged = users::table.find(user.id).filter(users::credential_version.eq(user.credential_version));
    let changed = diesel::update(unchanged)
        .set((
            users::password_hash.eq(hash.as_str()),
            users::password_set_at.eq(now),
            users::credential_version.eq(new_credential_version()),
        ))
        .execute(conn)
        .await?;
    Ok(changed == 1)
}

/// Makes the password of an account unusable, and returns its new credential version; `None` if it is deleted.
pub async fn clear_password(conn: &mut Connection<'_>, id: UserId) -> QueryResult<Option<Uuid>> {
    diesel::update(users::table.find(id.0))
        .set((
            users::password_hash.eq(None::<String>),
            users::password_set_at.eq(None::<DateTime<Utc>>),
            users::credential_version.eq(new_credential_version()),
        ))
        .returning(users::credential_version)
        .get_result(conn)
        .await
        .optional()
}

/// Replaces the hash of an account and the parameters of its address; the password stays the same. `false` if credentials or
/// address changed since `user` was read, or if `user` is unconfirmed and the address has other accounts: their hashes
/// would no longer fit. Beside a confirmed account, unconfirmed ones lose their password: they can never be confirmed.
pub async fn renew_hash(
    conn: &mut Connection<'_>,
    user: &User,
    hash: &PasswordHash,
    parameters: &HashParameters,
) -> QueryResult<bool> {
    let others = diesel::alias!(users as others);
    let other = others
        .filter(others.field(users::email_canonical).eq(&user.email_canonical))
        .filter(others.field(users::id).ne(user.id));
    let unchanged = users::table
        .find(user.id)
        .filter(users::credential_version.eq(user.credential_version))
        .filter(users::email_canonical.eq(&user.email_canonical));
    let changed = diesel::update(unchanged.filter(users::confirmed_at.is_not_null().or(not(exists(other)))))
        .set(users::password_hash.eq(hash.as_str()))
        .execute(conn)
        .await?;
    if changed == 1 {
        addresses::set_parameters(conn, &user.email_canonical, parameters).await?;
    }
    Ok(changed == 1)
}

/// Sets or removes a username; `None` if the account is deleted.
///
/// # Errors
/// The constraint [`USERNAME_KEY`] if the name is taken.
pub async fn set_username(
    conn: &mut Connection<'_>,
    id: UserId,
    username: Option<&Username>,
) -> QueryResult<Option<User>> {
    diesel::update(users::table.find(id.0))
        .set((
            users::username.eq(username.map(Username::as_typed)),
            users::username_canonical.eq(username.map(Username::canonical)),
        ))
        .returning(User::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Moves a confirmed account to another address, which counts as confirmed then. Its hash stays valid because the address
/// takes over the account's parameters; the unconfirmed accounts of the address are deleted. `false` if the new address
/// is taken, or the account no longer has the address `from`.
///
/// # Errors
/// The constraint [`CONFIRMED_EMAIL_KEY`] in a race for the address.
pub async fn set_email(
    conn: &mut Connection<'_>,
    id: UserId,
    from: &Email,
    to: &Email,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let Some((mut parameters, _)) = find_with_hash(conn, id).await? else {
        return Ok(false);
    };
    // Always in the same order, so that two users who swap addresses do not wait for each other.
    let mut canonicals = [from.canonical(), to.canonical()];
    canonicals.sort_unstable();
    for canonical in canonicals {
        let shared = addresses::lock_or_insert(conn, canonical, &parameters, now).await?;
        // A sign-in may have renewed the hash while this waited for the lock.
        if canonical == from.canonical() {
            parameters = shared;
        }
    }
    if from.canonical() != to.canonical() {
        if addresses::is_taken(conn, to.canonical()).await? {
            return Ok(false);
        }
        registrations::delete_all_of(conn, to.canonical()).await?;
        addresses::set_parameters(conn, to.canonical(), &parameters).await?;
    }
    let unchanged = users::table
        .find(id.0)
        .filter(users::email_canonical.eq(from.canonical()))
        .filter(users::confirmed_at.is_not_null());
    let changed = diesel::update(unchanged)
        .set((users::email.eq(to.as_typed()), users::email_canonical.eq(to.canonical())))
        .execute(conn)
        .await?;
    Ok(changed == 1)
}

/// Disables an account, or enables it again.
pub async fn set_disabled_at(conn: &mut Connection<'_>, id: UserId, at: Option<DateTime<Utc>>) -> QueryResult<()> {
    diesel::update(users::table.find(id.0)).set(users::disabled_at.eq(at)).execute(conn).await.map(drop)
}

/// Deletes an account with everything that belongs to it, and its address if no other account has it. `false` if it is
/// deleted already.
pub async fn delete(conn: &mut Connection<'_>, user: &User) -> QueryResult<bool> {
    let deleted = diesel::delete(users::table.find(user.id)).execute(conn).await?;
    addresses::delete_if_unused(conn, &user.email_canonical).await?;
    Ok(deleted == 1)
}
