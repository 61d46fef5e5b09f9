//! The outbox: a row for each mail, from the transaction that causes it until clean-up. It holds who and why, never a
//! link or a code.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use uuid::Uuid;

use crate::db::schema::outbox;
use crate::db::{self, Connection};
use crate::request::RequestContext;
use crate::user::{Address, User, UserId};

use super::MailKind;

/// No mail waits or is claimed for so long: of two mails to an address, one waits for the other.
const LONGEST_WAIT: Duration = Duration::hours(24);

/// A mail to queue.
#[derive(Clone, Debug)]
pub struct NewMail<'a> {
    kind: MailKind,
    /// Deleting the account deletes the mail.
    user_id: Option<UserId>,
    address: Address<'a>,
    email_change_id: Option<Uuid>,
}

impl<'a> NewMail<'a> {
    /// A notice to the owner of an account.
    pub fn to_owner(kind: MailKind, user: &'a User) -> Self {
        Self { kind, user_id: Some(user.id()), address: user.address(), email_change_id: None }
    }

    /// The last mail of an account, to an address that it had.
    pub fn account_deleted(address: Address<'a>) -> Self {
        Self { kind: MailKind::AccountDeleted, user_id: None, address, email_change_id: None }
    }

    /// A mail about a change, to the old address or to the new one.
    pub fn about_change(kind: MailKind, (user_id, email_change_id): (UserId, Uuid), address: Address<'a>) -> Self {
        Self { kind, user_id: Some(user_id), address, email_change_id: Some(email_change_id) }
    }
}

