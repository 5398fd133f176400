//! What the core of tasq needs from outside: a store, a clock, fresh ids, and something that runs commands.
//!
//! The storage port is a **unit of work**: [`Store::run`] opens one, the body reads and writes facts through [`Tx`],
//! and all of it is committed or none. Rules live in `tasq-domain`, the order of steps in `tasq-app`; an adapter keeps
//! facts and makes no decision.
//!
//! With the feature `mock`, each port has a mockall double for failing the n-th call.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may stop"))]

mod error;
mod list;
mod maintenance;
mod outside;
mod runner;
mod store;
mod trust;
mod workplace;

pub use error::{Holder, StoreError};
pub use list::{Cursor, EventFilter, Page, Sort, TaskFilter, TaskPage};
pub use maintenance::{BackupReport, Check, FileReport, Finding, Maintenance, Overwrite, Severity};
pub use outside::{Clock, Ids, Processes};
pub use runner::{CommandSpec, End, Exit, Limits, RunError, Runner, Running, Written};
pub use store::{
    Access, BatchVisitor, FromStore, Inserted, Removed, Standing, Store, StoreExt, StoreInfo,
    TaskBatch, TaskVisitor, Tx, Verdict,
};
pub use trust::{Trust, TrustError};
pub use workplace::{Bench, Job, Kept, Leaving, Workplace, WorkplaceError};

#[cfg(feature = "mock")]
pub use {
    outside::{MockClock, MockIds, MockProcesses},
    runner::{MockRunner, MockRunning},
    store::MockTx,
    trust::MockTrust,
};
