//! Every account, in the form that an import reads.
//!
//! With an export, anybody can try passwords against every hash in it: it is as secret as the database.

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
pub struct ExportedUser {
    id: Uuid,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    /// Only ever `false`: a confirmed account has the time instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

type Row = (Uuid, String, Option<String>, Option<String>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, DateTime<Utc>);

impl From<Row> for ExportedUser {
    fn from((id, email, username, password_hash, confirmed_at, disabled_at, created_at): Row) -> Self {
        let confirmed = confirmed_at.is_none().then_some(false);
        Self { id, email, username, password_hash, confirmed, confirmed_at, disabled_at, created_at }
    }
}

/// All accounts as they are at this moment, row by row. The confirmed account of an address comes first, so that an import
/// takes the others for what they are.
pub async fn stream(conn: &mut Connection<'_>) -> QueryResult<impl Stream<Item = QueryResult<ExportedUser>>> {
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
    Ok(rows.map_ok(ExportedUser::from))
}
