//! The default store: one SQLite file, safe for any number of processes.
//!
//! - `store`: a unit of work is one transaction; writers queue behind a lock beside the file. `carried`: what one has read,
//!   the next need not read again, if nobody else wrote in between.
//! - `connect`: opening and checking the file.
//! - `create`, `migrate`: making it and bringing it up to date.
//! - `care`, `check`, `backup`: looking after it; `wal`: what a COMMIT that failed has left.
//! - `tx`, `rows`, `schema`: the facts, by entity; what follows for the parents of tasks is kept in hand until the unit ends
//!   (`tx/hand`), what follows from the rest, and from the writes of others, is derived by triggers.
//!
//! The schema is in `migrations/sqlite`. It keeps its invariants by itself, so that a plain SQL client may edit it.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod backup;
mod care;
mod carried;
mod check;
mod connect;
mod create;
mod derive;
mod error;
mod migrate;
mod rows;
mod schema;
mod statement;
mod store;
mod tx;
mod wal;

#[cfg(test)]
mod tests;

pub use backup::{put_in_place, read_contents};
pub use connect::{CACHE_KIB, LOG_PAGES, PAGE_BYTES};
pub use migrate::{Applied, Pending, migrate, migrations_pending};
pub use store::{Migrate, NetworkFs, Options, SqliteStore, Sync};
