//! Claims, results, reasons, events, and what the loop tells.

use std::time::Duration;

use tasq_app::{
    Assignment, ClaimView, Completed, DependencyResult, Finish, Heartbeat, Item, LastFailure,
    Limit, ReasonView, RunEnd, RunEvent, RunSummary, Tally, TaskDetail, TaskView, Unfinished,
    Verified, Why,
};
use tasq_domain::ready::NotReady;
use tasq_domain::{Attempt, Checkpoint, Event, Proof, Reason, TestStatus};
use tasq_formats::json::{Written, WrittenObject};

use super::items::{task_json, task_with_attempts, test_json};
use super::parts::{
    checkpoint, counts, counts_in_words, event, millis, short_time, time, verbatim, word_given,
};
use super::question::{newest_answer, question_json, question_lines};
use crate::duration;
use crate::output::{Text, Tone, View};

impl View for Item {
    fn json(&self) -> Written {
        match self {
            Self::Epic(view) => view.json(),
            Self::Feature(view) => view.json(),
            Self::Task(view) => view.json(),
            Self::Test(test) => test.json(),
        }
    }

    fn text(&self, text: &mut Text) {
        match self {
            Self::Epic(view) => view.text(text),
            Self::Feature(view) => view.text(text),
            Self::Task(view) => view.text(text),
            Self::Test(test) => test.text(text),
        }
    }
}

impl View for ClaimView {
    fn json(&self) -> Written {
        claim_json(self).into()
    }

    fn text(&self, text: &mut Text) {
        self.task.text(text);
        text.field("token", &self.token.to_string());
        text.field("lease until", &short_time(self.lease_expires_at));
        if let Some(LastFailure {
            attempt,
            outcome,
            message,
            ..
        }) = &self.last_failure
        {
            text.field(
                "last failure",
                &format!("attempt {attempt} {}", outcome.as_str()),
            );
            text.block("  ", message.as_ref().map_or("", Reason::as_str));
        }
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.text(text);
        }
        for question in &self.questions {
            question_lines(text, question);
        }
    }
}

fn claim_json(view: &ClaimView) -> WrittenObject {
    let ClaimView {
        task,
        token,
        lease_expires_at,
        last_failure,
        checkpoint: note,
        questions,
    } = view;
    WrittenObject::new()
        .with("task", task_json(task))
        .with("token", token.to_string())
        .with("attempt", token.attempt)
        .with("lease_expires_at", time(*lease_expires_at))
        .with("last_failure", last_failure.as_ref().map(failure_json))
        .with("checkpoint", note.as_ref().map(checkpoint))
        .with_list("questions", questions.iter().map(question_json))
        .with("answer", newest_answer(questions))
}

fn failure_json(failure: &LastFailure) -> Written {
    let LastFailure {
        attempt,
        outcome,
        message,
        exit_code,
        at,
    } = failure;
    WrittenObject::new()
        .with("attempt", *attempt)
        .with("outcome", outcome.as_str())
        .with("message", message.as_ref().map(Reason::as_str))
        .with("exit_code", *exit_code)
        .with("at", time(*at))
        .into()
}

/// What a worker reads about its task: the task, its test cases, what earlier attempts left, and what came of the tasks
/// that it depends on.
pub(crate) fn worker_input(assignment: &Assignment) -> Written {
    let Assignment {
        claim,
        tests,
        dependencies,
        ..
    } = assignment;
    let ClaimView {
        task,
        token,
        lease_expires_at,
        last_failure,
        checkpoint: note,
        questions,
    } = claim;
    task_json(task)
        .with("attempt", token.attempt)
        .with("lease_expires_at", time(*lease_expires_at))
        .with_list("tests", tests.iter().map(test_json))
        .with("last_failure", last_failure.as_ref().map(failure_json))
        .with("checkpoint", note.as_ref().map(checkpoint))
        .with_list("questions", questions.iter().map(question_json))
        .with("answer", newest_answer(questions))
        .with_list("dependencies", dependencies.iter().map(result_json))
        .into()
}

