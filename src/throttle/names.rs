//! Failed sign-ins in a row, by the name that was typed, whether it exists or not.
//!
//! A client from which the account was signed in to has a counter of its own, so that strangers cannot lock its owner out.
//! All other clients share one. A sign-in takes back the failures of its own client and nothing else: a stranger must not
//! learn from the counter that the owner signed in.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Bool, Inet, Nullable, Timestamptz};
use diesel_async::RunQueryDsl;
use ipnet::{IpNet, Ipv4Net};
use sha2::{Digest as _, Sha256};

use crate::db::schema::login_throttles;
use crate::db::{self, Connection};
use crate::user::{User, UserId, Username};

use super::Wait;
use super::failures::{Failures, KNOWN_TTL, LOCKED_AT, forgotten_at};

/// A sign-in name as the counters know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName([u8; 32]);

impl LoginName {
    pub fn of_email(canonical: &str) -> Self {
        Self::new("email", canonical)
    }

    pub fn of_username(username: &Username) -> Self {
        Self::new("username", &username.canonical())
    }

    /// Not a public name: for the current password, asked of a user who is signed in.
    pub fn of_account(id: UserId) -> Self {
        Self::new("account", &id.to_string())
    }

    /// The names that an account can be signed in to with.
    pub(super) fn public_of(user: &User) -> Vec<Self> {
        let username = user.username.as_ref().map(|name| Self::new("username", &name.to_ascii_lowercase()));
        std::iter::once(Self::of_email(&user.email_canonical)).chain(username).collect()
    }

    /// The public names, and the one for tries of a user who is signed in.
    pub fn all_of(user: &User) -> Vec<Self> {
        let mut all = Self::public_of(user);
        all.push(Self::of_account(user.id()));
        all
    }

    fn new(kind: &str, canonical: &str) -> Self {
        Self(Sha256::digest(format!("{kind}:{canonical}").as_bytes()).into())
    }
}

/// Stands for all clients that are strangers to a name.
fn strangers() -> IpNet {
    IpNet::from(Ipv4Net::default())
}

/// A try that was counted.
#[derive(Clone, Debug)]
pub(super) struct CountedName {
    /// Whether only the client's own counter counts it.
    is_known: bool,
    /// Whether it was the last one: if it fails, only a reset helps.
    pub(super) is_last: bool,
    at: DateTime<Utc>,
}

/// Counts a try with this name by a client, or says how long to wait; then the caller rolls back.
pub(super) async fn count(
    conn: &mut Connection<'_>,
    name: &LoginName,
    client: IpNet,
    now: DateTime<Utc>,
) -> QueryResult<Result<CountedName, Wait>> {
    let [shared, own] = lock_one(conn, name, client, now).await?;
    let is_known = own.is_known(now);
    // What the client failed while it was known was not counted for strangers, and what it failed as a stranger does not
    // count for itself.
    let judged = if is_known { &own } else { &shared };
    let counted = match judged.one_more(now) {
        Ok(counted) => counted,
        Err(wait) => return Ok(Err(wait)),
    };
    let is_last = counted.count >= LOCKED_AT;
    if is_known {
        set(conn, name, client, &counted).await?;
    } else {
        let count = if own.known_until.is_some() { 1 } else { own.count + 1 };
        let own = Failures { count, known_until: None, last_at: now, ..own };
        let [mut first, mut second] = [*conn; 2];
        let (of_strangers, of_client) = tokio::join!(biased;
            set(&mut first, name, strangers(), &counted), set(&mut second, name, client, &own));
        of_strangers.and(of_client)?;
    }
    Ok(Ok(CountedName { is_known, is_last, at: now }))
}

/// Takes back what a client failed, because it signed in. The owner's client is known from now on, under each name.
pub(super) async fn succeed(
    conn: &mut Connection<'_>,
    names: &[LoginName],
    client: IpNet,
    counted: &CountedName,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let shared = db::cached(
        diesel::sql_query(
            "update login_throttles t set failures = greatest(t.failures - own.failures, 0), \
             blocked_until = case when t.last_at = $4 then null else t.blocked_until end, \
             forgotten_at = coalesce(t.forgotten_at, $5) \
             from login_throttles own where own.name_sha256 = t.name_sha256 and own.client = $3 \
             and own.known_until is null and own.failures > 0 and t.name_sha256 = any($1) and t.client = $2",
        )
        .bind::<Array<Binary>, _>(as_bytes(names))
        .bind::<Inet, _>(strangers())
        .bind::<Inet, _>(client)
        .bind::<Timestamptz, _>(counted.at)
        .bind::<Nullable<Timestamptz>, _>(forgotten_at(0, counted.at, None)),
    );
    let known_until = now + KNOWN_TTL;
    let own = db::cached(
        diesel::sql_query(
            "update login_throttles set failures = 0, blocked_until = null, last_at = $3, known_until = $4, \
             forgotten_at = $5 where name_sha256 = any($1) and client = $2",
        )
        .bind::<Array<Binary>, _>(as_bytes(names))
        .bind::<Inet, _>(client)
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(known_until)
        .bind::<Nullable<Timestamptz>, _>(forgotten_at(0, now, Some(known_until))),
    );
    let [mut first, mut second, mut third] = [*conn; 3];
    let (locked, of_strangers, of_client) = tokio::join!(biased;
        lock(&mut first, names, client, now), shared.execute(&mut second), own.execute(&mut third));
    locked.and(of_strangers).and(of_client).map(drop)
}

