//! What is true of every task that tasq itself has written.

use thiserror::Error;

use super::POISON_AFTER;
use crate::status::Status;
use crate::task::Task;

/// A task breaks a rule that every transition keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// The first rule that a task breaks, or `None`.
///
/// A task in progress without a claim is *held by hand* and breaks none: a plain SQL client may have made it.
#[must_use]
pub fn broken_invariant(task: &Task) -> Option<Broken> {
    let claimed = task.claim.as_ref();
    let rules = [
        (
            claimed.is_some() && task.status != Status::InProgress,
            "only a task in progress has a claim",
        ),
        (
            claimed.is_some_and(|claim| claim.token.attempt != task.attempts),
            "the open attempt is the newest",
        ),
        (
            claimed.is_some_and(|claim| claim.lease_expires_at < claim.started_at),
            "a lease does not end before it began",
        ),
        (
            task.retries_used > task.retry_budget.number(),
            "the retries used are within the budget",
        ),
        (
            task.status == Status::Pending && task.budget_spent(),
            "an unfinished task that has no retry left is blocked",
        ),
        (
            task.status == Status::Pending && task.lost_in_a_row >= POISON_AFTER,
            "a task that lost its workers in a row is blocked",
        ),
        (
            task.blocked_reason.is_some() && task.status != Status::Blocked,
            "only a blocked task has a reason",
        ),
        (
            task.completed_at.is_some() != (task.status == Status::Completed),
            "a completion time stands on completed tasks, and only on them",
        ),
        (
            task.proof.is_some() && task.status != Status::Completed,
            "only a completed task has a proof",
        ),
        (
            task.not_before.is_some() && task.status != Status::Pending,
            "only a pending task waits for a time",
        ),
        (
            task.updated_at < task.created_at,
            "time does not run backwards within a task",
        ),
    ];
    rules
        .into_iter()
        .find(|(broken, _)| *broken)
        .map(|(_, rule)| Broken(rule))
}
