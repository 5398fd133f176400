//! A new queue's settings.

use tasq_domain::backoff::Backoff;
use tasq_domain::{Settings, StoreId};
use tasq_ports::Ids;

use crate::error::AppError;

/// What a new queue is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewQueue {
    /// Its name.
    pub name: String,
    /// Whether a task without gating test cases may not be completed without an override.
    pub require_tests: bool,
    /// How long a failed task waits.
    pub backoff: Backoff,
}

impl NewQueue {
    /// The settings for a new store, with an id of its own.
    ///
    /// # Errors
    /// If the name is empty or too long.
    pub fn settings(self, ids: &dyn Ids) -> Result<Settings, AppError> {
        let name = tasq_domain::Name::new(self.name)?;
        Ok(Settings {
            store: fresh_store_id(ids),
            name: name.as_str().to_owned(),
            require_tests: self.require_tests,
            backoff: self.backoff,
        })
    }
}

/// An id that no other store has.
pub(crate) fn fresh_store_id(ids: &dyn Ids) -> StoreId {
    StoreId::new(format!("{:016x}{:016x}", ids.random(), ids.random()))
        .expect("hex digits are an id")
}
