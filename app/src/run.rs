//! The loop: claim, run a command, verify, complete or fail, until nothing is left to do.

mod attempt;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tasq_domain::ready::NotReady;
use tasq_domain::{
    Outcome, Status, StatusCounts, Task, TaskId, TaskRecord, Timestamp, Token, Worker,
};
use tasq_ports::{Runner, StoreExt, Tx};

use crate::claim::{ClaimTasks, WhichTask};
use crate::context::App;
use crate::error::{AppError, Waiting};
use crate::find::{self, ScopeRef};
use crate::unit::all_tasks;
use crate::verify::VerifyOptions;
use crate::view::{ClaimView, TaskView};

/// How often a wait looks again whether something has become ready, at the least.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How the loop works.
pub struct RunOptions<'a> {
    /// The part of the queue.
    pub scope: ScopeRef,
    /// The command that works on a task: a program and its arguments. Task text is never part of it.
    pub command: Vec<String>,
    /// Who holds the claims.
    pub worker: Worker,
    /// How long the lease is; it is renewed at a third of it.
    pub lease: Duration,
    /// The process that runs the loop: once it is gone, what it holds is lost.
    pub pid: Option<u32>,
    /// How many attempts at the most.
    pub max: Option<u32>,
    /// How long to wait for the leases of others and for times that a release set.
    pub max_wait: Duration,
    /// Where commands run, and how long a test case may take.
    pub verify: VerifyOptions,
    /// The task as the command reads it on standard input.
    pub stdin: &'a dyn Fn(&ClaimView) -> Vec<u8>,
    /// The file that gets the command's output.
    pub log: &'a dyn Fn(&TaskId, Token) -> Option<PathBuf>,
    /// What the command finds in its environment as `TASQ_STORE`.
    pub store: String,
    /// The signal by which the program was asked to stop, if it was.
    pub stopped: &'a dyn Fn() -> Option<i32>,
    /// Waits for the given time, or until the program is asked to stop.
    pub pause: &'a dyn Fn(Duration),
}

/// Something that the loop did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// A task was claimed and its command is about to start.
    Started(Box<ClaimView>),
    /// The command ended with success, and the task's test cases run.
    Verifying(TaskId),
    /// An attempt is over.
    Finished {
        /// The task as it is now.
        task: Box<TaskView>,
        /// The attempt's number.
        attempt: u32,
        /// What came of it.
        how: Finish,
        /// How long it took.
        took: Duration,
    },
    /// Nothing is ready, but something will be.
    Waiting {
        /// Until then, at the most.
        until: Option<Timestamp>,
    },
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Completed.
    Completed,
    /// Failed, with the message that goes to the next attempt.
    Failed(String),
    /// Given back.
    Released,
    /// The claim was no longer ours: the worker ended it itself, or it was taken back.
    Elsewhere,
}

/// Why the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// Everything in scope is completed.
    AllCompleted,
    /// Nothing is ready, running or waiting for a retry, but not everything is completed.
    Remaining,
    /// The given number of attempts was reached while there was more to do.
    Limit,
    /// The program was asked to stop by this signal.
    Interrupted(i32),
}

/// A task that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The task.
    pub task: TaskView,
    /// Why it is not ready; empty if it is.
    pub reasons: Vec<NotReady>,
}

/// What the loop did in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Why it ended.
    pub end: RunEnd,
    /// Attempts made.
    pub attempts: u32,
    /// Attempts that completed their task.
    pub completed: u32,
    /// Attempts that failed.
    pub failed: u32,
    /// Attempts that gave their task back.
    pub released: u32,
    /// How long it took.
    pub took: Duration,
    /// The tasks in scope.
    pub counts: StatusCounts,
    /// Those that are not completed, at most [`RunSummary::LISTED`].
    pub unfinished: Vec<Unfinished>,
}

impl RunSummary {
    /// How many unfinished tasks a summary lists.
    pub const LISTED: usize = 100;
}

/// What the loop has done so far.
#[derive(Default)]
struct Tally {
    attempts: u32,
    completed: u32,
    failed: u32,
    released: u32,
}

