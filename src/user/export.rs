//! Accounts that move out: every one, in the form that an import reads.
//!
//! Whoever holds an export can try passwords against every hash in it: it is as secret as the database.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::{Stream, TryStreamExt as _};
use serde::Serialize;
use uuid::Uuid;

use crate::db::Connection;
use crate::db::schema::users;

/// A line of an export.
#[derive(Serialize)]
pub struct Emigrant {
    id: Uuid,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    password_hash: String,
    /// Only ever `false`: else there is the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

type Row = (Uuid, String, Option<String>, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>, DateTime<Utc>);

impl From<Row> for Emigrant {
    fn from((id, email, username, password_hash, confirmed_at, disabled_at, created_at): Row) -> Self {
        let confirmed = confirmed_at.is_none().then_some(false);
        Self { id, email, username, password_hash, confirmed, confirmed_at, disabled_at, created_at }
    }
}

/// All accounts as they are at this moment, row by row. Of an address the confirmed one comes first: an import then takes
/// the others for what they are.
///
/// # Errors
/// Those of the database.
pub async fn stream(conn: &mut Connection) -> QueryResult<impl Stream<Item = QueryResult<Emigrant>>> {
    let rows = users::table
        .order((users::email_canonical, users::confirmed_at.is_null(), users::created_at, users::id))
        .select((
            users::id,
            users::email,
            users::username,
            users::password_hash,
            users::confirmed_at,
            users::disabled_at,
            users::created_at,
        ))
        .load_stream::<Row>(conn)
        .await?;
    Ok(rows.map_ok(Emigrant::from))
}
