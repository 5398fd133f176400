//! The transitions of a task's life: pure functions from a task to the task it becomes.
//!
//! ```text
//!             claim                          complete (gating tests pass)
//!  pending ───────────▶ in_progress ─────────────────────────────▶ completed
//!     ▲  ▲                  │  │  fail / timeout / lease lost             │
//!     │  └──── retry left ──┘  ├── budget spent ──▶ blocked              │
//!     │        release          └── block(reason) ─▶ blocked              │
//!     └───────────── unblock / reopen (person, or a regression) ◀─────────┘
//! ```
//!
//! A transition is refused with a [`Refusal`] and then changes nothing. One that is accepted gives a [`Step`]: the task
//! as it is to be stored, how the open attempt ended (if it did), and what kind of event it is. Whoever stores it also
//! stores the attempt's end and the event, in the same unit of work.
//!
//! A holder's write is accepted if and only if its token is that of the open attempt. Time alone refuses nothing: late
//! work counts until the attempt is closed.
//!
//! A whole life, in memory:
//!
//! ```
//! use std::time::Duration;
//! use tasq_domain::life::{claim, complete, fail, Completion, Failure, FailureKind, Gate, Grant, Refusal, Writer};
//! use tasq_domain::{
//!     backoff::Backoff, Description, FeatureId, Outcome, Priority, Reason, Status, Task, TaskId, TaskRecord, Timestamp,
//!     Worker,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let at = |secs: i64| Timestamp::from_micros(secs * 1_000_000);
//! let task = Task::new(TaskId::new("TASK-1")?, FeatureId::new("FEAT-1")?, Description::new("write it")?, at(0));
//! let alone = |task: Task| TaskRecord {
//!     priority: task.own_priority.unwrap_or_default(),
//!     task,
//!     epic: None,
//!     open_dependencies: 0,
//!     held_above: false,
//! };
//! let grant = |nonce| Grant {
//!     worker: Worker::new("ada").expect("a name"),
//!     nonce,
//!     lease: Duration::from_secs(90),
//!     process: None,
//! };
//!
//! // The first attempt fails; the task waits for its backoff, about 5 seconds.
//! let (step, first) = claim(&alone(task), grant(7), at(0))?;
//! let failure = Failure { kind: FailureKind::Failed, message: Reason::new("tests are red")?, exit_code: Some(1) };
//! let step = fail(&alone(step.task), first.token, failure, &Backoff::default(), at(10))?;
//! let (_, end) = step.closed.expect("the attempt has ended");
//! assert_eq!((step.task.status, end.outcome), (Status::Pending, Outcome::Failed));
//! assert!(matches!(claim(&alone(step.task.clone()), grant(8), at(11)), Err(Refusal::NotReady(_))));
//!
//! // The second completes it; the token of the first is stale by now.
//! let (step, second) = claim(&alone(step.task), grant(8), at(60))?;
//! let finish = |token| {
//!     let (writer, done) = (Writer::Holder(token), Completion::default());
//!     complete(&step.task, &writer, &[], Gate::TestsOptional, done, at(70))
//! };
//! assert_eq!(finish(first.token), Err(Refusal::StaleClaim));
//! assert_eq!(finish(second.token)?.task.status, Status::Completed);
//! # Ok(())
//! # }
//! ```

mod claim;
mod finish;
mod invariant;
mod person;
mod proof;
mod question;

pub use claim::{Grant, Loss, Renewed, abandon, claim, expire, heartbeat, holder, late};
pub use finish::{Completion, Failure, FailureKind, complete, fail, release};
pub use invariant::{Broken, broken_invariant};
pub use person::{block, cancel, edit_budget, import_budget, reopen, retry, unblock};
pub use proof::{Gate, judge, proof_of, reset_test};
pub use question::{Ask, answer, ask, waits_for_answer};

use thiserror::Error;

use crate::attempt::{AttemptEnd, Outcome, Token};
use crate::event::EventKind;
use crate::id::TestId;
use crate::ready::NotReady;
use crate::status::Status;
use crate::task::{CancelRequest, Task};
use crate::text::{Actor, Reason, Worker};
use crate::time::Timestamp;

/// How many attempts lost in a row block a task, because it seems to kill its workers.
pub const POISON_AFTER: u32 = 3;
/// How often a regression reopens a task before it is blocked instead, because something breaks it again and again.
pub const REGRESSIONS_ALLOWED: u32 = 3;
/// The lease of a claim made by hand, in seconds, unless another is asked for.
pub const LEASE_BY_HAND_SECS: u64 = 30 * 60;
/// The lease of a claim under the loop, in seconds; it heartbeats at a third of it.
pub const LEASE_UNDER_RUN_SECS: u64 = 90;
/// The longest lease, in seconds: a week.
pub const MAX_LEASE_SECS: u64 = 7 * 24 * 3_600;

