//! How often the code of a mail can be tried.
//!
//! A registration has a few tries of its own, so that a stranger who registers the same address cannot use up those of its
//! owner. All registrations together have more, but a number that does not help a stranger who makes ever new ones.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::db::schema::code_tries;
use crate::db::{self, Connection};
use crate::link::CODE_TTL;
use crate::user::UserId;

use super::MailKind;

/// With one registration.
const TRIES: i32 = 5;
/// With all registrations of the address: half a millionth of all codes.
const TRIES_IN_ALL: i32 = 50;

#[derive(QueryableByName)]
#[diesel(table_name = code_tries, check_for_backend(diesel::pg::Pg))]
struct Tried {
    mail_id: Uuid,
}

/// Counts a try of an account at the codes that its address got by mail, and returns the mails whose code may be right.
/// Right tries count as well: which one it is, is not known yet. A code lives from the moment its mail is being sent.
///
/// One statement counts and decides, so a thousand tries at once get no further than five in a row. It locks the rows in
/// one order, or two tries could wait for each other, and the mails, or one that is deleted meanwhile would be an error.
pub async fn count(
    conn: &mut Connection<'_>,
    canonical: &str,
    id: UserId,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let statement = diesel::sql_query(
        "insert into code_tries as t (mail_id, user_ids) select id, array[$6] from outbox \
             where canonical = $1 and kind = $2 \
             and (state = 'queued' and claimed_until > $3 or state = 'sent' and sent_at > $4 and sent_at <= $5) \
             order by id for key share \
         on conflict (mail_id) do update set user_ids = t.user_ids || excluded.user_ids \
             where cardinality(array_positions(t.user_ids, $6)) < $7 and cardinality(t.user_ids) < $8 \
         returning mail_id",
    )
    .bind::<Text, _>(canonical)
    .bind::<Text, _>(MailKind::ConfirmEmail.name())
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - CODE_TTL)
    // Sent later than that: the clock was wrong.
    .bind::<Timestamptz, _>(now + CODE_TTL)
    .bind::<SqlUuid, _>(id.0)
    .bind::<Integer, _>(TRIES)
    .bind::<Integer, _>(TRIES_IN_ALL);
    let tried: Vec<Tried> = db::cached(statement).load(conn).await?;
    Ok(tried.into_iter().map(|tried| tried.mail_id).collect())
}
