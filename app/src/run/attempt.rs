//! One attempt: make its place ready, start the command, renew the lease, wait for its end.

use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use tasq_domain::life::Refusal;
use tasq_domain::{AnyId, FeatureId, Outcome, Reason, Status, Task, TaskId, TestStatus};
use tasq_ports::{
    Bench, CommandSpec, Exit, Job, Leaving, Limits, Running, StoreError, StoreExt, WorkplaceError,
};

use super::crew::{Crew, Note};
use super::terms::Terms;
use super::{Assignment, Finish, RunEvent, RunOptions, Stop};
use crate::context::{App, HolderRef};
use crate::error::AppError;
use crate::unit::Report;
use crate::verify::{Meanwhile, VerifyOptions};
use crate::view::{ClaimView, TaskView};

/// How a supervised command came to its end.
enum Ended {
    /// By itself, or because a limit of its own was met.
    Exited(Exit),
    /// Stopped, because a person or the program asked for it.
    Stopped,
    /// Stopped, because the claim was no longer ours.
    Stale,
}

/// What a look at the claim says while a command runs.
enum Look {
    /// Go on.
    On,
    /// A person, or the program, asked for an end.
    Stop,
    /// The claim is no longer ours.
    Stale,
}

/// The heartbeat of an attempt, from its start to the end of its test cases.
pub(super) struct Pulse<'p> {
    crew: &'p Crew<'p>,
    holder: &'p HolderRef,
    lease: Duration,
    next: Instant,
}

impl<'p> Pulse<'p> {
    fn new(crew: &'p Crew<'p>, holder: &'p HolderRef, lease: Duration) -> Self {
        Self {
            crew,
            holder,
            lease,
            next: Instant::now() + beat(lease),
        }
    }

    /// Renews the lease if it is time to.
    fn take(&mut self) -> Result<Look, AppError> {
        if let Stop::Now(_) = self.crew.stop() {
            return Ok(Look::Stop);
        }
        if Instant::now() < self.next {
            return Ok(Look::On);
        }
        self.next = Instant::now() + beat(self.lease);
        match self.crew.app.heartbeat(self.holder, None) {
            Ok(beat) if beat.cancel_requested => Ok(Look::Stop),
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
            Look::Stop => Ok(false),
            Look::Stale => Err(AppError::refused(&self.holder.task, Refusal::StaleClaim)),
        }
    }
}

/// How often a lease is renewed.
fn beat(lease: Duration) -> Duration {
    (lease / 3).max(Duration::from_millis(1))
}

/// The test cases of a feature run under no claim; only the program's own end stops them.
struct UntilStopped<'p>(&'p Crew<'p>);

impl Meanwhile for UntilStopped<'_> {
    fn until_next(&self) -> Duration {
        Duration::MAX
    }

    fn look(&mut self) -> Result<bool, AppError> {
        Ok(!matches!(self.0.stop(), Stop::Now(_)))
    }
}

/// An attempt under way.
pub(super) struct Work<'w> {
    pub(super) assignment: &'w Assignment,
    pub(super) holder: &'w HolderRef,
    pub(super) job: &'w Job,
    pub(super) bench: &'w Bench,
    pub(super) verify: VerifyOptions,
    pub(super) report: Report,
    pub(super) notes: &'w Sender<Note>,
}

/// What came of an attempt, and what was claimed in the same step.
pub(super) type Judged = (Finish, Option<ClaimView>);

