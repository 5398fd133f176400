//! What holds for a whole queue.

use crate::backoff::Backoff;
use crate::id::StoreId;

/// The settings of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The store's id.
    pub store: StoreId,
    /// The queue's name.
    pub name: String,
    /// Whether a task without gating test cases may not be completed without an override.
    pub require_tests: bool,
    /// How long a failed task waits.
    pub backoff: Backoff,
}