fn result_json(result: &DependencyResult) -> Written {
    let DependencyResult {
        task,
        title,
        status,
        summary,
        result,
    } = result;
    WrittenObject::new()
        .with("id", task.as_str())
        .with("title", title.as_str())
        .with("status", status.as_str())
        .with("summary", summary.as_ref().map(Reason::as_str))
        .with("result", result.as_ref().map(verbatim))
        .into()
}

/// Several claims.
pub(crate) struct Claims(pub(crate) Vec<ClaimView>);

impl View for Claims {
    fn json(&self) -> Written {
        self.0.iter().map(claim_json).collect()
    }

    fn text(&self, text: &mut Text) {
        for claim in &self.0 {
            claim.text(text);
        }
    }
}

/// A lease that was extended.
pub(crate) struct Beat(pub(crate) Heartbeat);

impl View for Beat {
    fn json(&self) -> Written {
        let Heartbeat {
            lease_expires_at,
            cancel_requested,
        } = self.0;
        WrittenObject::new()
            .with("lease_expires_at", time(lease_expires_at))
            .with("cancel_requested", cancel_requested)
            .into()
    }

    fn text(&self, text: &mut Text) {
        text.field("lease until", &short_time(self.0.lease_expires_at));
        if self.0.cancel_requested {
            text.paint(Tone::Bad, "you are asked to stop: release the task")
                .end();
        }
    }
}

impl View for Checkpoint {
    fn json(&self) -> Written {
        checkpoint(self)
    }

    fn text(&self, text: &mut Text) {
        text.field(
            "checkpoint",
            &format!("attempt {}, {}", self.attempt, short_time(self.at)),
        );
        text.block("  ", self.summary.as_str());
        for step in &self.next_steps {
            text.push("  next: ").line(step);
        }
    }
}

/// A task that was completed, and the claim of the next.
pub(crate) struct Completion(pub(crate) Completed);