impl Crew<'_> {
    /// Carries out one attempt under a claim; also returns the claim that its completion was given.
    pub(super) fn attempt(
        &self,
        claim: ClaimView,
        notes: &Sender<Note>,
    ) -> Result<Option<ClaimView>, AppError> {
        if let Err(refused) = self.app.trusted_or_back(&claim) {
            self.unreserve();
            return Err(refused);
        }
        let began = Instant::now();
        let before = claim.task.clone();
        let id = before.record.task.id.clone();
        let holder = HolderRef {
            task: id.clone(),
            token: claim.token,
        };
        say(notes, RunEvent::Started(Box::new(claim.clone())));
        let (how, next) = match self.carry_out(claim, &holder, notes) {
            // The worker ended its claim itself, or somebody took it back or removed the task meanwhile.
            Ok((Finish::Elsewhere, _))
            | Err(
                AppError::Refused {
                    why: Refusal::StaleClaim,
                    ..
                }
                | AppError::NotFound { .. },
            ) => (self.ended_before(&holder)?, None),
            other => other?,
        };
        let Err(error) = self.conclude(before, &holder, how, began, notes) else {
            return Ok(next);
        };
        self.not_begun(next, error)
    }

    /// What came of an attempt that is no longer open: only its worker can have completed, failed, blocked or released it.
    fn ended_before(&self, holder: &HolderRef) -> Result<Finish, AppError> {
        let number = holder.token.attempt;
        let attempt = self
            .app
            .store
            .read(|tx| Ok::<_, AppError>(tx.attempt(&holder.task, number)?))?;
        let ours = attempt.filter(|attempt| attempt.token == holder.token);
        let Some(end) = ours.and_then(|attempt| attempt.end) else {
            return Ok(Finish::Elsewhere);
        };
        let said = end.message.map(|message| message.as_str().to_owned());
        let said = said.unwrap_or_default();
        Ok(match end.outcome {
            Outcome::Completed => Finish::Completed,
            Outcome::Failed => Finish::Failed(said),
            Outcome::Blocked => Finish::Blocked(said),
            Outcome::Released => Finish::Released,
            Outcome::TimedOut | Outcome::Lost | Outcome::Cancelled => Finish::Elsewhere,
        })
    }

    /// Gives back what was claimed for an attempt that will not begin, because the loop ends with this error.
    fn not_begun(
        &self,
        next: Option<ClaimView>,
        error: AppError,
    ) -> Result<Option<ClaimView>, AppError> {
        let Some(next) = next else {
            return Err(error);
        };
        self.unreserve();
        let holder = HolderRef {
            task: next.task.record.task.id,
            token: next.token,
        };
        Err(self.give_up_loop(&holder, Report::default(), error)?)
    }

    /// Counts and tells what came of an attempt, and runs what a completion calls for.
    fn conclude(
        &self,
        before: TaskView,
        holder: &HolderRef,
        how: Finish,
        began: Instant,
        notes: &Sender<Note>,
    ) -> Result<(), AppError> {
        let id = &holder.task;
        let task = match self.app.item_task(id) {
            Err(AppError::NotFound { .. }) => before,
            found => found?,
        };
        let status = task.record.task.status;
        {
            let mut tally = self.tally();
            match (&how, status) {
                (Finish::Completed, _) | (Finish::Elsewhere, Status::Completed) => {
                    tally.completed += 1;
                }
                (Finish::Released, _) => tally.released += 1,
                (Finish::Failed(_) | Finish::Blocked(_) | Finish::Elsewhere, _) => {
                    tally.failed += 1;
                }
            }
        }
        if status == Status::Completed {
            self.verify_feature(&task.record.task.feature)?;
            if self.options.regress {
                self.look_for_regressions(id, notes)?;
            }
        }
        let finished = RunEvent::Finished {
            task: Box::new(task),
            attempt: holder.token.attempt,
            how,
            took: began.elapsed(),
        };
        say(notes, finished);
        Ok(())
    }

    /// From the claim to the judgement.
    fn carry_out(
        &self,
        claim: ClaimView,
        holder: &HolderRef,
        notes: &Sender<Note>,
    ) -> Result<Judged, AppError> {
        let options = self.options;
        let mut assignment = match self.app.assignment(claim) {
            Ok(assignment) => assignment,
            Err(error) => return Err(self.give_up_loop(holder, Report::default(), error)?),
        };
        let task = &assignment.claim.task.record.task;
        let log = options.host.log(&task.id, holder.token);
        let report = Report {
            log_path: log.as_ref().map(|path| path.display().to_string()),
            ..Report::default()
        };
        let terms = match Terms::of(task, usual(options)) {
            Ok(terms) => terms,
            Err(why) => return self.block(holder, &why, &report),
        };
        let job = job(task, holder);
        if terms.lease != options.lease {
            let renewed = self
                .app
                .surely(|app| app.heartbeat(holder, Some(terms.lease)));
            match renewed {
                Ok(renewed) => assignment
                    .claim
                    .renewed(terms.lease, renewed.lease_expires_at),
                Err(error) => return Err(self.give_up_loop(holder, report, error)?),
            }
        }
        let input = options.host.input(&assignment);
        let bench = match options.workplace.open(&job, &input) {
            Ok(bench) => bench,
            Err(error) => return Err(self.give_up_loop(holder, report, workplace(error))?),
        };
        let spec = command(options, holder, &bench, input, terms, log);
        let mut work = Work {
            assignment: &assignment,
            holder,
            job: &job,
            bench: &bench,
            verify: VerifyOptions {
                folder: bench.folder.clone(),
                ..options.verify.clone()
            },
            report,
            notes,
        };
        let mut pulse = Pulse::new(self, holder, terms.lease);
        let ended = match self.runner.start(&spec) {
            Ok(mut running) => supervise(running.as_mut(), &mut pulse),
            Err(error) => {
                let report = std::mem::take(&mut work.report);
                Err(self.give_up_loop(holder, report, error.into())?)
            }
        };
        let judged = match ended {
            Ok(Ended::Stale) => Ok((Finish::Elsewhere, None)),
            Ok(Ended::Stopped) => self.stopped(&work),
            Ok(Ended::Exited(exit)) => self.judge_or_report(&mut work, &mut pulse, &exit),
            Err(error) => Err(error),
        };
        let how = match &judged {
            Ok((Finish::Completed, _)) => Leaving::Done,
            _ => Leaving::Undone,
        };
        match (judged, options.workplace.leave(&job, &bench, how)) {
            (Ok(judged), left) => left.map_err(workplace).map(|()| judged),
            (Err(error), _) => Err(error),
        }
    }

    /// Judges an attempt; one that its worker has ended itself keeps what is known about its process.
    fn judge_or_report(
        &self,
        work: &mut Work<'_>,
        pulse: &mut Pulse<'_>,
        exit: &Exit,
    ) -> Result<Judged, AppError> {
        let judged = self.judge(work, pulse, exit);
        if let Err(AppError::Refused {
            why: Refusal::StaleClaim,
            ..
        }) = &judged
        {
            let (holder, report) = (work.holder, &work.report);
            self.app.surely(|app| app.report_late(holder, report))?;
        }
        judged
    }

    /// Gives a task back because of something that is wrong with the loop and not with the task: nothing is charged, and
    /// the loop ends with the reason.
    fn give_up_loop(
        &self,
        holder: &HolderRef,
        report: Report,
        error: AppError,
    ) -> Result<AppError, AppError> {
        match self.give_back(holder, report, Some(stopped_text())) {
            Ok(_) | Err(AppError::Refused { .. } | AppError::NotFound { .. }) => Ok(error),
            Err(unwritten) => Err(unwritten),
        }
    }

    /// Runs again what passed before a task was completed and may have been touched.
    fn look_for_regressions(&self, id: &TaskId, notes: &Sender<Note>) -> Result<(), AppError> {
        let mut until = UntilStopped(self);
        let looked =
            self.in_whole(|verify| self.app.regress_while(id, self.runner, verify, &mut until))?;
        if !looked.passed() {
            let event = RunEvent::Regressed {
                by: id.clone(),
                reopened: looked.reopened,
                broken: looked.broken,
            };
            say(notes, event);
        }
        Ok(())
    }

    /// Runs a feature's own test cases when the last of its tasks has been completed.
    fn verify_feature(&self, id: &FeatureId) -> Result<(), AppError> {
        let waits = self.app.store.read(|tx| {
            let counts = tx.task_counts(&tasq_domain::ready::Scope::Feature(id.clone()))?;
            let tests = tx.tests_of(&tasq_domain::TestOwner::Feature(id.clone()))?;
            let open = tests
                .iter()
                .any(|test| test.command.is_some() && test.status != TestStatus::Passing);
            Ok::<_, AppError>(open && counts.completed == counts.total())
        })?;
        if waits {
            let (id, mut until) = (AnyId::Feature(id.clone()), UntilStopped(self));
            self.in_whole(|verify| {
                self.app.run_tests(&id, self.runner, verify, &mut until)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Does something in a place that has all that was finished.
    fn in_whole<T>(
        &self,
        body: impl FnOnce(&VerifyOptions) -> Result<T, AppError>,
    ) -> Result<T, AppError> {
        let workplace = self.options.workplace;
        let bench = workplace.open_whole()?;
        let done = body(&VerifyOptions {
            folder: bench.folder.clone(),
            ..self.options.verify.clone()
        });
        let left = workplace.leave_whole(&bench);
        let done = done?;
        left?;
        Ok(done)
    }
}

/// What a task that was given back because the loop stopped says about it.
pub(super) fn stopped_text() -> Reason {
    Reason::new(tasq_domain::worker::LOOP_STOPPED).expect("a word is a reason")
}

pub(super) fn say(notes: &Sender<Note>, event: RunEvent) {
    // Nobody listens only when the loop has ended.
    let _ = notes.send(Note::Event(Box::new(event)));
}

fn workplace(error: WorkplaceError) -> AppError {
    AppError::Workplace(error)
}

fn usual(options: &RunOptions<'_>) -> Terms {
    Terms {
        timeout: options.timeout,
        idle_timeout: options.idle_timeout,
        lease: options.lease,
    }
}

/// Waits for the command's end, renewing the lease at a third of it.
fn supervise(running: &mut dyn Running, pulse: &mut Pulse<'_>) -> Result<Ended, AppError> {
    loop {
        if let Some(exit) = running.wait(pulse.until_next())? {
            return Ok(Ended::Exited(exit));
        }
        let look = pulse.take();
        match look {
            Ok(Look::On) => (),
            Ok(Look::Stop) => {
                running.stop()?;
                return Ok(Ended::Stopped);
            }
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

fn job(task: &Task, holder: &HolderRef) -> Job {
    Job {
        task: task.id.clone(),
        title: task.description.title().to_owned(),
        token: holder.token,
    }
}

fn command(
    options: &RunOptions<'_>,
    holder: &HolderRef,
    bench: &Bench,
    stdin: Vec<u8>,
    terms: Terms,
    log: Option<PathBuf>,
) -> CommandSpec {
    let own = [
        ("TASQ_STORE", options.store.clone()),
        ("TASQ_TASK", holder.task.as_str().to_owned()),
        ("TASQ_TOKEN", holder.token.to_string()),
        ("TASQ_ATTEMPT", holder.token.attempt.to_string()),
        ("TASQ_WORKER", options.worker.as_str().to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    CommandSpec {
        argv: options.command.clone(),
        env: own.into_iter().chain(bench.env.clone()).collect(),
        stdin,
        folder: bench.folder.clone(),
        log,
        label: holder.task.as_str().to_owned(),
        limits: Limits {
            time: terms.timeout,
            silence: terms.idle_timeout,
            ..Limits::default()
        },
    }
}

impl App<'_> {
    /// What is to be proven, judged before anything is kept or completed.
    pub(super) fn provable(&self, holder: &HolderRef) -> Result<(), AppError> {
        self.store.read(|tx| {
            let record = tx
                .task(&holder.task)?
                .ok_or_else(|| AppError::not_found(&(&holder.task).into()))?;
            let refused = |why| AppError::refused(&holder.task, why);
            tasq_domain::life::holder(&record.task, holder.token).map_err(refused)?;
            let tests = tx.tests_of(&tasq_domain::TestOwner::Task(holder.task.clone()))?;
            let gate = if tx.settings()?.require_tests {
                tasq_domain::life::Gate::TestsRequired
            } else {
                tasq_domain::life::Gate::TestsOptional
            };
            let attempt = Some(holder.token.attempt);
            tasq_domain::life::proof_of(&tests, attempt, gate, None).map_err(refused)?;
            Ok(())
        })
    }
}
