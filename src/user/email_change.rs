//! Changes of address: asked for, proved by the new address, undone from the old one. The queries take a connection.
//!
//! Each step is one `update … returning`: of two clicks one does something. Two changes at once cannot confirm an
//! address that nobody proved, as each link names its own row and only the latest waits.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::schema::email_changes;
use crate::db::{CLEANING_BATCH, Connection};

use super::{Email, UserId, queries};

/// A change of address.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = email_changes, check_for_backend(diesel::pg::Pg))]
pub struct EmailChange {
    /// Its identity, which its links name.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// The address before, as it was typed.
    pub old_email: String,
    /// The address after, as it was typed.
    pub new_email: String,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When the new address proved itself.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When the old address took it back.
    pub undone_at: Option<DateTime<Utc>>,
}

/// Inserts a change that waits; one that waited before is replaced.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    conn: &mut Connection,
    user_id: UserId,
    old_email: &str,
    new_email: &Email,
    now: DateTime<Utc>,
) -> QueryResult<Uuid> {
    delete_pending(conn, user_id).await?;
    let id = Uuid::now_v7();
    diesel::insert_into(email_changes::table)
        .values((
            email_changes::id.eq(id),
            email_changes::user_id.eq(user_id.0),
            email_changes::old_email.eq(old_email),
            email_changes::new_email.eq(new_email.as_typed()),
            email_changes::requested_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(id)
}

/// The change of this identity.
///
/// # Errors
/// Those of the database.
pub async fn find(conn: &mut Connection, id: Uuid) -> QueryResult<Option<EmailChange>> {
    email_changes::table.find(id).select(EmailChange::as_select()).first(conn).await.optional()
}

/// Locks the addresses of a change, and that of its account, until the transaction ends. Who resets a password or deletes
/// an account takes the address first and the changes after it: in the other order both would wait for each other.
///
/// # Errors
/// Those of the database.
pub async fn lock_addresses(conn: &mut Connection, change: &EmailChange) -> QueryResult<()> {
    let user = queries::find(conn, UserId(change.user_id)).await?;
    let emails = [Email::parse(&change.old_email), Email::parse(&change.new_email)];
    let mut canonicals: Vec<&str> = emails.iter().flatten().map(Email::canonical).collect();
    canonicals.extend(user.iter().map(|user| user.email_canonical.as_str()));
    queries::lock_known_addresses(conn, &canonicals).await
}

/// Marks a change that waits as proved. `None` where it does not wait.
///
/// # Errors
/// Those of the database.
pub async fn set_confirmed(conn: &mut Connection, id: Uuid, now: DateTime<Utc>) -> QueryResult<Option<EmailChange>> {
    let pending = email_changes::table
        .find(id)
        .filter(email_changes::confirmed_at.is_null())
        .filter(email_changes::undone_at.is_null());
    diesel::update(pending)
        .set(email_changes::confirmed_at.eq(now))
        .returning(EmailChange::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Marks a change as taken back. `None` where it was before.
///
/// # Errors
/// Those of the database.
pub async fn set_undone(conn: &mut Connection, id: Uuid, now: DateTime<Utc>) -> QueryResult<Option<EmailChange>> {
    diesel::update(email_changes::table.find(id).filter(email_changes::undone_at.is_null()))
        .set(email_changes::undone_at.eq(now))
        .returning(EmailChange::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Marks a change as not taken back after all, as the address belongs to somebody else by now.
///
/// # Errors
/// Those of the database.
pub async fn set_not_undone(conn: &mut Connection, id: Uuid) -> QueryResult<usize> {
    let change = email_changes::table.find(id);
    diesel::update(change).set(email_changes::undone_at.eq(None::<DateTime<Utc>>)).execute(conn).await
}

/// Deletes the change of an account that waits, if there is one: its link is then spent.
///
/// # Errors
/// Those of the database.
pub async fn delete_pending(conn: &mut Connection, user_id: UserId) -> QueryResult<usize> {
    let pending = email_changes::table
        .filter(email_changes::user_id.eq(user_id.0))
        .filter(email_changes::confirmed_at.is_null())
        .filter(email_changes::undone_at.is_null());
    diesel::delete(pending).execute(conn).await
}

/// Deletes the changes of an account that were asked for after `change`, whatever became of them: their links are then
/// spent.
///
/// # Errors
/// Those of the database.
pub async fn delete_later(conn: &mut Connection, change: &EmailChange) -> QueryResult<usize> {
    let later = email_changes::table
        .filter(email_changes::user_id.eq(change.user_id))
        .filter(email_changes::requested_at.ge(change.requested_at))
        .filter(email_changes::id.ne(change.id));
    diesel::delete(later).execute(conn).await
}

/// All changes of an account, the newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(conn: &mut Connection, user_id: UserId) -> QueryResult<Vec<EmailChange>> {
    email_changes::table
        .filter(email_changes::user_id.eq(user_id.0))
        .order(email_changes::id.desc())
        .select(EmailChange::as_select())
        .load(conn)
        .await
}

/// Deletes some of the changes that were asked for before `before`.
///
/// # Errors
/// Those of the database.
pub async fn delete_before(conn: &mut Connection, before: DateTime<Utc>) -> QueryResult<usize> {
    let old = email_changes::table.filter(email_changes::requested_at.lt(before));
    let some: Vec<Uuid> = old.select(email_changes::id).limit(CLEANING_BATCH).load(conn).await?;
    diesel::delete(email_changes::table.filter(email_changes::id.eq_any(some))).execute(conn).await
}
