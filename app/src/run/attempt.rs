//! One attempt: start the command, renew the lease, judge how it ended.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tasq_domain::life::{FailureKind, Refusal};
use tasq_domain::{AnyId, FeatureId, Reason, Status, TestId, TestStatus};
use tasq_ports::{CommandSpec, Exit, Runner, Running, StoreError, StoreExt};

use super::{Finish, RunEvent, RunOptions, Tally};
use crate::complete::CompleteTask;
use crate::context::{App, HolderRef};
use crate::error::AppError;
use crate::fail::FailTask;
use crate::release::ReleaseTask;
use crate::unit::Report;
use crate::verify::Meanwhile;
use crate::view::ClaimView;

/// The exit code of a worker that gives the task back (EX_TEMPFAIL of sysexits.h).
const EXIT_RELEASE: i32 = 75;
/// The exit code of a worker for which no further try can succeed (EX_DATAERR of sysexits.h).
const EXIT_PERMANENT: i32 = 65;
/// How much of the output's end goes into a failure message, in characters.
const MESSAGE_TAIL_CHARS: usize = 2_000;

/// How a supervised command came to its end.
enum Ended {
    /// By itself.
    Exited(Exit),
    /// Stopped, because a person asked for it.
    Cancelled(Exit),
    /// Stopped, because the program was asked to stop.
    Interrupted(Exit),
    /// Stopped, because the claim was no longer ours.
    Stale,
}

/// What a look at the claim says while a command runs.
enum Look {
    /// Go on.
    On,
    /// A person asked for an end.
    Cancelled,
    /// The program was asked to stop.
    Interrupted,
    /// The claim is no longer ours.
    Stale,
}

/// The heartbeat of an attempt, from its start to the end of its test cases.
struct Pulse<'p> {
    app: &'p App<'p>,
    options: &'p RunOptions<'p>,
    holder: &'p HolderRef,
    next: Instant,
}

impl<'p> Pulse<'p> {
    fn new(app: &'p App<'p>, options: &'p RunOptions<'p>, holder: &'p HolderRef) -> Self {
        Self {
            app,
            options,
            holder,
            next: Instant::now() + beat(options.lease),
        }
    }

    /// Renews the lease if it is time to.
    fn take(&mut self) -> Result<Look, AppError> {
        if (self.options.stopped)().is_some() {
            return Ok(Look::Interrupted);
        }
        if Instant::now() < self.next {
            return Ok(Look::On);
        }
        self.next = Instant::now() + beat(self.options.lease);
        match self.app.heartbeat(self.holder, None) {
            Ok(beat) if beat.cancel_requested => Ok(Look::Cancelled),
            Ok(_) => Ok(Look::On),
            // The lease outlives one beat, so the next one may still come in time.
            Err(AppError::Store(StoreError::Busy { .. })) => Ok(Look::On),
            Err(AppError::Refused { .. } | AppError::NotFound { .. }) => Ok(Look::Stale),
            Err(error) => Err(error),
        }
    }
}

impl Meanwhile for Pulse<'_> {
    fn until_next(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    fn look(&mut self) -> Result<bool, AppError> {
        match self.take()? {
            Look::On => Ok(true),
            Look::Cancelled | Look::Interrupted => Ok(false),
            Look::Stale => Err(AppError::refused(&self.holder.task, Refusal::StaleClaim)),
        }
    }
}

/// How often a lease is renewed.
fn beat(lease: Duration) -> Duration {
    (lease / 3).max(Duration::from_millis(1))
}

/// The test cases of a feature run under no claim; only the program's own end stops them.
struct UntilStopped<'p>(&'p RunOptions<'p>);

impl Meanwhile for UntilStopped<'_> {
    fn until_next(&self) -> Duration {
        Duration::MAX
    }

    fn look(&mut self) -> Result<bool, AppError> {
        Ok((self.0.stopped)().is_none())
    }
}

