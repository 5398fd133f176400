//! What may be handed out, and in which order.

use crate::id::{EpicId, FeatureId, TaskId};
use crate::priority::{Lane, Priority};
use crate::status::Status;
use crate::task::TaskRecord;
use crate::time::Timestamp;

/// A part of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// All of it.
    #[default]
    Queue,
    /// The tasks of an epic's features.
    Epic(EpicId),
    /// The tasks of a feature.
    Feature(FeatureId),
    /// The tasks of a feature that have one effective priority.
    Lane(Lane),
    /// One task.
    Task(TaskId),
}

impl Scope {
    /// Whether a task lies in this part of the queue.
    #[must_use]
    pub fn contains(&self, record: &TaskRecord) -> bool {
        match self {
            Self::Queue => true,
            Self::Epic(epic) => record.epic.as_ref() == Some(epic),
            Self::Feature(feature) => record.task.feature == *feature,
            Self::Lane(lane) => {
                record.task.feature == lane.feature && record.priority == lane.priority
            }
            Self::Task(task) => record.task.id == *task,
        }
    }
}

/// One reason why a task is not handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotReady {
    /// It is completed.
    Completed,
    /// It is blocked.
    Blocked,
    /// A worker holds it.
    Claimed,
    /// Someone set it in progress without a claim.
    HeldByHand,
    /// Tasks it waits for are not completed.
    Dependencies,
    /// It waits for a time: a retry, or as it was released.
    NotBefore(Timestamp),
    /// It is on hold.
    OnHold,
    /// Its feature or its epic is on hold.
    HeldAbove,
}

impl NotReady {
    /// The word for the reason, as in `why`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Blocked => "blocked",
            Self::Claimed => "claimed",
            Self::HeldByHand => "held_by_hand",
            Self::Dependencies => "dependencies",
            Self::NotBefore(_) => "backoff",
            Self::OnHold | Self::HeldAbove => "held",
        }
    }
}

/// Every reason why a task is not ready at `now`; none means ready.
///
/// *Ready* is pending, every dependency completed, `not_before` passed, and no hold on it, its feature or its epic. It
/// is derived here and nowhere else, and never stored as a status.
#[must_use]
pub fn not_ready(record: &TaskRecord, now: Timestamp) -> Vec<NotReady> {
    let task = &record.task;
    let by_status = match (task.status, &task.claim) {
        (Status::Pending, _) => None,
        (Status::Completed, _) => Some(NotReady::Completed),
        (Status::Blocked, _) => Some(NotReady::Blocked),
        (Status::InProgress, Some(_)) => Some(NotReady::Claimed),
        (Status::InProgress, None) => Some(NotReady::HeldByHand),
    };
    let waits = task
        .not_before
        .filter(|&at| at > now)
        .map(NotReady::NotBefore);
    [
        by_status,
        (record.open_dependencies > 0).then_some(NotReady::Dependencies),
        waits,
        task.hold.is_some().then_some(NotReady::OnHold),
        record.held_above.then_some(NotReady::HeldAbove),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether a task may be handed out at `now`; the same rule as [`not_ready`], without the reasons.
#[must_use]
pub fn is_ready(record: &TaskRecord, now: Timestamp) -> bool {
    not_ready(record, now).is_empty()
}

/// The order of work: effective priority, then creation. Smaller goes first.
#[must_use]
pub const fn claim_order(record: &TaskRecord) -> (Priority, i64) {
    (record.priority, record.task.seq)
}
