//! The reference store: a queue in memory, in the simplest code that keeps the port's contract.
//!
//! A unit of work runs on a clone of the committed [`State`] and takes its place on commit. [`State`] and [`MemoryTx`]
//! are public so that a store that keeps a queue in a file can work on them and write down the outcome.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod maintenance;
mod state;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod trust;
mod tx;

pub use state::State;
pub use store::MemoryStore;
pub use trust::MemoryTrust;
pub use tx::{Changes, History, MemoryTx};