impl App<'_> {
    /// Carries out one attempt under a claim.
    pub(super) fn attempt(
        &self,
        runner: &dyn Runner,
        options: &RunOptions<'_>,
        claim: ClaimView,
        tally: &mut Tally,
        tell: &mut dyn FnMut(&RunEvent),
    ) -> Result<(), AppError> {
        let began = Instant::now();
        tally.attempts += 1;
        let id = claim.task.record.task.id.clone();
        let holder = HolderRef {
            task: id.clone(),
            token: claim.token,
        };
        let log = (options.log)(&id, claim.token);
        let mut report = Report {
            log_path: log.as_ref().map(|path| path.display().to_string()),
            ..Report::default()
        };
        tell(&RunEvent::Started(Box::new(claim.clone())));
        let spec = command(options, &holder, &claim, log);
        let mut pulse = Pulse::new(self, options, &holder);
        let ended = match runner.start(&spec) {
            Ok(mut running) => supervise(running.as_mut(), &mut pulse)?,
            Err(error) => {
                // The command is wrong, not the task: nothing is charged, and the loop ends with the reason.
                match self.give_back(&holder, report) {
                    Ok(_) | Err(AppError::Refused { .. } | AppError::NotFound { .. }) => {
                        return Err(error.into());
                    }
                    Err(unwritten) => return Err(unwritten),
                }
            }
        };
        let finished = match ended {
            Ended::Stale => Ok(Finish::Elsewhere),
            Ended::Cancelled(exit) | Ended::Interrupted(exit) => {
                report.exit_code = exit.code;
                self.give_back(&holder, report)
            }
            Ended::Exited(exit) => {
                report.exit_code = exit.code;
                self.judge(runner, &mut pulse, &exit, report, tell)
            }
        };
        let how = match finished {
            // The worker ended its claim itself, or somebody took it back or removed the task meanwhile.
            Err(
                AppError::Refused {
                    why: Refusal::StaleClaim,
                    ..
                }
                | AppError::NotFound { .. },
            ) => Finish::Elsewhere,
            other => other?,
        };
        let task = match self.item_task(&id) {
            Err(AppError::NotFound { .. }) => claim.task,
            found => found?,
        };
        match (&how, task.record.task.status) {
            (Finish::Completed, _) | (Finish::Elsewhere, Status::Completed) => tally.completed += 1,
            (Finish::Released, _) => tally.released += 1,
            (Finish::Failed(_) | Finish::Elsewhere, _) => tally.failed += 1,
        }
        if task.record.task.status == Status::Completed {
            self.verify_feature(runner, options, &task.record.task.feature)?;
        }
        let attempt = holder.token.attempt;
        tell(&RunEvent::Finished {
            task: Box::new(task),
            attempt,
            how,
            took: began.elapsed(),
        });
        Ok(())
    }

    /// What a worker's exit code means.
    fn judge(
        &self,
        runner: &dyn Runner,
        pulse: &mut Pulse<'_>,
        exit: &Exit,
        report: Report,
        tell: &mut dyn FnMut(&RunEvent),
    ) -> Result<Finish, AppError> {
        let holder = pulse.holder;
        match exit.code {
            Some(0) => self.prove(runner, pulse, report, tell),
            Some(EXIT_RELEASE) => self.give_back(holder, report),
            Some(EXIT_PERMANENT) => {
                self.give_up(holder, FailureKind::Permanent, &failure_text(exit), report)
            }
            Some(_) | None => {
                self.give_up(holder, FailureKind::Failed, &failure_text(exit), report)
            }
        }
    }

    /// Runs the test cases and completes the task, or fails it naming those that do not pass.
    fn prove(
        &self,
        runner: &dyn Runner,
        pulse: &mut Pulse<'_>,
        report: Report,
        tell: &mut dyn FnMut(&RunEvent),
    ) -> Result<Finish, AppError> {
        let (holder, verify) = (pulse.holder, &pulse.options.verify);
        // A worker that completed its task itself has run the test cases already.
        let task = self.item_task(&holder.task)?.record.task;
        tasq_domain::life::holder(&task, holder.token)
            .map_err(|why| AppError::refused(&holder.task, why))?;
        tell(&RunEvent::Verifying(holder.task.clone()));
        let id = AnyId::Task(holder.task.clone());
        match self.run_tests(&id, runner, verify, pulse) {
            Ok(true) => (),
            Ok(false) => return self.give_back(holder, report),
            // A command that came while the worker worked is no fault of its own.
            Err(untrusted @ AppError::Untrusted(_)) => {
                self.give_back(holder, report)?;
                return Err(untrusted);
            }
            Err(error) => return Err(error),
        }
        let wanted = CompleteTask {
            task: holder.task.clone(),
            token: Some(holder.token),
            summary: None,
            force: None,
            report: report.clone(),
            next: None,
        };
        match self.surely(|app| app.complete(&wanted)) {
            Ok(_) => Ok(Finish::Completed),
            Err(AppError::Refused {
                why: Refusal::NotVerified(open),
                ..
            }) => {
                let named = self.named(&open)?;
                let text = format!("not proven: {}", named.join("\n"));
                self.give_up(holder, FailureKind::Failed, &text, report)
            }
            Err(AppError::Refused {
                why: Refusal::NoTests,
                item,
            }) => {
                let text = format!("not proven: {item} has no test case that could prove it");
                self.give_up(holder, FailureKind::Permanent, &text, report)
            }
            Err(error) => Err(error),
        }
    }

    /// The test cases with how they stand and what they said.
    fn named(&self, open: &[TestId]) -> Result<Vec<String>, AppError> {
        self.store.read(|tx| {
            let mut named = Vec::new();
            for id in open {
                let Some(test) = tx.test(id)? else { continue };
                let failed = test.status == TestStatus::Failing;
                let last = test.last.as_ref().filter(|_| failed);
                let output = last.and_then(|last| last.output_tail.as_deref());
                let (title, output) = (test.description.title(), last_chars(output.unwrap_or("")));
                named.push(format!("{id} ({title}) is {}\n{output}", test.status));
            }
            Ok(named)
        })
    }

    fn give_up(
        &self,
        holder: &HolderRef,
        kind: FailureKind,
        text: &str,
        report: Report,
    ) -> Result<Finish, AppError> {
        let message = Reason::lossy(text)
            .unwrap_or_else(|| Reason::new("failed").expect("a word is a reason"));
        let failed = FailTask {
            holder: holder.clone(),
            kind,
            message,
            report,
        };
        self.surely(|app| app.fail(&failed))?;
        Ok(Finish::Failed(text.to_owned()))
    }

    fn give_back(&self, holder: &HolderRef, report: Report) -> Result<Finish, AppError> {
        let released = ReleaseTask {
            holder: holder.clone(),
            not_before: None,
            message: None,
            report,
        };
        self.surely(|app| app.release(&released))?;
        Ok(Finish::Released)
    }

    /// Runs a feature's own test cases when the last of its tasks has been completed.
    fn verify_feature(
        &self,
        runner: &dyn Runner,
        options: &RunOptions<'_>,
        id: &FeatureId,
    ) -> Result<(), AppError> {
        let waits = self.store.read(|tx| {
            let counts = tx.task_counts(&tasq_domain::ready::Scope::Feature(id.clone()))?;
            let tests = tx.tests_of(&tasq_domain::TestOwner::Feature(id.clone()))?;
            let open = tests
                .iter()
                .any(|test| test.command.is_some() && test.status != TestStatus::Passing);
            Ok::<_, AppError>(open && counts.completed == counts.total())
        })?;
        if waits {
            let (id, mut until) = (AnyId::Feature(id.clone()), UntilStopped(options));
            self.run_tests(&id, runner, &options.verify, &mut until)?;
        }
        Ok(())
    }
}

