//! What persons do to a task, and holders to a task they cannot go on with.

use super::claim::holder;
use super::{Refusal, Step, Writer, close, fresh, reason, set_blocked};
use crate::attempt::Outcome;
use crate::event::EventKind;
use crate::status::Status;
use crate::task::{CancelRequest, Claim, RetryBudget, Task};
use crate::text::{Actor, Reason};
use crate::time::Timestamp;

/// Blocks a task with a reason, uncharged.
///
/// # Errors
/// [`Refusal::StaleClaim`], [`Refusal::Claimed`], or [`Refusal::WrongStatus`] for a completed task.
pub fn block(task: &Task, writer: &Writer, why: Reason, now: Timestamp) -> Result<Step, Refusal> {
    let outcome = match writer {
        Writer::Holder(token) => {
            holder(task, *token)?;
            Outcome::Blocked
        }
        Writer::Person { force, .. } => {
            task.unclaimed_or(*force)?;
            Outcome::Cancelled
        }
    };
    if task.status == Status::Completed {
        return Err(Refusal::WrongStatus {
            status: task.status,
            verb: "blocked",
        });
    }
    let mut task = task.touched(now);
    let closed = close(&mut task, outcome, None, Some(why.clone()));
    set_blocked(&mut task, why);
    Ok(Step {
        task,
        closed,
        event: EventKind::Blocked,
    })
}

/// Makes a blocked task pending, with a fresh budget. A claim that a plain SQL client left on it is cancelled.
///
/// # Errors
/// [`Refusal::WrongStatus`] unless it is blocked.
pub fn unblock(task: &Task, now: Timestamp) -> Result<Step, Refusal> {
    if task.status != Status::Blocked {
        return Err(Refusal::WrongStatus {
            status: task.status,
            verb: "unblocked",
        });
    }
    let mut task = task.touched(now);
    let closed = close(&mut task, Outcome::Cancelled, None, None);
    fresh(&mut task);
    Ok(Step {
        task,
        closed,
        event: EventKind::Unblocked,
    })
}

/// Makes a task that is completed, blocked or in progress pending again, with a fresh budget. A claim is only taken
/// away with `force`; its attempt is cancelled. The task's test cases go [back to pending](super::reset_test).
///
/// # Errors
/// [`Refusal::Claimed`], or [`Refusal::WrongStatus`] if it is pending.
pub fn reopen(task: &Task, force: bool, now: Timestamp) -> Result<Step, Refusal> {
    task.unclaimed_or(force)?;
    if task.status == Status::Pending {
        return Err(Refusal::WrongStatus {
            status: task.status,
            verb: "reopened",
        });
    }
    let mut task = task.touched(now);
    let closed = close(&mut task, Outcome::Cancelled, None, None);
    fresh(&mut task);
    Ok(Step {
        task,
        closed,
        event: EventKind::Reopened,
    })
}

/// Makes a blocked or waiting task ready at once; the budget is fresh unless `keep_retries`.
///
/// # Errors
/// [`Refusal::Claimed`], [`Refusal::WrongStatus`] for one completed or in progress, or [`Refusal::NoRetryLeft`] if the
/// budget is spent and was to be kept.
pub fn retry(task: &Task, keep_retries: bool, now: Timestamp) -> Result<Step, Refusal> {
    task.unclaimed_or(false)?;
    if !matches!(task.status, Status::Pending | Status::Blocked) {
        return Err(Refusal::WrongStatus {
            status: task.status,
            verb: "retried",
        });
    }
    if keep_retries && task.budget_spent() {
        return Err(Refusal::NoRetryLeft);
    }
    let kept = if keep_retries { task.retries_used } else { 0 };
    let mut task = task.touched(now);
    fresh(&mut task);
    task.retries_used = kept;
    Ok(Step {
        task,
        closed: None,
        event: EventKind::Retried,
    })
}

/// Asks the holder to stop at its next heartbeat; a task that nobody holds is blocked at once. Nothing is charged.
///
/// # Errors
/// [`Refusal::WrongStatus`] for a completed task.
pub fn cancel(task: &Task, by: &Actor, now: Timestamp) -> Result<Step, Refusal> {
    if task.status == Status::Completed {
        return Err(Refusal::WrongStatus {
            status: task.status,
            verb: "cancelled",
        });
    }
    let mut task = task.touched(now);
    let at = task.updated_at;
    if task.status == Status::InProgress
        && let Some(claim) = task.claim.take()
    {
        let cancel = claim
            .cancel
            .clone()
            .or_else(|| Some(CancelRequest { by: by.clone(), at }));
        task.claim = Some(Claim { cancel, ..claim });
        return Ok(Step {
            task,
            closed: None,
            event: EventKind::CancelRequested,
        });
    }
    let closed = close(&mut task, Outcome::Cancelled, None, None);
    set_blocked(&mut task, reason(&format!("cancelled by {by}")));
    Ok(Step {
        task,
        closed,
        event: EventKind::Blocked,
    })
}

/// Gives a task another budget. What was used never exceeds it, and an unclaimed, unfinished task that has nothing left
/// is blocked.
#[must_use]
pub fn edit_budget(task: &Task, budget: RetryBudget, now: Timestamp) -> Task {
    let mut task = task.touched(now);
    // Asked before the count is cut to the budget: a budget of 0 allows one try, and one that failed was it.
    let spent = task.retries_used > 0 && task.retries_used >= budget.number();
    task.retry_budget = budget;
    task.retries_used = task.retries_used.min(budget.number());
    if task.status == Status::Pending && spent {
        let text = format!("retry budget spent ({})", budget.number());
        set_blocked(&mut task, reason(&text));
    }
    task
}

/// The retries used that an imported task may have: never above its budget, and one try back for a task that is pending
/// although its budget is spent. Returns the number and whether it differs from what was asked for.
#[must_use]
pub fn import_budget(used: u64, budget: RetryBudget, status: Status) -> (u32, bool) {
    let capped = u32::try_from(used).unwrap_or(u32::MAX).min(budget.number());
    let spent = status == Status::Pending && capped > 0 && capped >= budget.number();
    let kept = if spent { capped - 1 } else { capped };
    (kept, u64::from(kept) != used)
}
