//! Since when each key is published, and which one signs.

use chrono::{DateTime, Duration, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::db::schema::access_keys;
use crate::db::{Db, DbError};

/// How long a key is published before it signs. Verifiers keep a key set for ten minutes at most (Envoy, jose and
/// express-oauth2-jwt-bearer by default).
const PUBLISHED_FIRST: Duration = Duration::minutes(15);

/// When a key was published first, by any instance.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = access_keys, check_for_backend(diesel::pg::Pg))]
pub struct Publication {
    pub kid: String,
    pub first_published_at: DateTime<Utc>,
}

/// What is known of the keys that were ever published.
pub async fn publications(db: &Db) -> Result<Vec<Publication>, DbError> {
    db.run(async |conn| access_keys::table.select(Publication::as_select()).load(conn).await).await
}

/// Records that these keys are published, and returns since when each is, in their order.
pub(super) async fn publish(db: &Db, kids: Vec<&str>, now: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>, DbError> {
    let rows: Vec<_> =
        kids.iter().map(|kid| (access_keys::kid.eq(*kid), access_keys::first_published_at.eq(now))).collect();
    let insert = diesel::insert_into(access_keys::table).values(rows).on_conflict_do_nothing();
    db.run(async |conn| insert.execute(conn).await).await?;
    let known = publications(db).await?;
    let since = |kid: &&str| known.iter().find(|key| key.kid == **kid).map_or(now, |key| key.first_published_at);
    Ok(kids.iter().map(since).collect())
}

/// Which key signs, by its place in the ring: the first one that was published long enough, else the one that was published
/// first. So a new installation signs at once.
pub fn signing_key(published: &[DateTime<Utc>], now: DateTime<Utc>) -> usize {
    let is_known = |at: &DateTime<Utc>| {
        // A time far ahead comes from a clock that was wrong once; it must not keep a key from signing for years.
        now - *at >= PUBLISHED_FIRST || *at - now > PUBLISHED_FIRST
    };
    let oldest = || published.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(index, _)| index);
    published.iter().position(is_known).unwrap_or_else(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_signs_that_was_published_for_a_quarter_of_an_hour() {
        let now = Utc::now();
        let signs = |minutes_ago: &[i64]| {
            let published: Vec<_> = minutes_ago.iter().map(|minutes| now - Duration::minutes(*minutes)).collect();
            signing_key(&published, now)
        };
        assert_eq!(signs(&[0]), 0, "a new installation");
        assert_eq!(signs(&[0, 100]), 1, "a new key in front");
        assert_eq!(signs(&[14, 100]), 1);
        assert_eq!(signs(&[15, 100]), 0);
        assert_eq!(signs(&[100, 0]), 0, "a new key at the end");
        assert_eq!(signs(&[3, 5, 4]), 1, "the one that was published first");
        assert_eq!(signs(&[-2, 1]), 1, "the clock of another instance is ahead");
        assert_eq!(signs(&[-1_000_000, 100]), 0, "a clock was wrong once");
    }
}
