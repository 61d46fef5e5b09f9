//! The queries on changes of address: requested, confirmed from the new address, undone from the old one.
//!
//! Each step is one `update … returning`, so of two clicks one takes effect. Two changes at once cannot confirm an address
//! that nobody confirmed, because each link names its own row and only the latest request is pending.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::email_changes;

use super::{Email, UserId, addresses, users};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = email_changes, check_for_backend(diesel::pg::Pg))]
pub struct EmailChange {
    /// The links of the change name it.
    pub id: Uuid,
    pub user_id: Uuid,
    pub old_email: String,
    pub new_email: String,
    pub requested_at: DateTime<Utc>,
    pub confirmed_at: Option<DateTime<Utc>>,
    pub undone_at: Option<DateTime<Utc>>,
}

/// Inserts a pending change, in place of one that was pending before.
pub async fn insert(
    conn: &mut Connection<'_>,
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

pub async fn find(conn: &mut Connection<'_>, id: Uuid) -> QueryResult<Option<EmailChange>> {
    email_changes::table.find(id).select(EmailChange::as_select()).first(conn).await.optional()
}

/// The newest changes of an account, or the newest `before` one of them, the newest first.
pub async fn list(
    conn: &mut Connection<'_>,
    user_id: UserId,
    before: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<EmailChange>> {
    email_changes::table
        .filter(email_changes::user_id.eq(user_id.0))
        .filter(email_changes::id.lt(before.unwrap_or(Uuid::max())))
        .order(email_changes::id.desc())
        .limit(limit)
        .select(EmailChange::as_select())
        .load(conn)
        .await
}

/// Locks the addresses of a change and that of its account until the transaction ends. A reset and a deletion lock the
/// address first and the changes after it; the other order would be a deadlock.
pub async fn lock_addresses(conn: &mut Connection<'_>, change: &EmailChange) -> QueryResult<()> {
    let user = users::find(conn, UserId(change.user_id)).await?;
    let emails = [Email::parse(&change.old_email), Email::parse(&change.new_email)];
    let mut canonicals: Vec<&str> = emails.iter().flatten().map(Email::canonical).collect();
    canonicals.extend(user.iter().map(|user| user.email_canonical.as_str()));
    addresses::lock_all(conn, &canonicals).await
}

/// Marks a pending change as confirmed; `None` if it is not pending.
pub async fn set_confirmed(
    conn: &mut Connection<'_>,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<EmailChange>> {
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

/// Marks a change as undone; `None` if it is undone already.
pub async fn set_undone(conn: &mut Connection<'_>, id: Uuid, now: DateTime<Utc>) -> QueryResult<Option<EmailChange>> {
    diesel::update(email_changes::table.find(id).filter(email_changes::undone_at.is_null()))
        .set(email_changes::undone_at.eq(now))
        .returning(EmailChange::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Deletes the pending change of an account, so that its link no longer works.
pub async fn delete_pending(conn: &mut Connection<'_>, user_id: UserId) -> QueryResult<usize> {
    let pending = email_changes::table
        .filter(email_changes::user_id.eq(user_id.0))
        .filter(email_changes::confirmed_at.is_null())
        .filter(email_changes::undone_at.is_null());
    diesel::delete(pending).execute(conn).await
}

/// Deletes the changes of an account that were requested after `change`, so that their links no longer work.
pub async fn delete_later(conn: &mut Connection<'_>, change: &EmailChange) -> QueryResult<usize> {
    let later = email_changes::table
        .filter(email_changes::user_id.eq(change.user_id))
        .filter(email_changes::requested_at.ge(change.requested_at))
        .filter(email_changes::id.ne(change.id));
    diesel::delete(later).execute(conn).await
}
