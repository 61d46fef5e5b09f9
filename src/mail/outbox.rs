//! The queue: rows that promise a mail. They take a connection, so that the promise is part of the flow's
//! transaction.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::{outbox, users};
use crate::request::RequestContext;
use crate::user::UserId;

use super::{MailKind, NewMail};

/// Where instances tell each other that a mail was promised.
pub const CHANNEL: &str = "vestibule_mails";

/// A promised mail, claimed by this instance until its claim ends.
#[derive(Clone, Debug, QueryableByName)]
pub struct Claimed {
    /// Its identity, from which its `Message-ID` is made.
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub id: Uuid,
    /// The account that it is for; none after its deletion.
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    pub user_id: Option<Uuid>,
    /// Where it goes, if not to the address of the account.
    #[diesel(sql_type = Nullable<Text>)]
    pub address: Option<String>,
    /// The change of address that it is about.
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    pub email_change_id: Option<Uuid>,
    /// Which mail, see [`MailKind`].
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Who caused it, see [`RequestContext`].
    #[diesel(sql_type = Jsonb)]
    pub request_context: Value,
    /// Tries, this one included.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// When it was promised.
    #[diesel(sql_type = Timestamptz)]
    pub queued_at: DateTime<Utc>,
    /// The end of the claim.
    #[diesel(sql_type = Timestamptz)]
    pub claimed_until: DateTime<Utc>,
}

/// Promises a mail. One that is promised already, and has not left, is not promised twice.
///
/// # Errors
/// Those of the database.
pub async fn insert(conn: &mut Connection, promise: NewMail, request: &RequestContext) -> QueryResult<usize> {
    insert_all(conn, vec![promise], request).await
}

/// Promises the confirmation mail to each unconfirmed account of an address, the newest first: that of whoever asks
/// is rarely the oldest.
///
/// # Errors
/// Those of the database.
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
    let promise = |id| NewMail::to_account(MailKind::ConfirmEmail, UserId(id));
    insert_all(conn, unconfirmed.into_iter().map(promise).collect(), request).await
}

async fn insert_all(conn: &mut Connection, promises: Vec<NewMail>, request: &RequestContext) -> QueryResult<usize> {
    let context = serde_json::to_value(request).map_err(|e| diesel::result::Error::SerializationError(e.into()))?;
    let rows: Vec<_> = promises
        .into_iter()
        .map(|promise| {
            (
                outbox::id.eq(Uuid::now_v7()),
                outbox::user_id.eq(promise.user_id.map(|id| id.0)),
                outbox::address.eq(promise.address),
                outbox::email_change_id.eq(promise.email_change_id),
                outbox::kind.eq(promise.kind.name()),
                outbox::request_context.eq(&context),
                outbox::state.eq("queued"),
                outbox::queued_at.eq(request.at),
                outbox::due_at.eq(request.at),
                outbox::attempts.eq(0),
                outbox::waits_for_server.eq(false),
            )
        })
        .collect();
    let promised = diesel::insert_into(outbox::table).values(rows).on_conflict_do_nothing().execute(conn).await?;
    if promised > 0 {
        notify(conn).await?;
    }
    Ok(promised)
}

/// Has all instances look at the queue; heard when the transaction commits.
///
/// # Errors
/// Those of the database.
pub(super) async fn notify(conn: &mut Connection) -> QueryResult<usize> {
    diesel::sql_query("select pg_notify($1, '')").bind::<Text, _>(CHANNEL).execute(conn).await
}

/// Claims up to `limit` mails that are due, until `until`, the earliest first. Others skip what is being claimed; a claim whose holder
/// died ends by itself. A mail that only a later version knows waits for one: while instances are replaced, both are
/// there.
///
/// # Errors
/// Those of the database.
pub async fn claim(
    conn: &mut Connection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i32,
) -> QueryResult<Vec<Claimed>> {
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

/// When the next mail that this version knows becomes due or its claim ends; `None` without one.
///
/// # Errors
/// Those of the database.
pub async fn next_due_at(conn: &mut Connection) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = diesel::sql_types::Nullable<Timestamptz>)]
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

/// Marks a mail as sent. `reply` is what the server said.
///
/// # Errors
/// Those of the database.
pub async fn set_sent(conn: &mut Connection, mail: &Claimed, now: DateTime<Utc>, reply: &str) -> QueryResult<usize> {
    diesel::update(mine(mail))
        .set((
            outbox::state.eq("sent"),
            outbox::sent_at.eq(now),
            outbox::last_reply.eq(reply),
            outbox::claimed_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// Puts a mail back that did not leave, to be tried again at `due_at`; or, if it `waits_for_server`, as soon as the
/// mail server is back. Other instances, whose way to a server may be open, are told: they thought it was being sent.
///
/// # Errors
/// Those of the database.
pub async fn set_delayed(
    conn: &mut Connection,
    mail: &Claimed,
    due_at: DateTime<Utc>,
    reply: &str,
    waits_for_server: bool,
) -> QueryResult<usize> {
    if waits_for_server {
        notify(conn).await?;
    }
    diesel::update(mine(mail))
        .set((
            outbox::due_at.eq(due_at),
            outbox::last_reply.eq(reply),
            outbox::waits_for_server.eq(waits_for_server),
            outbox::claimed_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// Puts a mail back untried, until its address may get one again.
///
/// # Errors
/// Those of the database.
pub async fn set_postponed(conn: &mut Connection, mail: &Claimed, due_at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(mine(mail))
        .set((
            outbox::due_at.eq(due_at),
            outbox::attempts.eq(mail.attempts - 1),
            outbox::claimed_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// Makes due at `now` what waits for the mail server.
///
/// # Errors
/// Those of the database.
pub async fn set_due_after_outage(conn: &mut Connection, now: DateTime<Utc>) -> QueryResult<usize> {
    let waiting = outbox::table.filter(outbox::state.eq("queued")).filter(outbox::waits_for_server);
    diesel::update(waiting).set((outbox::due_at.eq(now), outbox::waits_for_server.eq(false))).execute(conn).await
}

/// Prolongs a claim that is still ours.
///
/// # Errors
/// Those of the database.
pub async fn prolong(conn: &mut Connection, mail: &mut Claimed, until: DateTime<Utc>) -> QueryResult<()> {
    let prolonged = diesel::update(mine(mail)).set(outbox::claimed_until.eq(until)).execute(conn).await?;
    if prolonged == 1 {
        mail.claimed_until = until;
    }
    Ok(())
}

/// Gives a mail up, with the reason.
///
/// # Errors
/// Those of the database.
pub async fn set_failed(conn: &mut Connection, mail: &Claimed, reason: &str) -> QueryResult<usize> {
    diesel::update(mine(mail))
        .set((
            outbox::state.eq("failed"),
            outbox::last_reply.eq(reason),
            outbox::claimed_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
}

/// The row, as long as the claim is ours: who lost it must not overrule who has it now.
#[diesel::dsl::auto_type]
fn mine<'a>(mail: &'a Claimed) -> _ {
    let id: Uuid = mail.id;
    let until: DateTime<Utc> = mail.claimed_until;
    outbox::table.filter(outbox::id.eq(id)).filter(outbox::state.eq("queued")).filter(outbox::claimed_until.eq(until))
}
