//! The loop: claim, run a command, verify, complete or fail, until nothing is left to do; with any number of workers.

mod assignment;
mod attempt;
mod braking;
mod crew;
mod judge;
mod said;
mod terms;
mod waits;

use std::path::PathBuf;
use std::time::Duration;

use tasq_domain::brakes::{Brakes, Tripped};
use tasq_domain::ready::NotReady;
use tasq_domain::{Status, StatusCounts, TaskId, TestId, Timestamp, Token, Worker};
use tasq_ports::{Runner, StoreExt, Workplace};

pub use assignment::{Assignment, DependencyResult};
pub(crate) use said::cost_of;

use crate::context::App;
use crate::error::AppError;
use crate::find::{self, ScopeRef};
use crate::unit::all_tasks;
use crate::verify::VerifyOptions;
use crate::view::{ClaimView, TaskView};
use crew::Crew;

/// How the loop works.
pub struct RunOptions<'a> {
    /// The part of the queue.
    pub scope: ScopeRef,
    /// The command that works on a task: a program and its arguments. Task text is never part of it.
    pub command: Vec<String>,
    /// How many workers at a time, at least 1.
    pub jobs: u32,
    /// Who holds the claims; of several workers each has its number behind the name.
    pub worker: Worker,
    /// How long the lease is, unless a task's metadata says otherwise; it is renewed at a third of it.
    pub lease: Duration,
    /// How long an attempt may take, unless a task's metadata says otherwise.
    pub timeout: Option<Duration>,
    /// How long a command may write nothing, unless a task's metadata says otherwise.
    pub idle_timeout: Option<Duration>,
    /// The process that runs the loop: once it is gone, what it holds is lost.
    pub pid: Option<u32>,
    /// How many attempts at the most.
    pub max: Option<u32>,
    /// After how long nothing more is begun.
    pub max_time: Option<Duration>,
    /// What stops this loop and all others on the queue.
    pub brakes: Brakes,
    /// Whether failures before the loop began are not counted by the brakes.
    pub forgiving: bool,
    /// How long to wait for the leases of others and for times that a release set.
    pub max_wait: Duration,
    /// Whether to wait for new work when there is nothing left to do.
    pub watch: bool,
    /// A text without which a worker's output is no success.
    pub promise: Option<String>,
    /// Whether each completion runs again what passed before and may have been touched.
    pub regress: bool,
    /// Where test cases run, unless the workplace says otherwise, and how long one may take.
    pub verify: VerifyOptions,
    /// Where attempts work.
    pub workplace: &'a dyn Workplace,
    /// What the command finds in its environment as `TASQ_STORE`.
    pub store: String,
    /// The program around the loop.
    pub host: &'a dyn Host,
}

/// What the loop needs from the program around it.
pub trait Host: Sync {
    /// A claim as its command reads it.
    fn input(&self, assignment: &Assignment) -> Vec<u8>;

    /// The file that gets a command's output.
    fn log(&self, task: &TaskId, token: Token) -> Option<PathBuf>;

    /// Whether the program was asked to stop.
    fn stop(&self) -> Stop;

    /// Waits for the given time, or until the program is asked to stop.
    fn pause(&self, span: Duration);

    /// A number that is another one when somebody has written to the store; `None` where that cannot be told cheaply.
    fn news(&self) -> Option<u64>;
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Yes.
    GoOn,
    /// Begin nothing more and let end what runs; asked for by this signal.
    Drain(i32),
    /// Stop what runs and give it back; asked for by this signal.
    Now(i32),
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
    /// A completion broke what had passed before.
    Regressed {
        /// The task that was completed.
        by: TaskId,
        /// The tasks that are no longer completed.
        reopened: Vec<TaskId>,
        /// The test cases that no longer pass.
        broken: Vec<TestId>,
    },
    /// Nothing is ready, but something will be, or there may be.
    Waiting {
        /// Until then, at the most.
        until: Option<Timestamp>,
    },
    /// It was asked to stop: nothing more is begun, and this many attempts are still under way.
    Draining {
        /// Attempts under way.
        running: u32,
    },
    /// The loop has ended, in whatever way; the last event of each.
    Ended {
        /// How; `None` if it failed.
        end: Option<RunEnd>,
        /// What it did.
        tally: Tally,
        /// How long it took.
        took: Duration,
    },
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// Completed.
    Completed,
    /// Failed, with the message that goes to the next attempt.
    Failed(String),
    /// Blocked, for this reason.
    Blocked(String),
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
    /// A limit was reached while there was more to do.
    Limit(Limit),
    /// The program was asked to stop by this signal.
    Interrupted(i32),
}

/// A limit of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The number of attempts.
    Attempts,
    /// The time.
    Time,
    /// A brake, which holds for every loop on the queue.
    Brake(Tripped),
}

impl Limit {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Time => "time",
            Self::Brake(tripped) => tripped.as_str(),
        }
    }
}

/// A task that was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The task.
    pub task: TaskView,
    /// Why it is not ready; empty if it is.
    pub reasons: Vec<NotReady>,
}

/// How many attempts came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Attempts made.
    pub attempts: u32,
    /// Attempts that completed their task.
    pub completed: u32,
    /// Attempts that failed or blocked their task.
    pub failed: u32,
    /// Attempts that gave their task back.
    pub released: u32,
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
    /// Attempts that failed or blocked their task.
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

impl App<'_> {
    /// Works on the tasks of a scope, several at a time, until none is ready, running, or waiting for a retry.
    ///
    /// For each: claim, run the command with the task on standard input, heartbeat meanwhile, then by its exit code
    /// and its report, as [`tasq_domain::worker::meaning`] says: run the test cases and complete, or fail naming those
    /// that do not pass; fail; give back; block. A completion claims the next task in the same unit of work.
    ///
    /// Asked to drain, it begins nothing more; asked to stop now, it stops what runs and gives it back. `tell` is
    /// called on the calling thread; its last event is always [`RunEvent::Ended`].
    ///
    /// # Errors
    /// [`AppError::Untrusted`] before an attempt whose test cases may not run, and otherwise
    /// what the store or the operating system fails with, after everything else that ran was stopped and given back.
    /// The claim that failed is lost when its lease ends, or once the process is gone.
    pub fn run(
        &self,
        runner: &dyn Runner,
        options: &RunOptions<'_>,
        tell: &mut dyn FnMut(&RunEvent),
    ) -> Result<RunSummary, AppError> {
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
        let crew = Crew::new(self, runner, options);
        let end = crew.work(tell);
        let (tally, took) = (*crew.tally(), crew.took());
        tell(&RunEvent::Ended {
            end: end.as_ref().ok().cloned(),
            tally,
            took,
        });
        self.summary(options, end?, tally, took)
    }

    fn summary(
        &self,
        options: &RunOptions<'_>,
        end: RunEnd,
        tally: Tally,
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
            let Tally {
                attempts,
                completed,
                failed,
                released,
            } = tally;
            Ok(RunSummary {
                end: end.clone(),
                attempts,
                completed,
                failed,
                released,
                took,
                counts: tx.task_counts(&scope)?,
                unfinished,
            })
        })
    }
}