impl App<'_> {
    /// Works on the tasks of a scope, one at a time, until none is ready, running, or waiting for a retry.
    ///
    /// For each: claim, run the command with the task on standard input, heartbeat meanwhile, then by its exit code:
    /// 0 → run the test cases and complete, or fail naming those that do not pass; 75 → release; 65 → fail for good;
    /// any other, or a signal → fail.
    ///
    /// # Errors
    /// [`AppError::Untrusted`] before an attempt whose test cases may not run. What the store or the operating system
    /// fails with: the claim that was held then is lost when its lease
    /// ends, or once the process is gone.
    pub fn run(
        &self,
        runner: &dyn Runner,
        options: &RunOptions<'_>,
        tell: &mut dyn FnMut(&RunEvent),
    ) -> Result<RunSummary, AppError> {
        let began = Instant::now();
        let mut tally = Tally::default();
        let mut waited_for_others = Duration::ZERO;
        if self.op.is_some() {
            return Err(AppError::usage(
                "the loop takes no operation id",
                "repeat it as it is: what was done stays done",
            ));
        }
        // Both an unknown scope and an empty command are refused before anything is claimed.
        self.waiting(&options.scope)?;
        if options.command.is_empty() {
            return Err(AppError::usage(
                "no command was given",
                "put it after `--`, as in `tasq run -- ./worker`",
            ));
        }
        self.must_be_trusted_ahead(&options.scope)?;
        let end = loop {
            if let Some(signal) = (options.stopped)() {
                break RunEnd::Interrupted(signal);
            }
            if options.max.is_some_and(|max| tally.attempts >= max) {
                break self.end_at_limit(options)?;
            }
            match self.claim_one(options) {
                Ok(claim) => {
                    waited_for_others = Duration::ZERO;
                    self.attempt(runner, options, claim, &mut tally, tell)?;
                }
                Err(AppError::NothingReady(waiting)) => {
                    let left = options.max_wait.saturating_sub(waited_for_others);
                    match self.wait_for(options, &waiting, left)? {
                        Wait::End(end) => break end,
                        Wait::Retry(until) => drop(self.pause_until(options, until, tell)?),
                        Wait::Others(until) => {
                            waited_for_others += self.pause_until(options, until, tell)?;
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        };
        self.summary(options, end, &tally, began.elapsed())
    }

    fn claim_one(&self, options: &RunOptions<'_>) -> Result<ClaimView, AppError> {
        let wanted = ClaimTasks {
            which: WhichTask::Next(options.scope.clone()),
            worker: options.worker.clone(),
            lease: options.lease,
            count: 1,
            pid: options.pid,
        };
        self.must_be_trusted_next(&wanted)?;
        let mut claims = self.surely(|app| app.claim(&wanted))?;
        let claim = claims.remove(0);
        self.trusted_or_back(&claim)?;
        Ok(claim)
    }

    /// Whether to wait, and for what, when nothing is ready.
    fn wait_for(
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
            return Ok(Wait::Retry(until));
        }
        let leases = open
            .iter()
            .filter_map(|open| Some(open.record.task.claim.as_ref()?.lease_expires_at));
        match leases.chain(times(false)).min() {
            Some(until) if !left.is_zero() => Ok(Wait::Others(until.min(now.after(left)))),
            // It became ready between the claim and now.
            None if open
                .iter()
                .any(|open| tasq_domain::ready::is_ready(&open.record, now)) =>
            {
                Ok(Wait::Others(now))
            }
            _ => Ok(Wait::End(RunEnd::Remaining)),
        }
    }

    fn open_tasks(&self, scope: &ScopeRef) -> Result<(Timestamp, Vec<Open>), AppError> {
        self.store.read(|tx| {
            let scope = find::scope(tx, scope)?;
            let mut open = Vec::new();
            for record in all_tasks(tx, &scope, &[Status::Pending, Status::InProgress])? {
                let retries = record.task.not_before.is_some() && failed_last(tx, &record.task)?;
                open.push(Open { record, retries });
            }
            Ok((tx.now(), open))
        })
    }

    /// Sleeps until a time, but not long, because others may finish or reprioritise something meanwhile. Returns how long
    /// it was to sleep.
    fn pause_until(
        &self,
        options: &RunOptions<'_>,
        until: Timestamp,
        tell: &mut dyn FnMut(&RunEvent),
    ) -> Result<Duration, AppError> {
        tell(&RunEvent::Waiting { until: Some(until) });
        let now = self.store.read(|tx| Ok::<_, AppError>(tx.now()))?;
        // A claim at the very instant still finds it waiting.
        let span = (until.since(now) + Duration::from_millis(1)).min(LOOK_AGAIN);
        (options.pause)(span);
        Ok(span)
    }

    /// At the limit of attempts: the limit is the reason only if more could have been done.
    fn end_at_limit(&self, options: &RunOptions<'_>) -> Result<RunEnd, AppError> {
        let StatusCounts {
            pending,
            in_progress,
            completed: _,
            blocked,
        } = self.waiting(&options.scope)?.counts;
        Ok(match (pending + in_progress, blocked) {
            (0, 0) => RunEnd::AllCompleted,
            (0, _) => RunEnd::Remaining,
            _ => RunEnd::Limit,
        })
    }

    fn summary(
        &self,
        options: &RunOptions<'_>,
        end: RunEnd,
        tally: &Tally,
        took: Duration,
    ) -> Result<RunSummary, AppError> {
        self.store.read(|tx| {
            let now = tx.now();
            let scope = find::scope(tx, &options.scope)?;
            let open = all_tasks(
                tx,
                &scope,
                &[Status::Pending, Status::InProgress, Status::Blocked],
            )?;
            let mut unfinished = Vec::new();
            for record in open.into_iter().take(RunSummary::LISTED) {
                let reasons = tasq_domain::ready::not_ready(&record, now);
                unfinished.push(Unfinished {
                    task: TaskView::of(tx, record)?,
                    reasons,
                });
            }
            Ok(RunSummary {
                end: end.clone(),
                attempts: tally.attempts,
                completed: tally.completed,
                failed: tally.failed,
                released: tally.released,
                took,
                counts: tx.task_counts(&scope)?,
                unfinished,
            })
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

fn failed_last(tx: &mut dyn Tx, task: &Task) -> Result<bool, AppError> {
    let last = tx.attempt(&task.id, task.attempts)?;
    let outcome = last.and_then(|attempt| attempt.end).map(|end| end.outcome);
    Ok(matches!(outcome, Some(Outcome::Failed | Outcome::TimedOut)))
}

/// What to do when nothing is ready.
enum Wait {
    /// End.
    End(RunEnd),
    /// Wait for a retry, however long it takes.
    Retry(Timestamp),
    /// Wait for others, or for a time that a release set, within the limit.
    Others(Timestamp),
}
