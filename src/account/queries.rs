//! Looking at accounts: for an admin, and for an owner who wants a copy of everything.

use diesel::QueryResult;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::audit::{self, Event};
use crate::db::schema::users as users_table;
use crate::db::{Connection, DbError};
use crate::mail::status::{self, MailStatus};
use crate::session::{Session, store};
use crate::user::email_changes::{self, EmailChange};
use crate::user::{Email, User, UserId, Username, users};

use super::{AccountSummary, Accounts, Error};

/// How many rows of an account are in memory at once. In a year, they can be hundreds of thousands.
const PAGE: i64 = 500;

/// An account with the newest of what is stored about it, without hashes: they say nothing about the person, and help a
/// thief of the copy.
pub struct AccountRecord {
    pub user: User,
    pub sessions: Vec<Session>,
    pub mails: Vec<MailStatus>,
    /// The newest first.
    pub events: Vec<Event>,
}

impl Accounts {
    /// The newest accounts, or those with `search` in their address or username.
    pub async fn list(&self, search: Option<&str>, limit: i64) -> Result<Vec<AccountSummary>, Error> {
        let found = self.db.run(async |conn| list(conn, search, limit).await).await?;
        Ok(found.into_iter().map(AccountSummary::from).collect())
    }

    /// The account of an id, address or username. Of the accounts of an address it is the confirmed one, else the newest.
    pub async fn find_by_name(&self, name: &str) -> Result<User, Error> {
        self.db.run(async |conn| find_by_name(conn, name).await).await?.ok_or(Error::NotFound)
    }

    /// An account with its sessions, and its newest mails and events.
    pub async fn record_of(&self, user: User, limit: i64) -> Result<AccountRecord, Error> {
        let (id, now) = (user.id(), self.clock.now());
        self.transaction(async |conn| {
            Ok(AccountRecord {
                sessions: store::list(conn, id, now).await?,
                mails: status::list_of(conn, id, None, limit).await?,
                events: audit::list(conn, id, None, limit).await?,
                user,
            })
        })
        .await
    }
}

/// A row of a list that is read page by page.
pub trait Page: Sized {
    /// What the next page comes after.
    fn id(&self) -> Uuid;

    /// The newest rows of an account, or the newest before the one with this id.
    fn load(
        accounts: &Accounts,
        user_id: UserId,
        before: Option<Uuid>,
    ) -> impl Future<Output = Result<Vec<Self>, DbError>>;
}

macro_rules! page {
    ($row:ty, $list:path) => {
        impl Page for $row {
            fn id(&self) -> Uuid {
                self.id
            }

            async fn load(accounts: &Accounts, user_id: UserId, before: Option<Uuid>) -> Result<Vec<Self>, DbError> {
                accounts.db.run(async |conn| $list(conn, user_id, before, PAGE).await).await
            }
        }
    };
}
page!(MailStatus, status::list_of);
page!(EmailChange, email_changes::list);
page!(Event, audit::list);

pub(super) async fn find_by_name(conn: &mut Connection<'_>, name: &str) -> QueryResult<Option<User>> {
    // Only with its hyphens: without them, a username can look like an id.
    if let Some(id) = name.parse::<Uuid>().ok().filter(|id| name == id.to_string()) {
        return users::find(conn, UserId(id)).await;
    }
    let found = if let Ok(email) = Email::parse(name) {
        users::find_by_email(conn, email.canonical()).await?
    } else if let Ok(username) = Username::parse(name) {
        users::find_by_username(conn, &username).await?
    } else {
        None
    };
    Ok(found.and_then(|candidates| candidates.accounts.into_iter().next()).map(|account| account.user))
}

async fn list(conn: &mut Connection<'_>, search: Option<&str>, limit: i64) -> QueryResult<Vec<User>> {
    let newest = users_table::table.select(User::as_select()).order(users_table::id.desc()).limit(limit);
    let Some(text) = search else {
        return newest.load(conn).await;
    };
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = format!("%{escaped}%");
    let has_it = users_table::email_canonical.like(&pattern).or(users_table::username_canonical.like(&pattern));
    newest.filter(has_it).load(conn).await
}
