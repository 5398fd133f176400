//! What the loop waits for when nothing is ready.

use std::time::Duration;

use tasq_domain::ready::is_ready;
use tasq_domain::{Outcome, Status, StatusCounts, Task, TaskRecord, Timestamp};
use tasq_ports::{StoreExt, Tx};

use super::{RunEnd, RunOptions};
use crate::context::App;
use crate::error::{AppError, Waiting};
use crate::find::{self, ScopeRef};
use crate::unit::all_tasks;

/// What to do when nothing is ready and nothing of our own runs.
pub(super) enum Wait {
    /// End.
    End(RunEnd),
    /// Wait for a retry, however long it takes.
    Retry(Duration, Timestamp),
    /// Wait for others, or for a time that a release set, within the limit.
    Others(Duration, Timestamp),
}

/// A claim at the very instant still finds it waiting.
const A_MOMENT: Duration = Duration::from_millis(1);

impl App<'_> {
    /// Whether to wait, and for what. `left` is what is left of the time to wait for others.
    pub(super) fn wait_for(
        &self,
        options: &RunOptions<'_>,
        waiting: &Waiting,
        left: Duration,
    ) -> Result<Wait, AppError> {
        let StatusCounts {
            pending,
            in_progress,
            completed: _,
            blocked,
        } = waiting.counts;
        if pending + in_progress + blocked == 0 {
            return Ok(Wait::End(RunEnd::AllCompleted));
        }
        let (now, open) = self.open_tasks(&options.scope)?;
        let times = |retry: bool| {
            open.iter()
                .filter(move |open| open.retries == retry && open.waits_for_time_alone())
                .filter_map(|open| open.record.task.not_before)
        };
        if let Some(until) = times(true).min() {
            return Ok(Wait::Retry(until.since(now) + A_MOMENT, until));
        }
        let leases = open
            .iter()
            .filter_map(|open| Some(open.record.task.claim.as_ref()?.lease_expires_at));
        Ok(match leases.chain(times(false)).min() {
            Some(until) if !left.is_zero() => {
                let until = until.min(now.after(left));
                Wait::Others(until.since(now) + A_MOMENT, until)
            }
            // It became ready between the claim and now.
            None if open.iter().any(|open| is_ready(&open.record, now)) => {
                Wait::Others(A_MOMENT, now)
            }
            _ => Wait::End(RunEnd::Remaining),
        })
    }

    fn open_tasks(&self, scope: &ScopeRef) -> Result<(Timestamp, Vec<Open>), AppError> {
        self.store.read(|tx| {
            let scope = find::scope(tx, scope)?;
            let mut open = Vec::new();
            for record in all_tasks(tx, &scope, &[Status::Pending, Status::InProgress])? {
                let retries = record.task.not_before.is_some() && retries(tx, &record.task)?;
                open.push(Open { record, retries });
            }
            Ok((tx.now(), open))
        })
    }
}

/// A task that is not finished.
struct Open {
    record: TaskRecord,
    /// Whether it waits for a retry; a release may have set its time as well.
    retries: bool,
}

impl Open {
    /// Whether it is ready as soon as its time has come.
    fn waits_for_time_alone(&self) -> bool {
        let TaskRecord {
            task,
            epic: _,
            priority: _,
            open_dependencies,
            held_above,
        } = &self.record;
        task.status == Status::Pending
            && *open_dependencies == 0
            && task.hold.is_none()
            && !held_above
    }
}

/// Whether the last attempt failed, or its process gave the task back: what it waits for is another try, and not a time
/// that somebody chose.
fn retries(tx: &mut dyn Tx, task: &Task) -> Result<bool, AppError> {
    let last = tx.attempt(&task.id, task.attempts)?;
    let end = last.and_then(|attempt| attempt.end);
    Ok(end.is_some_and(|end| match end.outcome {
        Outcome::Failed | Outcome::TimedOut => true,
        Outcome::Released => end.exit_code.is_some(),
        _ => false,
    }))
}
