//! The outbox: a row for each mail, from the transaction that causes it until clean-up. It holds who and why, never a
//! link.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{outbox, users};
use crate::request::RequestContext;
use crate::user::UserId;

use super::MailKind;

/// The channel on which instances tell each other that the outbox has changed.
pub const CHANNEL: &str = "vestibule_mails";

/// A mail to queue.
#[derive(Clone, Debug)]
pub struct NewMail {
    kind: MailKind,
    /// Deleting the account deletes the mail.
    user_id: Option<UserId>,
    /// `None` for the address that the account, or the change, has when the mail is sent.
    address: Option<String>,
    email_change_id: Option<Uuid>,
}

impl NewMail {
    pub fn to_account(kind: MailKind, user_id: UserId) -> Self {
        Self { kind, user_id: Some(user_id), address: None, email_change_id: None }
    }

    pub fn to_address(kind: MailKind, user_id: UserId, address: &str) -> Self {
        Self { address: Some(address.to_owned()), ..Self::to_account(kind, user_id) }
    }

    pub fn account_deleted(address: &str) -> Self {
        Self { kind: MailKind::AccountDeleted, user_id: None, address: Some(address.to_owned()), email_change_id: None }
    }

    pub fn about_change(kind: MailKind, user_id: UserId, email_change_id: Uuid) -> Self {
        Self { email_change_id: Some(email_change_id), ..Self::to_account(kind, user_id) }
    }
}

/// A queued mail that this instance has claimed.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(table_name = outbox, check_for_backend(diesel::pg::Pg))]
pub struct OutboxMail {
    /// Also in its `Message-ID`.
    pub id: Uuid,
    /// `None` after the account was deleted.
    pub user_id: Option<Uuid>,
    pub address: Option<String>,
    pub email_change_id: Option<Uuid>,
    pub kind: String,
    /// A [`RequestContext`].
    pub request_context: Value,
    /// This attempt included.
    pub attempts: i32,
    pub queued_at: DateTime<Utc>,
    /// With the id, this identifies the claim.
    #[diesel(sql_type = Timestamptz)]
    pub claimed_until: DateTime<Utc>,
}

/// Queues a mail, unless the same mail is queued already. Returns how many were queued.
pub async fn insert(conn: &mut Connection, mail: NewMail, request: &RequestContext) -> QueryResult<usize> {
    insert_all(conn, vec![mail], request).await
}

/// Queues the confirmation mail of each unconfirmed account of an address, the newest first: the oldest is the least
/// likely to belong to the person who asks.
pub async fn insert_for_unconfirmed(
    conn: &mut Connection,
    email_canonical: &str,
    request: &RequestContext,
) -> QueryResult<usize> {
    let unconfirmed: Vec<Uuid> = users::table
        .filter(users::email_canonical.eq(email_canonical))
        .filter(users::confirmed_at.is_null())
        .order((users::created_at.desc(), users::id.desc()))
        .select(users::id)
        // Against an account that is being deleted just now.
        .for_key_share()
        .load(conn)
        .await?;
    let mail = |id| NewMail::to_account(MailKind::ConfirmEmail, UserId(id));
    insert_all(conn, unconfirmed.into_iter().map(mail).collect(), request).await
}

async fn insert_all(conn: &mut Connection, mails: Vec<NewMail>, request: &RequestContext) -> QueryResult<usize> {
    let context = serde_json::to_value(request).map_err(|e| diesel::result::Error::SerializationError(e.into()))?;
    let row = |mail: NewMail| {
        (
            outbox::id.eq(Uuid::now_v7()),
            outbox::user_id.eq(mail.user_id.map(|id| id.0)),
            outbox::address.eq(mail.address),
            outbox::email_change_id.eq(mail.email_change_id),
            outbox::kind.eq(mail.kind.name()),
            outbox::request_context.eq(&context),
            outbox::state.eq("queued"),
            outbox::queued_at.eq(request.at),
            outbox::due_at.eq(request.at),
            outbox::attempts.eq(0),
            outbox::waits_for_server.eq(false),
        )
    };
    let rows: Vec<_> = mails.into_iter().map(row).collect();
    let queued = diesel::insert_into(outbox::table).values(rows).on_conflict_do_nothing().execute(conn).await?;
    if queued > 0 {
        notify(conn).await?;
    }
    Ok(queued)
}

/// Wakes the workers of all instances when the transaction commits.
pub(super) async fn notify(conn: &mut Connection) -> QueryResult<usize> {
    diesel::sql_query("select pg_notify($1, '')").bind::<Text, _>(CHANNEL).execute(conn).await
}

