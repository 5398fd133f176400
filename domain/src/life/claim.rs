//! Claims: made, renewed, lost.

use std::time::Duration;

use super::{MAX_LEASE_SECS, POISON_AFTER, Refusal, Step, close, give_back, reason, set_blocked};
use crate::attempt::{Attempt, Outcome, Token};
use crate::event::EventKind;
use crate::process::Process;
use crate::ready::not_ready;
use crate::status::Status;
use crate::task::{Claim, Task, TaskRecord};
use crate::text::{Reason, Worker};
use crate::time::Timestamp;

/// What a claim is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who is to hold it.
    pub worker: Worker,
    /// Fresh randomness for the token.
    pub nonce: u64,
    /// How long the lease is; cut to [`MAX_LEASE_SECS`] and to whole microseconds.
    pub lease: Duration,
    /// The process that will work on it, if its end is to be noticed.
    pub process: Option<Process>,
}

/// Why a claim is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Its lease ran out.
    LeaseRanOut,
    /// The process that worked on it is gone.
    ProcessGone,
}

impl Loss {
    /// The reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeaseRanOut => "its lease ran out",
            Self::ProcessGone => "its process is gone",
        }
    }
}

/// A heartbeat that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The task with its new lease.
    pub task: Task,
    /// Whether the holder is asked to stop.
    pub cancel_requested: bool,
}

/// Hands a ready task to a worker: a new attempt, with a lease and a token.
///
/// A task that a plain SQL client made pending while somebody held it is handed out like any other; the attempt that was
/// open is cancelled.
///
/// # Errors
/// [`Refusal::NotReady`] with every reason.
pub fn claim(
    record: &TaskRecord,
    grant: Grant,
    now: Timestamp,
) -> Result<(Step, Attempt), Refusal> {
    let reasons = not_ready(record, now);
    if !reasons.is_empty() {
        return Err(Refusal::NotReady(reasons));
    }
    let mut task = record.task.touched(now);
    let started_at = task.updated_at;
    let lease = lease_of(grant.lease);
    let closed = close(&mut task, Outcome::Cancelled, None, None);
    task.attempts = task.attempts.saturating_add(1);
    let token = Token {
        attempt: task.attempts,
        nonce: grant.nonce,
    };
    let attempt = Attempt {
        task: task.id.clone(),
        token,
        worker: grant.worker.clone(),
        started_at,
        end: None,
        late_message: None,
        log_path: None,
        result: None,
    };
    task.status = Status::InProgress;
    task.not_before = None;
    task.blocked_reason = None;
    task.completed_at = None;
    task.proof = None;
    task.claim = Some(Claim {
        worker: grant.worker,
        token,
        started_at,
        lease,
        lease_expires_at: started_at.after(lease),
        cancel: None,
        process: grant.process,
    });
    Ok((
        Step {
            task,
            closed,
            event: EventKind::Claimed,
        },
        attempt,
    ))
}

/// The claim that a token belongs to. A claim counts only while its task is in progress: a person who gave the task
/// another status with a plain SQL client took it away.
///
/// # Errors
/// [`Refusal::StaleClaim`] unless the token is that of the open attempt.
pub fn holder(task: &Task, token: Token) -> Result<&Claim, Refusal> {
    task.claim
        .as_ref()
        .filter(|claim| claim.token == token && task.status == Status::InProgress)
        .ok_or(Refusal::StaleClaim)
}

/// The lease that is given to who asks for this one: at most [`MAX_LEASE_SECS`], in whole microseconds, as all times are.
fn lease_of(asked: Duration) -> Duration {
    let given = asked.min(Duration::from_secs(MAX_LEASE_SECS));
    let micros = u64::try_from(given.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros)
}

/// Extends the lease to `lease` (or the length it was made with) from now, never shortening what is left of it.
///
/// # Errors
/// [`Refusal::StaleClaim`].
pub fn heartbeat(
    task: &Task,
    token: Token,
    lease: Option<Duration>,
    now: Timestamp,
) -> Result<Renewed, Refusal> {
    let held = holder(task, token)?;
    let lease = lease_of(lease.unwrap_or(held.lease));
    let lease_expires_at = now.after(lease).not_before(held.lease_expires_at);
    let cancel_requested = held.cancel.is_some();
    let claim = Claim {
        lease,
        lease_expires_at,
        ..held.clone()
    };
    Ok(Renewed {
        task: Task {
            claim: Some(claim),
            ..task.clone()
        },
        cancel_requested,
    })
}

/// Takes the task back if its lease has run out: the attempt is lost, one retry is charged, and the task is ready again
/// at once, unless the budget is spent, [`POISON_AFTER`] attempts in a row were lost, or a person asked the holder to
/// stop, which block it. `None` if there is no claim or its lease still runs.
///
/// A claim on a task that a plain SQL client gave another status is only cleared away: the attempt is cancelled,
/// uncharged, and the status stands.
#[must_use]
pub fn expire(record: &TaskRecord, now: Timestamp) -> Option<Step> {
    let claim = record.task.claim.as_ref()?;
    (claim.lease_expires_at <= now).then(|| lose(record, claim, Loss::LeaseRanOut, now))
}

/// Takes the task back at once, as [`expire`] does at the end of its lease, because the process that worked on it is
/// gone. `None` unless that is the process on the claim. Whether it is gone says [`Process::is_gone`].
#[must_use]
pub fn abandon(record: &TaskRecord, gone: &Process, now: Timestamp) -> Option<Step> {
    let claim = record.task.claim.as_ref()?;
    (claim.process.as_ref() == Some(gone)).then(|| lose(record, claim, Loss::ProcessGone, now))
}

fn lose(record: &TaskRecord, claim: &Claim, why: Loss, now: Timestamp) -> Step {
    let cancel = claim.cancel.as_ref();
    let mut task = record.task.touched(now);
    if task.status != Status::InProgress {
        let closed = close(&mut task, Outcome::Cancelled, None, None);
        return Step {
            task,
            closed,
            event: EventKind::Cancelled,
        };
    }
    // A lease that ran out says nothing of why.
    let message = match why {
        Loss::LeaseRanOut => None,
        Loss::ProcessGone => Some(reason(why.as_str())),
    };
    let closed = close(&mut task, Outcome::Lost, None, message);
    task.lost_in_a_row = task.lost_in_a_row.saturating_add(1);
    charge(&mut task);
    if task.lost_in_a_row >= POISON_AFTER {
        let text = format!("poison: {} attempts in a row were lost", task.lost_in_a_row);
        set_blocked(&mut task, reason(&text));
    } else if task.retries_used >= task.retry_budget.number() {
        let text = format!(
            "retry budget spent ({}): the last attempt was lost",
            task.retry_budget.number()
        );
        set_blocked(&mut task, reason(&text));
    } else {
        give_back(&mut task, cancel, record.held_above);
    }
    Step {
        task,
        closed,
        event: EventKind::Lost,
    }
}

/// What a holder's refused write leaves on its own attempt, if that is the attempt the token was issued for: the late
/// message, and nothing else.
#[must_use]
pub fn late(attempt: &Attempt, token: Token, message: Option<Reason>) -> Option<Attempt> {
    let late_message = message.filter(|_| attempt.token == token && attempt.end.is_some())?;
    Some(Attempt {
        late_message: Some(late_message),
        ..attempt.clone()
    })
}

/// Charges one retry; the count never exceeds the budget.
pub(super) fn charge(task: &mut Task) {
    task.retries_used = task
        .retries_used
        .saturating_add(1)
        .min(task.retry_budget.number());
}
