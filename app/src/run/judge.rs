//! What comes of an attempt whose command has ended.

use tasq_domain::life::{FailureKind, Refusal};
use tasq_domain::worker::{Ending, Meaning, meaning};
use tasq_domain::{AnyId, JsonObject, Reason, TestId, TestStatus};
use tasq_formats::json::{Document, Value, to_text};
use tasq_ports::{Exit, Kept, StoreExt};

use super::attempt::{Judged, Pulse, Work, say, stopped_text};
use super::crew::Crew;
use super::said::{self, Said};
use super::{Finish, RunEvent};
use crate::checkpoint::AddCheckpoint;
use crate::claim::WhichTask;
use crate::complete::{CompleteTask, Completed};
use crate::context::HolderRef;
use crate::error::AppError;
use crate::fail::FailTask;
use crate::release::ReleaseTask;
use crate::unit::Report;

/// How much of the output's end goes into a failure message, in characters.
const MESSAGE_TAIL_CHARS: usize = 2_000;
/// How often proven work is brought onto what others did meanwhile before it is given back.
const MOVES: u32 = 20;

impl Crew<'_> {
    /// What a command's end means.
    pub(super) fn judge(
        &self,
        work: &mut Work<'_>,
        pulse: &mut Pulse<'_>,
        exit: &Exit,
    ) -> Result<Judged, AppError> {
        work.report.exit_code = exit.code;
        if exit.end.is_timeout() {
            let text = failure_text(exit, None);
            return self.fail(work, FailureKind::TimedOut, &text);
        }
        let said = match said::read(&exit.output_tail) {
            Ok(said) => said,
            Err(broken) => {
                let text = failure_text(exit, Some(&broken));
                return self.fail(work, FailureKind::Failed, &text);
            }
        };
        work.report.result.clone_from(&said.whole);
        let ending = exit.code.map_or(Ending::Killed, Ending::Code);
        let means = meaning(ending, said.verdict);
        let text = failure_text(exit, said.summary.as_deref());
        if means != Meaning::Prove {
            self.leave_steps(work, &said)?;
        }
        match means {
            Meaning::Failed(kind) => self.fail(work, kind, &text),
            Meaning::GiveBack => {
                let why = said.summary.as_deref().and_then(Reason::lossy);
                self.give_back(work.holder, work.report.clone(), why)
                    .map(alone)
            }
            Meaning::Block => {
                let why = said.summary.as_deref().unwrap_or(&text);
                self.block(work.holder, why, &work.report)
            }
            Meaning::Prove => match &self.options.promise {
                Some(promise) if !exit.output_tail.contains(promise.as_str()) => {
                    let why = format!("its output does not contain {promise:?}, which it promised");
                    self.fail(work, FailureKind::Failed, &failure_text(exit, Some(&why)))
                }
                _ => self.prove(work, pulse, &said),
            },
        }
    }

    /// Keeps what a worker says is to be done next, for the attempt that follows this one.
    fn leave_steps(&self, work: &Work<'_>, said: &Said) -> Result<(), AppError> {
        if said.next_steps.is_empty() {
            return Ok(());
        }
        let summary = said.summary.as_deref().and_then(Reason::lossy);
        let new = AddCheckpoint {
            summary: summary
                .unwrap_or_else(|| Reason::new("what is left").expect("words are a reason")),
            next_steps: said.next_steps.clone(),
            data: None,
        };
        self.app.surely(|app| app.checkpoint(work.holder, &new))?;
        Ok(())
    }

    /// Runs the test cases, keeps the work and completes the task, or fails it naming those that do not pass.
    fn prove(
        &self,
        work: &mut Work<'_>,
        pulse: &mut Pulse<'_>,
        said: &Said,
    ) -> Result<Judged, AppError> {
        let holder = work.holder;
        // A worker that completed its task itself has run the test cases already.
        let task = self.app.item_task(&holder.task)?.record.task;
        tasq_domain::life::holder(&task, holder.token)
            .map_err(|why| AppError::refused(&holder.task, why))?;
        say(work.notes, RunEvent::Verifying(holder.task.clone()));
        let id = AnyId::Task(holder.task.clone());
        let mut moves = 0;
        loop {
            match self.app.run_tests(&id, self.runner, &work.verify, pulse) {
                Ok(true) => (),
                Ok(false) => return self.stopped(work),
                // A command that came while the worker worked is no fault of its own.
                Err(untrusted @ AppError::Untrusted(_)) => {
                    self.stopped(work)?;
                    return Err(untrusted);
                }
                Err(error) => return Err(error),
            }
            match self.app.provable(holder) {
                Err(AppError::Refused { why, item }) => return self.unproven(work, why, &item),
                other => other?,
            }
            match self.options.workplace.keep(work.job, work.bench) {
                Ok(Kept::InPlace) => break,
                Ok(Kept::Commit(commit)) => {
                    work.report.result = Some(with_commit(said.whole.as_ref(), &commit));
                    break;
                }
                Ok(Kept::Moved) if moves < MOVES => moves += 1,
                Ok(Kept::Moved) => {
                    let why = Reason::new("others changed the project each time it was proven");
                    let why = why.expect("words are a reason");
                    return self
                        .give_back(holder, work.report.clone(), Some(why))
                        .map(alone);
                }
                Ok(Kept::Conflict(what)) => return self.block(holder, &what, &work.report),
                Err(error) => {
                    let text = format!("its work could not be kept: {error}");
                    return self.fail(work, FailureKind::Failed, &text);
                }
            }
        }
        self.complete(work, said)
    }

    /// Completes a task, and claims the next one in the same step where nothing speaks against it.
    fn complete(&self, work: &mut Work<'_>, said: &Said) -> Result<Judged, AppError> {
        let claim = &work.assignment.claim.task.record.task.claim;
        let as_usual = claim
            .as_ref()
            .is_some_and(|claim| claim.lease == self.options.lease);
        // The brakes look before each claim, and a feature's own test cases run under no claim, as what looks for
        // regressions does.
        let goes_on = as_usual
            && !self.braking.any()
            && !work.assignment.feature_tests
            && !self.options.regress
            && self.trusts_next()
            && self.reserve().is_ok();
        let summary = match said.summary.as_deref().and_then(Reason::lossy) {
            None => self.app.kept_summary(work.holder)?,
            summary => summary,
        };
        let wanted = CompleteTask {
            task: work.holder.task.clone(),
            token: Some(work.holder.token),
            summary,
            force: None,
            report: work.report.clone(),
            next: goes_on.then(|| self.options.scope.clone()),
        };
        let completed = self.app.surely(|app| app.complete(&wanted));
        if goes_on && !matches!(&completed, Ok(Completed { next: Some(_), .. })) {
            self.unreserve();
        }
        match completed {
            Ok(completed) => Ok((Finish::Completed, completed.next)),
            Err(AppError::Refused { why, item }) => self.unproven(work, why, &item),
            Err(error) => Err(error),
        }
    }

    /// Whether the test cases of what a claim would get may run; if not, the claim itself tells.
    fn trusts_next(&self) -> bool {
        let next = WhichTask::Next(self.options.scope.clone());
        self.app.must_be_trusted_next(&next).is_ok()
    }

    /// A success that nothing proves is a failure.
    fn unproven(&self, work: &Work<'_>, why: Refusal, item: &AnyId) -> Result<Judged, AppError> {
        match why {
            Refusal::NotVerified(open) => {
                let named = self.named(&open)?;
                let text = format!("not proven: {}", named.join("\n"));
                self.fail(work, FailureKind::Failed, &text)
            }
            Refusal::NoTests => {
                let text = format!("not proven: {item} has no test case that could prove it");
                self.fail(work, FailureKind::Permanent, &text)
            }
            why => Err(AppError::Refused {
                why,
                item: item.clone(),
            }),
        }
    }

    /// The test cases with how they stand and what they said.
    fn named(&self, open: &[TestId]) -> Result<Vec<String>, AppError> {
        self.app.store.read(|tx| {
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

    fn fail(&self, work: &Work<'_>, kind: FailureKind, text: &str) -> Result<Judged, AppError> {
        let message = Reason::lossy(text)
            .unwrap_or_else(|| Reason::new("failed").expect("a word is a reason"));
        let failed = FailTask {
            holder: work.holder.clone(),
            kind,
            message,
            report: work.report.clone(),
        };
        self.app.surely(|app| app.fail(&failed))?;
        Ok(alone(Finish::Failed(text.to_owned())))
    }

    pub(super) fn block(
        &self,
        holder: &HolderRef,
        why: &str,
        report: &Report,
    ) -> Result<Judged, AppError> {
        let reason = Reason::lossy(why)
            .unwrap_or_else(|| Reason::new("blocked").expect("a word is a reason"));
        let (task, token) = (&holder.task, Some(holder.token));
        self.app
            .surely(|app| app.block_with(task, token, &reason, false, report))?;
        Ok(alone(Finish::Blocked(why.to_owned())))
    }

    /// Gives back what was stopped. How the command ended then says nothing.
    pub(super) fn stopped(&self, work: &Work<'_>) -> Result<Judged, AppError> {
        let report = Report {
            exit_code: None,
            ..work.report.clone()
        };
        self.give_back(work.holder, report, Some(stopped_text()))
            .map(alone)
    }

    pub(super) fn give_back(
        &self,
        holder: &HolderRef,
        report: Report,
        message: Option<Reason>,
    ) -> Result<Finish, AppError> {
        let released = ReleaseTask {
            holder: holder.clone(),
            not_before: None,
            message,
            report,
        };
        self.app.surely(|app| app.release(&released))?;
        Ok(Finish::Released)
    }
}

const fn alone(finish: Finish) -> Judged {
    (finish, None)
}

/// A worker's report with the commit that its work became.
fn with_commit(whole: Option<&JsonObject>, commit: &str) -> JsonObject {
    let document = whole.and_then(|whole| Document::parse(whole.as_str().as_bytes()).ok());
    let mut object = document
        .and_then(|document| document.value().as_object().cloned())
        .unwrap_or_default();
    object.insert("commit", commit.to_owned());
    JsonObject::new(to_text(&Value::Object(object))).unwrap_or_default()
}

/// How a command ended: its own words first, or the end of its output.
fn failure_text(exit: &Exit, said: Option<&str>) -> String {
    use tasq_ports::End;
    let secs = exit.duration.as_secs();
    let how = match (exit.end, exit.code, exit.signal) {
        (End::Time, ..) => format!("timed out: it was stopped after {secs} s"),
        (End::Silence, ..) => {
            format!("timed out: it was stopped after {secs} s, silent for too long")
        }
        (End::Processes, ..) => "it was stopped: too many processes".to_owned(),
        (_, Some(code), _) => format!("exit code {code}"),
        (_, None, Some(signal)) => format!("ended by signal {signal}"),
        (_, None, None) => "ended without an exit code".to_owned(),
    };
    let words = match said {
        // An exit code that says nothing is wrong does not stand before what is.
        Some(said) if how == "exit code 0" && !said.trim().is_empty() => return said.to_owned(),
        Some(said) => said,
        None => last_chars(&exit.output_tail),
    };
    if words.trim().is_empty() {
        how
    } else {
        format!("{how}\n{words}")
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
