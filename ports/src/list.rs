//! Listing: what to list, in which order, a page at a time.

use tasq_domain::ready::Scope;
use tasq_domain::{AnyId, Status, TaskRecord};

/// Which tasks to list: all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// The part of the queue.
    pub scope: Scope,
    /// One of these statuses; empty means any.
    pub statuses: Vec<Status>,
    /// Only what is ready at the unit's `now`.
    pub ready: bool,
    /// Words that all occur in the description, as [`tasq_domain::Description::has_words`] says.
    pub words: Vec<String>,
}

/// The order of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sort {
    /// Effective priority, then creation: the order of work.
    #[default]
    Claim,
    /// Creation.
    Seq,
    /// Last change, newest first, then creation, newest first.
    Updated,
}

/// The place of a task in a listing: the page goes on after it, even if the task has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The first key of the order: the effective priority, 0, or `updated_at` in microseconds.
    pub key: i64,
    /// The task's `seq`.
    pub seq: i64,
}

impl Cursor {
    /// The place of a task in the given order.
    #[must_use]
    pub fn of(record: &TaskRecord, sort: Sort) -> Self {
        let key = match sort {
            Sort::Claim => i64::from(record.priority.number()),
            Sort::Seq => 0,
            Sort::Updated => record.task.updated_at.micros(),
        };
        Self {
            key,
            seq: record.task.seq,
        }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The order.
    pub sort: Sort,
    /// Go on after this place.
    pub after: Option<Cursor>,
    /// At most so many items, at least 1.
    pub limit: u32,
}

/// Some tasks, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskPage {
    /// The tasks, in order.
    pub tasks: Vec<TaskRecord>,
    /// The place of the last one, if there are more.
    pub next: Option<Cursor>,
}

/// Which events to list, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Only those of this item.
    pub entity: Option<AnyId>,
    /// Only those with a greater number.
    pub after: i64,
    /// At most so many.
    pub limit: u32,
}
