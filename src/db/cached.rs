//! Statements that stay prepared although Diesel would prepare them every time.

use std::any::TypeId;

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Untyped;

/// A statement that is prepared once for each connection, and found again by its text. Diesel does that for what it knows
/// to have few texts; [`diesel::sql_query`] and [`diesel::update`] it prepares every time, which is one more round trip.
pub struct Cached<Q>(Q);

/// Keeps a statement prepared. Each text that it ever has fills the memory of each connection.
pub fn cached<Q>(statement: Q) -> Cached<Q> {
    Cached(statement)
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Cached<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Cached<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;

    fn query_id() -> Option<TypeId> {
        None
    }
}

impl<Q> Query for Cached<Q> {
    type SqlType = Untyped;
}
