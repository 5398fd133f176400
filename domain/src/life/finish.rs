//! The ends of an attempt that its holder brings about.

use super::claim::{charge, holder};
use super::{
    Gate, POISON_AFTER, Refusal, Step, Writer, close, give_back, proof_of, reason, set_blocked,
};
use crate::attempt::{Outcome, Token};
use crate::backoff::Backoff;
use crate::event::EventKind;
use crate::status::Status;
use crate::task::{Task, TaskRecord};
use crate::test_case::TestCase;
use crate::text::Reason;
use crate::time::Timestamp;

/// What a completion comes with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completion {
    /// What was done.
    pub summary: Option<Reason>,
    /// Why it counts as completed although test cases are not passing; a person's word only.
    pub override_reason: Option<Reason>,
    /// The worker's exit code.
    pub exit_code: Option<i32>,
}

/// Completes a task, if it is proven: every gating test case passes in this attempt (for a person without a claim,
/// since the task was last reopened), or there is none and the queue does not require one, or a person overrides.
///
/// # Errors
/// [`Refusal::StaleClaim`], [`Refusal::Claimed`], [`Refusal::WrongStatus`] if it is completed already,
/// [`Refusal::NotVerified`] with the test cases, [`Refusal::NoTests`], or [`Refusal::NotForWorkers`] for a holder that
/// overrides.
pub fn complete(
    task: &Task,
    writer: &Writer,
    tests: &[TestCase],
    gate: Gate,
    completion: Completion,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let Completion {
        summary,
        override_reason,
        exit_code,
    } = completion;
    let (attempt, over) = match writer {
        Writer::Holder(token) => {
            holder(task, *token)?;
            if override_reason.is_some() {
                return Err(Refusal::NotForWorkers {
                    what: "complete a task against its test cases",
                });
            }
            (Some(token.attempt), None)
        }
        Writer::Person { actor, force } => {
            task.unclaimed_or(*force)?;
            (None, override_reason.map(|why| (actor.clone(), why)))
        }
    };
    if task.status == Status::Completed {
        return Err(Refusal::WrongStatus {
            status: task.status,
            verb: "completed again",
        });
    }
    let proof = proof_of(tests, attempt, gate, over)?;
    let mut task = task.touched(now);
    let outcome = if attempt.is_some() {
        Outcome::Completed
    } else {
        Outcome::Cancelled
    };
    let closed = close(&mut task, outcome, exit_code, summary);
    task.status = Status::Completed;
    task.blocked_reason = None;
    task.not_before = None;
    task.lost_in_a_row = 0;
    task.completed_at = Some(task.updated_at);
    task.proof = Some(proof);
    Ok(Step {
        task,
        closed,
        event: EventKind::Completed,
    })
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The worker failed, and another try may succeed.
    Failed,
    /// The worker took too long.
    TimedOut,
    /// The worker says that no further try can succeed.
    Permanent,
    /// The worker's process was ended by a signal; [`POISON_AFTER`] attempts in a row that end like this, or are lost,
    /// block the task.
    Crashed,
}

/// What a failure comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which kind.
    pub kind: FailureKind,
    /// What went wrong; goes to the next attempt.
    pub message: Reason,
    /// The worker's exit code.
    pub exit_code: Option<i32>,
}

/// Ends the attempt as failed and charges one retry: the task waits for its backoff, or is blocked when the budget is
/// reached, the failure is permanent, or it was the [`POISON_AFTER`]th in a row that cost the worker its life. When the holder was asked to stop, it is [cancelled](release) instead.
///
/// # Errors
/// [`Refusal::StaleClaim`].
pub fn fail(
    record: &TaskRecord,
    token: Token,
    failure: Failure,
    backoff: &Backoff,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let Failure {
        kind,
        message,
        exit_code,
    } = failure;
    if holder(&record.task, token)?.cancel.is_some() {
        return Ok(cancelled(record, exit_code, Some(message), now));
    }
    let (outcome, event) = match kind {
        FailureKind::Failed | FailureKind::Permanent | FailureKind::Crashed => {
            (Outcome::Failed, EventKind::Failed)
        }
        FailureKind::TimedOut => (Outcome::TimedOut, EventKind::TimedOut),
    };
    let mut task = record.task.touched(now);
    charge(&mut task);
    let crashes = match kind {
        FailureKind::Crashed => task.lost_in_a_row.saturating_add(1),
        FailureKind::Failed | FailureKind::TimedOut | FailureKind::Permanent => 0,
    };
    if crashes >= POISON_AFTER {
        let text = format!("poison: {crashes} attempts in a row lost their worker: {message}");
        set_blocked(&mut task, reason(&text));
    } else if kind == FailureKind::Permanent {
        set_blocked(&mut task, reason(&format!("failed permanently: {message}")));
    } else if task.retries_used >= task.retry_budget.number() {
        let text = format!(
            "retry budget spent ({}): {message}",
            task.retry_budget.number()
        );
        set_blocked(&mut task, reason(&text));
    } else {
        let wait = backoff.wait(task.retries_used, &task.id, token.attempt);
        task.status = Status::Pending;
        task.not_before = Some(task.updated_at.after(wait));
    }
    let closed = close(&mut task, outcome, exit_code, Some(message));
    task.lost_in_a_row = crashes;
    Ok(Step {
        task,
        closed,
        event,
    })
}

/// Gives the task back uncharged: pending again, at once or not before a given time, or blocked if an edit of its budget
/// has left it no retry. When the holder was asked to stop, the attempt is cancelled and the task is blocked, unless it
/// is on hold, which keeps it as well.
///
/// # Errors
/// [`Refusal::StaleClaim`].
pub fn release(
    record: &TaskRecord,
    token: Token,
    not_before: Option<Timestamp>,
    message: Option<Reason>,
    exit_code: Option<i32>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    if holder(&record.task, token)?.cancel.is_some() {
        return Ok(cancelled(record, exit_code, message, now));
    }
    let mut task = record.task.touched(now);
    let closed = close(&mut task, Outcome::Released, exit_code, message);
    task.not_before = not_before.filter(|&at| at > now);
    give_back(&mut task, None, record.held_above);
    Ok(Step {
        task,
        closed,
        event: EventKind::Released,
    })
}

/// Ends an attempt as a person asked.
fn cancelled(
    record: &TaskRecord,
    exit_code: Option<i32>,
    message: Option<Reason>,
    now: Timestamp,
) -> Step {
    let cancel = record
        .task
        .claim
        .as_ref()
        .and_then(|claim| claim.cancel.clone());
    let mut task = record.task.touched(now);
    let closed = close(&mut task, Outcome::Cancelled, exit_code, message);
    give_back(&mut task, cancel.as_ref(), record.held_above);
    Step {
        task,
        closed,
        event: EventKind::Cancelled,
    }
}