/// Waits for the command's end, renewing the lease at a third of it.
fn supervise(running: &mut dyn Running, pulse: &mut Pulse<'_>) -> Result<Ended, AppError> {
    loop {
        if let Some(exit) = running.wait(pulse.until_next())? {
            return Ok(Ended::Exited(exit));
        }
        match pulse.take() {
            Ok(Look::On) => (),
            Ok(Look::Cancelled) => return Ok(Ended::Cancelled(running.stop()?)),
            Ok(Look::Interrupted) => return Ok(Ended::Interrupted(running.stop()?)),
            Ok(Look::Stale) => {
                running.stop()?;
                return Ok(Ended::Stale);
            }
            Err(error) => {
                running.stop()?;
                return Err(error);
            }
        }
    }
}

fn command(
    options: &RunOptions<'_>,
    holder: &HolderRef,
    claim: &ClaimView,
    log: Option<PathBuf>,
) -> CommandSpec {
    CommandSpec {
        argv: options.command.clone(),
        env: environment(options, holder),
        stdin: (options.stdin)(claim),
        folder: options.verify.folder.clone(),
        log,
        label: holder.task.as_str().to_owned(),
        ..CommandSpec::default()
    }
}

fn environment(options: &RunOptions<'_>, holder: &HolderRef) -> Vec<(String, String)> {
    [
        ("TASQ_STORE", options.store.clone()),
        ("TASQ_TASK", holder.task.as_str().to_owned()),
        ("TASQ_TOKEN", holder.token.to_string()),
        ("TASQ_ATTEMPT", holder.token.attempt.to_string()),
        ("TASQ_WORKER", options.worker.as_str().to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn failure_text(exit: &Exit) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended without an exit code".to_owned(),
    };
    let output = last_chars(&exit.output_tail);
    if output.is_empty() {
        how
    } else {
        format!("{how}\n{output}")
    }
}

/// The end of an output, trimmed, in whole characters.
fn last_chars(text: &str) -> &str {
    let text = text.trim_end();
    let start = text
        .char_indices()
        .rev()
        .nth(MESSAGE_TAIL_CHARS - 1)
        .map_or(0, |(at, _)| at);
    &text[start..]
}