/// A queued mail that this instance has claimed.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(table_name = outbox, check_for_backend(diesel::pg::Pg))]
pub struct OutboxMail {
    /// Also in its `Message-ID`.
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub address: String,
    pub canonical: String,
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

/// Queues a mail.
pub async fn insert(conn: &mut Connection<'_>, mail: NewMail<'_>, request: &RequestContext) -> QueryResult<()> {
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(Uuid::now_v7()),
            outbox::user_id.eq(mail.user_id.map(|id| id.0)),
            outbox::address.eq(mail.address.typed),
            outbox::canonical.eq(mail.address.canonical),
            outbox::email_change_id.eq(mail.email_change_id),
            outbox::kind.eq(mail.kind.name()),
            outbox::request_context.eq(as_json(request)?),
            outbox::state.eq("queued"),
            outbox::queued_at.eq(request.at),
            outbox::due_at.eq(request.at),
            outbox::attempts.eq(0),
            outbox::waits_for_server.eq(false),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Queues a mail that anybody can ask for. One waits per address and kind, whether the address has an account or not: the
/// worker finds that out. So neither the work here nor its time tells who has an account.
pub async fn ask(
    conn: &mut Connection<'_>,
    kind: MailKind,
    address: Address<'_>,
    request: &RequestContext,
) -> QueryResult<()> {
    let statement = diesel::sql_query(
        "insert into outbox (id, address, canonical, kind, request_context, state, queued_at, due_at, attempts, \
         waits_for_server) values ($1, $2, $3, $4, $5, 'queued', $6, $6, 0, false) \
         on conflict (canonical, kind) where state = 'queued' and user_id is null \
         and kind in ('confirm_email', 'reset_password') do update set is_asked_again = true",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(address.typed)
    .bind::<Text, _>(address.canonical)
    .bind::<Text, _>(kind.name())
    .bind::<Jsonb, _>(as_json(request)?)
    .bind::<Timestamptz, _>(request.at);
    db::cached(statement).execute(conn).await.map(drop)
}

fn as_json(request: &RequestContext) -> QueryResult<Value> {
    serde_json::to_value(request).map_err(|error| diesel::result::Error::SerializationError(error.into()))
}

/// Keeps the notices that wait for an account that is being deleted: its owner must hear of what happened before.
pub async fn detach_notices(conn: &mut Connection<'_>, user_id: UserId) -> QueryResult<usize> {
    let waiting = outbox::table
        .filter(outbox::user_id.eq(user_id.0))
        .filter(outbox::state.eq("queued"))
        .filter(outbox::kind.ne(MailKind::ChangeEmail.name()));
    diesel::update(waiting).set(outbox::user_id.eq(None::<Uuid>)).execute(conn).await
}

/// Deletes the records of mails that were asked for with an address.
pub async fn delete_asked(conn: &mut Connection<'_>, canonical: &str) -> QueryResult<usize> {
    let done = outbox::table
        .filter(outbox::canonical.eq(canonical))
        .filter(outbox::user_id.is_null())
        .filter(outbox::state.ne("queued"));
    diesel::delete(done).execute(conn).await
}

/// Claims up to `limit` mails that are due, the earliest first, until `until`. A claim that ends without a result, because
/// its instance was killed, can be taken over, and so can a mail whose times lie further ahead than they can be: a clock was
/// wrong. Kinds that only a later version knows are left to it: both run while instances are being replaced.
pub async fn claim(
    conn: &mut Connection<'_>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i32,
) -> QueryResult<Vec<OutboxMail>> {
    let statement = diesel::sql_query(
        "with claimed as ( \
             update outbox set claimed_until = $2, attempts = attempts + 1, is_asked_again = false \
             where id in (select id from outbox where state = 'queued' and kind = any($4) \
                          and (due_at <= $1 or due_at > $5) \
                          and (claimed_until is null or claimed_until <= $1 or claimed_until > $5) \
                          order by due_at, id limit $3 for update skip locked) \
             returning *) \
         select id, user_id, address, canonical, email_change_id, kind, request_context, attempts, \
         queued_at, claimed_until from claimed order by due_at, id",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(until)
    .bind::<Integer, _>(limit)
    .bind::<Array<Text>, _>(MailKind::names())
    .bind::<Timestamptz, _>(now + LONGEST_WAIT);
    db::cached(statement).load(conn).await
}

/// When the next mail becomes due, or its claim ends.
pub async fn next_due_at(conn: &mut Connection<'_>) -> QueryResult<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let statement = diesel::sql_query(
        "select min(greatest(due_at, claimed_until)) as at from outbox where state = 'queued' and kind = any($1)",
    )
    .bind::<Array<Text>, _>(MailKind::names());
    let next: Next = db::cached(statement).get_result(conn).await?;
    Ok(next.at)
}

pub async fn extend_claim(conn: &mut Connection<'_>, mail: &mut OutboxMail, until: DateTime<Utc>) -> QueryResult<()> {
    if diesel::update(claimed(mail)).set(outbox::claimed_until.eq(until)).execute(conn).await? == 1 {
        mail.claimed_until = until;
    }
    Ok(())
}

/// Ends a mail that was sent, or is not needed. If it was asked for again meanwhile, it is queued once more: what they
/// did just before may have come too late for this one.
pub async fn set_sent(
    conn: &mut Connection<'_>,
    mail: &OutboxMail,
    now: DateTime<Utc>,
    reply: &str,
) -> QueryResult<usize> {
    let again: Option<bool> = claimed(mail).select(outbox::is_asked_again).for_update().first(conn).await.optional()?;
    let sent = Changes { state: Some("sent"), sent_at: Some(now), last_reply: Some(reply), ..Changes::default() };
    let ended = end_claim(conn, mail, sent).await?;
    if again == Some(true) {
        // With an id of its own: the Message-ID of this one may be known to the recipient.
        diesel::sql_query(
            "insert into outbox (id, address, canonical, kind, request_context, state, queued_at, due_at, attempts, \
             waits_for_server) select $1, address, canonical, kind, request_context, 'queued', $2, $2, 0, false \
             from outbox where id = $3",
        )
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<Timestamptz, _>(now)
        .bind::<SqlUuid, _>(mail.id)
        .execute(conn)
        .await?;
    }
    Ok(ended)
}

/// Deletes a mail that was asked for with an address that has no account, so that nothing remains of the address.
pub async fn forget(conn: &mut Connection<'_>, mail: &OutboxMail, now: DateTime<Utc>) -> QueryResult<usize> {
    let ended = set_sent(conn, mail, now, "").await?;
    diesel::delete(outbox::table.find(mail.id).filter(outbox::state.eq("sent"))).execute(conn).await?;
    Ok(ended)
}

pub async fn set_failed(conn: &mut Connection<'_>, mail: &OutboxMail, reason: &str) -> QueryResult<usize> {
    let failed = Changes { state: Some("failed"), last_reply: Some(reason), ..Changes::default() };
    end_claim(conn, mail, failed).await
}

/// Has a mail tried again at `due_at`, or, if it `waits_for_server`, as soon as the mail server is back.
pub async fn set_delayed(
    conn: &mut Connection<'_>,
    mail: &OutboxMail,
    due_at: DateTime<Utc>,
    reply: &str,
    waits_for_server: bool,
) -> QueryResult<usize> {
    let due_at = Some(due_at);
    let waits_for_server = Some(waits_for_server);
    end_claim(conn, mail, Changes { due_at, waits_for_server, last_reply: Some(reply), ..Changes::default() }).await
}

/// Has a mail wait until the limits of its address permit it. That was no attempt.
pub async fn set_postponed(conn: &mut Connection<'_>, mail: &OutboxMail, due_at: DateTime<Utc>) -> QueryResult<usize> {
    let attempts = Some(mail.attempts - 1);
    end_claim(conn, mail, Changes { due_at: Some(due_at), attempts, ..Changes::default() }).await
}

/// Makes all mails due that wait for the mail server.
pub async fn set_due_after_outage(conn: &mut Connection<'_>, now: DateTime<Utc>) -> QueryResult<usize> {
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

async fn end_claim(conn: &mut Connection<'_>, mail: &OutboxMail, changes: Changes<'_>) -> QueryResult<usize> {
    diesel::update(claimed(mail)).set((changes, outbox::claimed_until.eq(None::<DateTime<Utc>>))).execute(conn).await
}

/// The row, as long as the claim is ours. Otherwise we would overwrite the result of the instance that took it over.
#[diesel::dsl::auto_type]
fn claimed<'a>(mail: &'a OutboxMail) -> _ {
    let id: Uuid = mail.id;
    let until: DateTime<Utc> = mail.claimed_until;
    outbox::table.filter(outbox::id.eq(id)).filter(outbox::state.eq("queued")).filter(outbox::claimed_until.eq(until))
}