/// Claims up to `limit` mails that are due, the earliest first, until `until`. A claim that ends without a result, because
/// its instance was killed, can be taken over. Kinds that only a later version knows are left to it: both run while
/// instances are being replaced.
pub async fn claim(
    conn: &mut Connection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i32,
) -> QueryResult<Vec<OutboxMail>> {
    diesel::sql_query(
        "with claimed as ( \
             update outbox set claimed_until = $2, attempts = attempts + 1 \
             where id in (select id from outbox where state = 'queued' and kind = any($4) and due_at <= $1 \
                          and (claimed_until is null or claimed_until <= $1) \
                          order by due_at, id limit $3 for update skip locked) \
             returning *) \
         select id, user_id, address, email_change_id, kind, request_context, attempts, queued_at, claimed_until \
         from claimed order by due_at, id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(until)
    .bind::<Integer, _>(limit)
    .bind::<Array<Text>, _>(MailKind::names())
    .load(conn)
    .await
}

/// When the next mail becomes due, or its claim ends.
pub async fn next_due_at(conn: &mut Connection) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let next: Next = diesel::sql_query(
        "select min(greatest(due_at, claimed_until)) as at from outbox where state = 'queued' and kind = any($1)",
    )
    .bind::<Array<Text>, _>(MailKind::names())
    .get_result(conn)
    .await?;
    Ok(next.at)
}

pub async fn extend_claim(conn: &mut Connection, mail: &mut OutboxMail, until: DateTime<Utc>) -> QueryResult<()> {
    if diesel::update(claimed(mail)).set(outbox::claimed_until.eq(until)).execute(conn).await? == 1 {
        mail.claimed_until = until;
    }
    Ok(())
}

pub async fn set_sent(conn: &mut Connection, mail: &OutboxMail, now: DateTime<Utc>, reply: &str) -> QueryResult<usize> {
    let sent = Changes { state: Some("sent"), sent_at: Some(now), last_reply: Some(reply), ..Changes::default() };
    end_claim(conn, mail, sent).await
}

pub async fn set_failed(conn: &mut Connection, mail: &OutboxMail, reason: &str) -> QueryResult<usize> {
    let failed = Changes { state: Some("failed"), last_reply: Some(reason), ..Changes::default() };
    end_claim(conn, mail, failed).await
}

/// Has a mail tried again at `due_at`, or, if it `waits_for_server`, as soon as the mail server is back.
pub async fn set_delayed(
    conn: &mut Connection,
    mail: &OutboxMail,
    due_at: DateTime<Utc>,
    reply: &str,
    waits_for_server: bool,
) -> QueryResult<usize> {
    if waits_for_server {
        // Another instance may reach the server, and sleeps because this mail was claimed.
        notify(conn).await?;
    }
    let due_at = Some(due_at);
    let waits_for_server = Some(waits_for_server);
    end_claim(conn, mail, Changes { due_at, waits_for_server, last_reply: Some(reply), ..Changes::default() }).await
}

/// Has a mail wait until the limits of its address permit it. That was no attempt.
pub async fn set_postponed(conn: &mut Connection, mail: &OutboxMail, due_at: DateTime<Utc>) -> QueryResult<usize> {
    let attempts = Some(mail.attempts - 1);
    end_claim(conn, mail, Changes { due_at: Some(due_at), attempts, ..Changes::default() }).await
}

/// Makes all mails due that wait for the mail server.
pub async fn set_due_after_outage(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<usize> {
    let waiting = outbox::table.filter(outbox::state.eq("queued")).filter(outbox::waits_for_server);
    diesel::update(waiting).set((outbox::due_at.eq(now), outbox::waits_for_server.eq(false))).execute(conn).await
}

/// What changes in the row; `None` leaves a column as it is.
#[derive(Default, AsChangeset)]
#[diesel(table_name = outbox)]
struct Changes<'a> {
    state: Option<&'a str>,
    attempts: Option<i32>,
    due_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    waits_for_server: Option<bool>,
    last_reply: Option<&'a str>,
}

async fn end_claim(conn: &mut Connection, mail: &OutboxMail, changes: Changes<'_>) -> QueryResult<usize> {
    diesel::update(claimed(mail)).set((changes, outbox::claimed_until.eq(None::<DateTime<Utc>>))).execute(conn).await
}

/// The row, as long as the claim is ours. Otherwise we would overwrite the result of the instance that took it over.
#[diesel::dsl::auto_type]
fn claimed<'a>(mail: &'a OutboxMail) -> _ {
    let id: Uuid = mail.id;
    let until: DateTime<Utc> = mail.claimed_until;
    outbox::table.filter(outbox::id.eq(id)).filter(outbox::state.eq("queued")).filter(outbox::claimed_until.eq(until))
}
