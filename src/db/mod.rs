//! PostgreSQL: the pool, transactions and migrations.
//!
//! The database decides: what must be unique is a constraint, what works once is a row count. Every piece of work has
//! a deadline, so that a database which is away, slow or frozen becomes an error within seconds and never a queue.

mod error;
mod migrate;
mod pool;
#[expect(missing_docs, reason = "generated")]
pub mod schema;

/// How many rows a clean-up deletes at once: that many take milliseconds, and hold up nobody.
pub const CLEANING_BATCH: i64 = 1000;

pub use error::DbError;
pub use migrate::MIGRATIONS;
pub use pool::{Connection, Db, in_limited_time};