impl View for Completion {
    fn json(&self) -> Written {
        let Completed { task, next } = &self.0;
        WrittenObject::new()
            .with("task", task_json(task))
            .with("next", next.as_ref().map(claim_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        self.0.task.text(text);
        if let Some(next) = &self.0.next {
            next.text(text);
        }
    }
}

/// A task with everything that belongs to it; `attempts` lists them here, where a task alone has only their number.
pub(crate) struct Detail(pub(crate) TaskDetail);

impl View for Detail {
    fn json(&self) -> Written {
        let TaskDetail {
            task,
            tests,
            attempts,
            checkpoints,
            questions,
        } = &self.0;
        let proof = task.record.task.proof.as_ref();
        task_with_attempts(task, Some(attempts))
            .with("override", proof.and_then(word_given))
            .with_list("tests", tests.iter().map(test_json))
            .with_list("checkpoints", checkpoints.iter().map(checkpoint))
            .with_list("questions", questions.iter().map(question_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let TaskDetail {
            task: view,
            tests,
            attempts,
            checkpoints,
            questions,
        } = &self.0;
        facts(text, view);
        for test in tests {
            text.paint(Tone::Faint, &format!("{:<14}", "test"));
            test.text(text);
            let failed = test
                .last
                .as_ref()
                .filter(|_| test.status == TestStatus::Failing);
            text.block(
                "    ",
                failed
                    .and_then(|last| last.output_tail.as_deref())
                    .unwrap_or(""),
            );
        }
        for attempt in attempts {
            attempt_line(text, attempt);
        }
        for checkpoint in checkpoints {
            checkpoint.text(text);
        }
        for question in questions {
            question_lines(text, question);
        }
    }
}

fn facts(text: &mut Text, view: &TaskView) {
    let task = &view.record.task;
    view.text(text);
    text.block("    ", task.description.as_str());
    text.field("feature", task.feature.as_str());
    if let Some(epic) = &view.record.epic {
        text.field("epic", epic.as_str());
    }
    text.field(
        "retries",
        &format!(
            "{} of {} used",
            task.retries_used,
            task.retry_budget.number()
        ),
    );
    if let Some(proof) = &task.proof {
        let word = match proof {
            Proof::Override { by, reason } => format!("override by {by}: {reason}"),
            Proof::Tests | Proof::Unproven | Proof::Imported => proof.as_str().to_owned(),
        };
        text.field("proof", &word);
    }
    for on in &view.depends_on {
        let open = if view.waits_for.contains(on) {
            ""
        } else {
            " (completed)"
        };
        text.field("depends on", &format!("{on}{open}"));
    }
    text.field("created", &short_time(task.created_at));
    text.field("updated", &short_time(task.updated_at));
    if let Some(at) = task.completed_at {
        text.field("completed", &short_time(at));
    }
    if !task.metadata.is_empty() {
        text.field("metadata", task.metadata.as_str());
    }
}

fn attempt_line(text: &mut Text, attempt: &Attempt) {
    let how = match &attempt.end {
        None => "open".to_owned(),
        Some(end) => format!(
            "{} after {}",
            end.outcome.as_str(),
            duration::shown(end.at.since(attempt.started_at))
        ),
    };
    text.field(
        "attempt",
        &format!("{} by {}, {how}", attempt.token.attempt, attempt.worker),
    );
    let message = attempt.end.as_ref().and_then(|end| end.message.as_ref());
    text.block("    ", message.map_or("", Reason::as_str));
    if let Some(late) = &attempt.late_message {
        text.push("    late: ")
            .line(late.as_str().lines().next().unwrap_or_default());
    }
    if let Some(path) = &attempt.log_path {
        text.push("    log: ").line(path);
    }
}

/// Why a task is not handed out.
pub(crate) struct Reasons(pub(crate) Why);

impl View for Reasons {
    fn json(&self) -> Written {
        let Why { task: _, reasons } = &self.0;
        let list = reasons.iter().map(|ReasonView { reason, text, by }| {
            WrittenObject::new()
                .with("code", reason.as_str())
                .with("text", text.as_str())
                .with("by", by.as_deref())
        });
        WrittenObject::new()
            .with("ready", reasons.is_empty())
            .with_list("reasons", list)
            .into()
    }

    fn text(&self, text: &mut Text) {
        let Why { task, reasons } = &self.0;
        task.text(text);
        if reasons.is_empty() {
            text.paint(Tone::Good, "  it is ready").end();
        }
        for reason in reasons {
            text.push("  ").line(&reason.text);
        }
    }
}

/// Test cases that were run.
pub(crate) struct Tests(pub(crate) Verified);

impl View for Tests {
    fn json(&self) -> Written {
        let Verified { passed, tests } = &self.0;
        WrittenObject::new()
            .with("passed", *passed)
            .with_list("tests", tests.iter().map(test_json))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let Verified { passed, tests } = &self.0;
        for test in tests {
            test.text(text);
            let failed = test
                .last
                .as_ref()
                .filter(|_| test.status == TestStatus::Failing);
            text.block(
                "    ",
                failed
                    .and_then(|last| last.output_tail.as_deref())
                    .unwrap_or(""),
            );
        }
        match (passed, tests.is_empty()) {
            (_, true) => text.line("there are no test cases"),
            (true, false) => text.paint(Tone::Good, "passed").end(),
            (false, false) => text.paint(Tone::Bad, "not passed").end(),
        }
    }
}

impl View for Event {
    fn json(&self) -> Written {
        event(self)
    }

    fn text(&self, text: &mut Text) {
        let Self {
            seq,
            at,
            actor,
            kind,
            entity,
            data,
        } = self;
        text.paint(Tone::Faint, &format!("{seq:>6}  {}  ", short_time(*at)));
        text.push(&format!("{:<16}  ", kind.as_str()))
            .paint(Tone::Strong, &entity.to_string());
        text.push("  ").push(actor.as_str());
        if !data.is_empty() {
            text.push("  ").paint(Tone::Faint, data.as_str());
        }
        text.end();
    }
}

/// What happened.
pub(crate) struct Log(pub(crate) Vec<Event>);

impl View for Log {
    fn json(&self) -> Written {
        self.0.iter().map(event).collect()
    }

    fn text(&self, text: &mut Text) {
        for event in &self.0 {
            event.text(text);
        }
    }
}

/// One thing that the loop did.
pub(crate) struct RunLine<'a>(pub(crate) &'a RunEvent);

impl View for RunLine<'_> {
    fn json(&self) -> Written {
        let object = WrittenObject::new();
        match self.0 {
            RunEvent::Started(claim) => object
                .with("event", "started")
                .with("task", task_json(&claim.task))
                .with("attempt", claim.token.attempt),
            RunEvent::Verifying(task) => object
                .with("event", "verifying")
                .with("task_id", task.as_str()),
            RunEvent::Finished {
                task,
                attempt,
                how,
                took,
            } => {
                let (word, message) = finish(how);
                object
                    .with("event", "finished")
                    .with("task", task_json(task))
                    .with("attempt", *attempt)
                    .with("outcome", word)
                    .with("message", message)
                    .with("duration_ms", millis(*took))
            }
            RunEvent::Regressed {
                by,
                reopened,
                broken,
            } => object
                .with("event", "regressed")
                .with("task_id", by.as_str())
                .with_list("reopened", reopened.iter().map(|id| id.as_str()))
                .with_list("broken", broken.iter().map(|id| id.as_str())),
            RunEvent::Waiting { until } => object
                .with("event", "waiting")
                .with("until", until.map(time)),
            RunEvent::Draining { running } => {
                object.with("event", "draining").with("running", *running)
            }
            RunEvent::Ended { end, tally, took } => {
                let Tally {
                    attempts,
                    completed,
                    failed,
                    released,
                } = *tally;
                object
                    .with("event", "ended")
                    .with("end", end.as_ref().map_or("error", end_word))
                    .with("limit", end.as_ref().and_then(limit_word))
                    .with("attempts", attempts)
                    .with("completed", completed)
                    .with("failed", failed)
                    .with("released", released)
                    .with("duration_ms", millis(*took))
            }
        }
        .into()
    }

    fn text(&self, text: &mut Text) {
        match self.0 {
            RunEvent::Started(claim) => {
                let task = &claim.task.record.task;
                text.paint(Tone::Busy, "▶ ")
                    .paint(Tone::Strong, task.id.as_str())
                    .push("  ");
                text.push(task.description.title());
                if claim.token.attempt > 1 {
                    text.paint(Tone::Faint, &format!("  (attempt {})", claim.token.attempt));
                }
                text.end();
            }
            RunEvent::Verifying(_) => {}
            RunEvent::Finished {
                task,
                attempt: _,
                how,
                took,
            } => {
                let (word, message) = finish(how);
                let (mark, tone) = match how {
                    Finish::Completed => ("✓ ", Tone::Good),
                    Finish::Failed(_) | Finish::Blocked(_) => ("✗ ", Tone::Bad),
                    Finish::Released | Finish::Elsewhere => ("· ", Tone::Plain),
                };
                text.paint(tone, mark)
                    .paint(Tone::Strong, task.record.task.id.as_str());
                text.push(&format!("  {word} after {}", duration::shown(*took)));
                let message = message.and_then(|message| message.lines().next());
                if let Some(message) = message {
                    text.push(": ").push(message);
                }
                text.end();
            }
            RunEvent::Regressed {
                by,
                reopened,
                broken: _,
            } => {
                let names: Vec<&str> = reopened.iter().map(|id| id.as_str()).collect();
                let what = if names.is_empty() {
                    "test cases of its feature".to_owned()
                } else {
                    names.join(", ")
                };
                text.paint(Tone::Bad, "↺ ").paint(Tone::Strong, by.as_str());
                text.push("  broke ").line(&what);
            }
            RunEvent::Waiting { until } => {
                let until =
                    until.map_or_else(String::new, |at| format!(" until {}", short_time(at)));
                text.paint(Tone::Faint, &format!("… nothing is ready, waiting{until}"))
                    .end();
            }
            RunEvent::Draining { running } => {
                let what = format!(
                    "… nothing more is begun; {running} under way, once more stops them now"
                );
                text.paint(Tone::Faint, &what).end();
            }
            // The summary follows.
            RunEvent::Ended { .. } => {}
        }
    }
}

fn finish(how: &Finish) -> (&'static str, Option<&str>) {
    match how {
        Finish::Completed => ("completed", None),
        Finish::Failed(message) => ("failed", Some(message)),
        Finish::Blocked(message) => ("blocked", Some(message)),
        Finish::Released => ("released", None),
        Finish::Elsewhere => ("elsewhere", None),
    }
}

/// What the loop did in all.
pub(crate) struct Summary(pub(crate) RunSummary);

impl View for Summary {
    fn json(&self) -> Written {
        let RunSummary {
            end,
            attempts,
            completed,
            failed,
            released,
            took,
            counts: all,
            unfinished,
        } = &self.0;
        WrittenObject::new()
            .with("end", end_word(end))
            .with("limit", limit_word(end))
            .with("attempts", *attempts)
            .with("completed", *completed)
            .with("failed", *failed)
            .with("released", *released)
            .with("duration_ms", millis(*took))
            .with("counts", counts(*all))
            .with_list("remaining", unfinished.iter().map(|left| Left(left).json()))
            .into()
    }

    fn text(&self, text: &mut Text) {
        let RunSummary {
            end,
            attempts,
            completed,
            failed,
            released,
            took,
            counts: all,
            unfinished,
        } = &self.0;
        let how = match end {
            RunEnd::AllCompleted => "all completed".to_owned(),
            RunEnd::Remaining => "some tasks remain".to_owned(),
            RunEnd::Limit(Limit::Attempts) => "stopped at the limit of attempts".to_owned(),
            RunEnd::Limit(Limit::Time) => "stopped at the limit of time".to_owned(),
            RunEnd::Limit(Limit::Brake(tripped)) => format!("stopped by a brake: {tripped}"),
            RunEnd::Interrupted(signal) => format!("interrupted by signal {signal}"),
        };
        text.paint(Tone::Strong, &how);
        text.line(&format!(
            ": {} in {attempts} {} ({completed} completed, {failed} failed, {released} released), {}",
            counts_in_words(*all),
            if *attempts == 1 { "attempt" } else { "attempts" },
            short(*took)
        ));
        for left in unfinished {
            Left(left).text(text);
        }
    }
}

fn short(took: Duration) -> String {
    duration::shown(took)
}

fn end_word(end: &RunEnd) -> &'static str {
    match end {
        RunEnd::AllCompleted => "all_completed",
        RunEnd::Remaining => "remaining",
        RunEnd::Limit(_) => "limit",
        RunEnd::Interrupted(_) => "interrupted",
    }
}

fn limit_word(end: &RunEnd) -> Option<&'static str> {
    match end {
        RunEnd::Limit(limit) => Some(limit.as_str()),
        _ => None,
    }
}

/// A task that the loop left.
pub(crate) struct Left<'a>(pub(crate) &'a Unfinished);

impl View for Left<'_> {
    fn json(&self) -> Written {
        let Unfinished { task, reasons } = self.0;
        let record = &task.record.task;
        WrittenObject::new()
            .with("id", record.id.as_str())
            .with("title", record.description.title())
            .with("status", record.status.as_str())
            .with(
                "blocked_reason",
                record.blocked_reason.as_ref().map(Reason::as_str),
            )
            .with_list("reasons", reasons.iter().map(NotReady::as_str))
            .into()
    }

    fn text(&self, text: &mut Text) {
        text.push("  ");
        self.0.task.text(text);
    }
}
