//! Tasks: what is handed out.

use std::time::Duration;

use thiserror::Error;

use crate::attempt::Token;
use crate::id::{EpicId, FeatureId, TaskId};
use crate::node::{Hold, Source};
use crate::priority::Priority;
use crate::process::Process;
use crate::status::Status;
use crate::text::{Actor, Description, JsonObject, Reason, Worker};
use crate::time::Timestamp;

/// The largest retry budget.
pub const MAX_RETRY_BUDGET: u32 = 1_000;

/// How many failed attempts a task may have before it is blocked: 0–1,000, by default 15. With 0 or 1 the first
/// failure blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetryBudget(u32);

/// A number is not a retry budget.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found} is not a retry budget: it is a number from 0 to {MAX_RETRY_BUDGET}")]
pub struct RetryBudgetError {
    /// The number found.
    pub found: i64,
}

impl RetryBudget {
    /// The budget with this number.
    ///
    /// # Errors
    /// If the number is not in 0–1,000.
    pub fn new(number: i64) -> Result<Self, RetryBudgetError> {
        u32::try_from(number)
            .ok()
            .filter(|&number| number <= MAX_RETRY_BUDGET)
            .map(Self)
            .ok_or(RetryBudgetError { found: number })
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self(15)
    }
}

/// How a completed task was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Its gating test cases passed in the attempt that completed it.
    Tests,
    /// It has no gating test case.
    Unproven,
    /// A person's word, against the test cases or without them.
    Override {
        /// Who said so.
        by: Actor,
        /// Why.
        reason: Reason,
    },
    /// It was completed where it was imported from.
    Imported,
}

impl Proof {
    /// The word for it: `tests`, `none`, `override` or `imported`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Tests => "tests",
            Self::Unproven => "none",
            Self::Override { .. } => "override",
            Self::Imported => "imported",
        }
    }
}

/// A wish that a running attempt stop, seen by its holder at the next heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Who asks.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
}

/// Who works on a task, and until when the store believes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The holder.
    pub worker: Worker,
    /// What the holder shows with every write.
    pub token: Token,
    /// When the claim was made.
    pub started_at: Timestamp,
    /// How long a heartbeat extends the lease.
    pub lease: Duration,
    /// When the lease ends unless a heartbeat extends it.
    pub lease_expires_at: Timestamp,
    /// A wish that it stop.
    pub cancel: Option<CancelRequest>,
    /// The process that works on it. Once that is gone the claim is lost, whatever is left of the lease; `None` means
    /// that the lease alone decides.
    pub process: Option<Process>,
}

/// A piece of work, handed to one worker at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Creation order within the store, from 1; 0 until a store has given one. Breaks ties of priority.
    pub seq: i64,
    /// Its id.
    pub id: TaskId,
    /// The feature it belongs to.
    pub feature: FeatureId,
    /// What is to be done.
    pub description: Description,
    /// Its own priority, or `None` for its feature's.
    pub own_priority: Option<Priority>,
    /// How many failures it may have.
    pub retry_budget: RetryBudget,
    /// A person's hold.
    pub hold: Option<Hold>,
    /// Where it was imported from.
    pub source: Option<Source>,
    /// Any keys.
    pub metadata: JsonObject,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed; never before an earlier change. A heartbeat is no change.
    pub updated_at: Timestamp,

    /// Its status.
    pub status: Status,
    /// Why it is blocked; only while it is.
    pub blocked_reason: Option<Reason>,
    /// Failures charged since the budget was last reset; never above the budget.
    pub retries_used: u32,
    /// It is not handed out before this.
    pub not_before: Option<Timestamp>,
    /// Attempts so far, the open one included; the next one's number is one more.
    pub attempts: u32,
    /// Attempts in a row, up to now, that were lost or cost their worker its life.
    pub lost_in_a_row: u32,
    /// Who holds it. `None` while in progress means *held by hand*: someone set the status without a claim.
    pub claim: Option<Claim>,
    /// When it was completed; only while it is.
    pub completed_at: Option<Timestamp>,
    /// How it was proven; only while it is completed. A completion written by a plain SQL client has none.
    pub proof: Option<Proof>,
}

impl Task {
    /// A pending task with the default budget and nothing optional, made at `at`. Its `seq` is for the store to give.
    ///
    /// ```
    /// use tasq_domain::{Description, FeatureId, Status, Task, TaskId, Timestamp};
    /// let text = Description::new("write it").unwrap();
    /// let id = TaskId::new("TASK-1").unwrap();
    /// let feature = FeatureId::new("FEAT-1").unwrap();
    /// let task = Task::new(id, feature, text, Timestamp::default());
    /// assert_eq!((task.status, task.retry_budget.number()), (Status::Pending, 15));
    /// ```
    #[must_use]
    pub fn new(id: TaskId, feature: FeatureId, description: Description, at: Timestamp) -> Self {
        Self {
            seq: 0,
            id,
            feature,
            description,
            own_priority: None,
            retry_budget: RetryBudget::default(),
            hold: None,
            source: None,
            metadata: JsonObject::default(),
            created_at: at,
            updated_at: at,
            status: Status::Pending,
            blocked_reason: None,
            retries_used: 0,
            not_before: None,
            attempts: 0,
            lost_in_a_row: 0,
            claim: None,
            completed_at: None,
            proof: None,
        }
    }
}

/// A task, and what follows for it from the items around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// The task.
    pub task: Task,
    /// Its feature's epic.
    pub epic: Option<EpicId>,
    /// Its own priority or else its feature's.
    pub priority: Priority,
    /// Tasks it waits for that are not completed.
    pub open_dependencies: u32,
    /// Whether its feature or its epic is on hold.
    pub held_above: bool,
}

/// One task waits for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dependency {
    /// The task that waits.
    pub task: TaskId,
    /// The task it waits for.
    pub on: TaskId,
}