/// Who asks for a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// The holder of the claim, who shows its token.
    Holder(Token),
    /// A person, who may do anything to what nobody holds, and with `force` to what somebody holds.
    Person {
        /// Their name.
        actor: Actor,
        /// Whether they insist although somebody holds it.
        force: bool,
    },
}

/// A transition that is not allowed. Nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It may not be handed out now.
    #[error("it is not ready")]
    NotReady(Vec<NotReady>),
    /// The token is not that of an open attempt.
    #[error("stale claim: the attempt of this token is closed")]
    StaleClaim,
    /// Somebody holds it; a person may insist with force.
    #[error("it is claimed by {by}")]
    Claimed {
        /// The holder.
        by: Worker,
    },
    /// Its status does not allow this.
    #[error("it is {status}, so it cannot be {verb}")]
    WrongStatus {
        /// Its status.
        status: Status,
        /// What was asked for, as a participle.
        verb: &'static str,
    },
    /// Gating test cases are not passing.
    #[error("{} of its test cases are not passing", .0.len())]
    NotVerified(Vec<TestId>),
    /// The queue wants proof, and the task has no gating test case.
    #[error("it has no test case that could prove it, and this queue requires one")]
    NoTests,
    /// A worker may not do this.
    #[error("a worker may not {what}")]
    NotForWorkers {
        /// What.
        what: &'static str,
    },
    /// It does not wait for an answer.
    #[error("it does not wait for an answer")]
    NoQuestion,
    /// A question offers more answers than anybody would read.
    #[error(
        "{found} choices are too many: a question has at most {}",
        crate::question::MAX_CHOICES
    )]
    TooManyChoices {
        /// How many it offers.
        found: usize,
    },
    /// The budget is spent, and it was asked to keep the count.
    #[error("it has no retry left")]
    NoRetryLeft,
}

/// An accepted transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The task as it is to be stored.
    pub task: Task,
    /// The open attempt and how it ended, if it did.
    pub closed: Option<(Token, AttemptEnd)>,
    /// What kind of event this is.
    pub event: EventKind,
}

impl Task {
    /// Refuses if somebody holds the task and the person does not insist.
    ///
    /// # Errors
    /// [`Refusal::Claimed`] with the holder.
    pub fn unclaimed_or(&self, force: bool) -> Result<(), Refusal> {
        match &self.claim {
            Some(claim) if !force => Err(Refusal::Claimed {
                by: claim.worker.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether failures have used up the budget, so that the next one is not to be tried.
    #[must_use]
    pub fn budget_spent(&self) -> bool {
        self.retries_used > 0 && self.retries_used >= self.retry_budget.number()
    }

    fn touched(&self, now: Timestamp) -> Self {
        Self {
            updated_at: now.not_before(self.updated_at),
            ..self.clone()
        }
    }
}

/// Ends the open attempt, if there is one, and takes the claim off `task`.
fn close(
    task: &mut Task,
    outcome: Outcome,
    exit_code: Option<i32>,
    message: Option<Reason>,
) -> Option<(Token, AttemptEnd)> {
    let claim = task.claim.take()?;
    let at = task.updated_at.not_before(claim.started_at);
    if outcome != Outcome::Lost {
        task.lost_in_a_row = 0;
    }
    Some((
        claim.token,
        AttemptEnd {
            at,
            outcome,
            exit_code,
            message,
        },
    ))
}

/// Makes `task` pending and ready at once, with a fresh budget.
fn fresh(task: &mut Task) {
    task.status = Status::Pending;
    task.blocked_reason = None;
    task.retries_used = 0;
    task.not_before = None;
    task.lost_in_a_row = 0;
    task.completed_at = None;
    task.proof = None;
}

/// Makes `task`, which nobody holds any more, pending again; or blocked, if a person asked its holder to stop (and did
/// not put it, or something above it, on hold, which keeps it as well) or if no retry is left.
pub(crate) fn give_back(task: &mut Task, cancel: Option<&CancelRequest>, held_above: bool) {
    task.status = Status::Pending;
    match cancel {
        Some(cancel) if task.hold.is_none() && !held_above => {
            set_blocked(task, reason(&format!("cancelled by {}", cancel.by)));
        }
        _ if task.budget_spent() => {
            let text = format!("retry budget spent ({})", task.retry_budget.number());
            set_blocked(task, reason(&text));
        }
        _ => {}
    }
}

fn set_blocked(task: &mut Task, reason: Reason) {
    task.status = Status::Blocked;
    task.blocked_reason = Some(reason);
    task.not_before = None;
}

/// A reason made by this crate from short parts and, perhaps, a longer text.
fn reason(text: &str) -> Reason {
    Reason::lossy(text).unwrap_or_else(|| Reason::new("blocked").expect("a word is a reason"))
}