/// Takes back one try, because the password was right: of an unconfirmed account, so it lifts nothing else.
/// Otherwise, registering an address with a guessed password would lift the limit on guessing its owner's.
pub(super) async fn take_back(
    conn: &mut Connection<'_>,
    name: &LoginName,
    client: IpNet,
    counted: &CountedName,
) -> QueryResult<()> {
    let names = std::slice::from_ref(name);
    let taken_back = db::cached(
        diesel::sql_query(
            "update login_throttles set failures = greatest(failures - 1, 0), \
             blocked_until = case when last_at = $5 then null else blocked_until end, \
             forgotten_at = coalesce(forgotten_at, greatest(known_until, $6)) where name_sha256 = any($1) and (client = $3 or client = $2 and not $4)",
        )
        .bind::<Array<Binary>, _>(as_bytes(names))
        .bind::<Inet, _>(strangers())
        .bind::<Inet, _>(client)
        .bind::<Bool, _>(counted.is_known)
        .bind::<Timestamptz, _>(counted.at)
        .bind::<Nullable<Timestamptz>, _>(forgotten_at(0, counted.at, None)),
    );
    let [mut first, mut second] = [*conn; 2];
    let (locked, updated) =
        tokio::join!(biased; lock(&mut first, names, client, counted.at), taken_back.execute(&mut second));
    locked.and(updated).map(drop)
}

/// Forgets the failures of an account under all its names, locks and known clients included.
pub async fn clear(conn: &mut Connection<'_>, user: &User) -> QueryResult<()> {
    let names = LoginName::all_of(user);
    let counters = login_throttles::table.filter(login_throttles::name_sha256.eq_any(as_bytes(&names)));
    diesel::delete(counters).execute(conn).await.map(drop)
}

#[derive(QueryableByName)]
struct Counter {
    #[diesel(sql_type = Inet)]
    client: IpNet,
    #[diesel(embed)]
    failures: Failures,
}

/// The counters of strangers and of the client, locked until the transaction ends; both looked up alike for every name.
/// Always in the same order, so that no two sign-ins wait for each other.
async fn lock(
    conn: &mut Connection<'_>,
    names: &[LoginName],
    client: IpNet,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Counter>> {
    let statement = diesel::sql_query(
        "insert into login_throttles (name_sha256, client, failures, last_at, forgotten_at) \
         select name, client, 0, $4, $5 from unnest($1) name, unnest(array[$2, $3]) client order by name, client \
         on conflict (name_sha256, client) do update set name_sha256 = excluded.name_sha256 \
         returning client, failures, blocked_until, last_at, known_until",
    );
    let statement = statement
        .bind::<Array<Binary>, _>(as_bytes(names))
        .bind::<Inet, _>(strangers())
        .bind::<Inet, _>(client)
        .bind::<Timestamptz, _>(now)
        .bind::<Nullable<Timestamptz>, _>(forgotten_at(0, now, None));
    // The update changes nothing, but locks and returns the existing rows.
    db::cached(statement).load(conn).await
}

async fn lock_one(
    conn: &mut Connection<'_>,
    name: &LoginName,
    client: IpNet,
    now: DateTime<Utc>,
) -> QueryResult<[Failures; 2]> {
    let rows = lock(conn, std::slice::from_ref(name), client, now).await?;
    let of = |wanted: IpNet| {
        let found = rows.iter().find(|row| row.client == wanted).map(|row| row.failures.clone());
        found.ok_or(diesel::result::Error::NotFound)
    };
    Ok([of(strangers())?, of(client)?])
}

fn as_bytes(names: &[LoginName]) -> Vec<&[u8]> {
    names.iter().map(|name| name.0.as_slice()).collect()
}

async fn set(conn: &mut Connection<'_>, name: &LoginName, client: IpNet, failures: &Failures) -> QueryResult<()> {
    let update = diesel::update(login_throttles::table.find((name.0.as_slice(), client))).set((
        login_throttles::failures.eq(failures.count),
        login_throttles::blocked_until.eq(failures.blocked_until),
        login_throttles::last_at.eq(failures.last_at),
        login_throttles::known_until.eq(failures.known_until),
        login_throttles::forgotten_at.eq(forgotten_at(failures.count, failures.last_at, failures.known_until)),
    ));
    db::cached(update).execute(conn).await.map(drop)
}

#[cfg(test)]
mod tests {
    use crate::user::Email;

    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_name() {
        let email = |text| LoginName::of_email(Email::parse(text).unwrap().canonical());
        assert!(email("Ada@Example.com") == email("ada@example.com"));
        let username = |text| LoginName::of_username(&Username::parse(text).unwrap());
        assert!(username("Ada") == username("aDA"));
        assert!(username("ada") != username("eve"));
    }
}
