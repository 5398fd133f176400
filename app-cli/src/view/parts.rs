//! The small shapes that the others are made of.

use std::time::Duration;

use tasq_domain::{
    Attempt, AttemptEnd, Checkpoint, Claim, Event, Hold, JsonObject, Proof, Reason, Status,
    StatusCounts, TestResult, TestStatus, Timestamp,
};
use tasq_formats::json::{Document, Written, WrittenObject};
use tasq_formats::time::{Rfc3339, to_rfc3339_clamped};

use crate::output::Tone;

/// An instant in RFC 3339.
pub(crate) const fn time(at: Timestamp) -> Rfc3339 {
    Rfc3339(at.micros())
}

/// An instant for people: to the second.
pub(crate) fn short_time(at: Timestamp) -> String {
    const MICROS: i64 = 1_000_000;
    to_rfc3339_clamped(at.micros().div_euclid(MICROS).saturating_mul(MICROS))
}

/// A user's JSON object as it is.
pub(crate) fn verbatim(object: &JsonObject) -> Written {
    if object.as_str() == "{}" {
        return WrittenObject::new().into();
    }
    // What is not JSON after all (a hand edit) is shown as the text it is rather than hidden.
    Document::parse(object.as_str().as_bytes()).map_or_else(
        |_| Written::of(object.as_str()),
        |document| Written::of(document.value()),
    )
}

pub(crate) fn hold(hold: &Hold) -> Written {
    let Hold { by, reason, at } = hold;
    WrittenObject::new()
        .with("by", by.as_str())
        .with("reason", reason.as_str())
        .with("at", time(*at))
        .into()
}

pub(crate) fn counts(counts: StatusCounts) -> Written {
    let StatusCounts {
        pending,
        in_progress,
        completed,
        blocked,
    } = counts;
    WrittenObject::new()
        .with("pending", pending)
        .with("in_progress", in_progress)
        .with("completed", completed)
        .with("blocked", blocked)
        .with("total", counts.total())
        .into()
}

pub(crate) fn claim(claim: &Claim) -> Written {
    let Claim {
        worker,
        token,
        started_at,
        lease: _,
        lease_expires_at,
        cancel: _,
        process: _,
    } = claim;
    WrittenObject::new()
        .with("worker", worker.as_str())
        .with("token", token.to_string())
        .with("attempt", token.attempt)
        .with("started_at", time(*started_at))
        .with("lease_expires_at", time(*lease_expires_at))
        .into()
}

/// Who insisted on a completion, and why.
pub(crate) fn word_given(proof: &Proof) -> Option<WrittenObject> {
    match proof {
        Proof::Override { by, reason } => Some(
            WrittenObject::new()
                .with("by", by.as_str())
                .with("reason", reason.as_str()),
        ),
        Proof::Tests | Proof::Unproven | Proof::Imported => None,
    }
}

pub(crate) fn test_result(result: &TestResult) -> Written {
    let TestResult {
        at,
        attempt: _,
        exit_code,
        duration_ms,
        output_tail,
        by,
    } = result;
    WrittenObject::new()
        .with("at", time(*at))
        .with("exit_code", *exit_code)
        .with("duration_ms", *duration_ms)
        .with("output_tail", output_tail.as_deref())
        .with("by", by.as_str())
        .into()
}

pub(crate) fn attempt(attempt: &Attempt) -> Written {
    let Attempt {
        task: _,
        token,
        worker,
        started_at,
        end,
        late_message,
        log_path,
        result,
    } = attempt;
    let (ended_at, outcome, exit_code, message) = match end {
        Some(AttemptEnd {
            at,
            outcome,
            exit_code,
            message,
        }) => (
            Some(time(*at)),
            Some(outcome.as_str()),
            *exit_code,
            message.as_ref(),
        ),
        None => (None, None, None, None),
    };
    WrittenObject::new()
        .with("attempt", token.attempt)
        .with("worker", worker.as_str())
        .with("started_at", time(*started_at))
        .with("ended_at", ended_at)
        .with("outcome", outcome)
        .with("exit_code", exit_code)
        .with("message", message.map(Reason::as_str))
        .with("late_message", late_message.as_ref().map(Reason::as_str))
        .with("log_path", log_path.as_deref())
        .with("result", result.as_ref().map(verbatim))
        .into()
}

pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> Written {
    let Checkpoint {
        seq,
        task,
        attempt,
        at,
        summary,
        next_steps,
        data,
    } = checkpoint;
    WrittenObject::new()
        .with("seq", *seq)
        .with("task_id", task.as_str())
        .with("attempt", *attempt)
        .with("at", time(*at))
        .with("summary", summary.as_str())
        .with_list("next_steps", next_steps.iter().map(String::as_str))
        .with("data", data.as_ref().map(verbatim))
        .into()
}

pub(crate) fn event(event: &Event) -> Written {
    let Event {
        seq,
        at,
        actor,
        kind,
        entity,
        data,
    } = event;
    WrittenObject::new()
        .with("seq", *seq)
        .with("at", time(*at))
        .with("actor", actor.as_str())
        .with("kind", kind.as_str())
        .with("entity", entity.to_string())
        .with("data", verbatim(data))
        .into()
}

/// What a status looks like.
pub(crate) const fn tone(status: Status) -> Tone {
    match status {
        Status::Pending => Tone::Plain,
        Status::InProgress => Tone::Busy,
        Status::Completed => Tone::Good,
        Status::Blocked => Tone::Bad,
    }
}

/// One character for a status.
pub(crate) const fn mark(status: Status) -> &'static str {
    match status {
        Status::Pending => "○",
        Status::InProgress => "◐",
        Status::Completed => "●",
        Status::Blocked => "✗",
    }
}

pub(crate) const fn test_tone(status: TestStatus) -> Tone {
    match status {
        TestStatus::Pending => Tone::Plain,
        TestStatus::Passing => Tone::Good,
        TestStatus::Failing => Tone::Bad,
    }
}

/// `3/10 completed, 1 blocked`.
pub(crate) fn counts_in_words(counts: StatusCounts) -> String {
    let StatusCounts {
        pending: _,
        in_progress,
        completed,
        blocked,
    } = counts;
    let mut text = format!("{completed}/{} completed", counts.total());
    for (count, word) in [(in_progress, "in progress"), (blocked, "blocked")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// A span in whole milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
