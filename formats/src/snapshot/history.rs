//! Records of what happened: attempts, checkpoints, events and operations, each an object of its own.

use tasq_domain::{
    Actor, AnyId, Attempt, AttemptEnd, Checkpoint, EntityKind, Event, EventKind, Operation,
    OperationId, Outcome, Reason, TaskId, Token, Worker,
};

use super::fields::{FieldError, Json, Reader, Writer, time_text};
use super::own;
pub use super::own::Before;
use crate::json::{JsonError, Node, Object, Value, quoted};

/// The largest number of an event or a checkpoint that is read. A larger one is damage, and would leave no room for those
/// that follow it.
pub const MAX_NUMBER: i64 = 1 << 62;

/// The record of an attempt.
///
/// # Errors
/// If its result is no JSON object.
pub fn attempt(attempt: &Attempt) -> Result<Object, FieldError> {
    let Attempt {
        task,
        token,
        worker,
        started_at,
        end,
        late_message,
        log_path,
        result,
    } = attempt;
    let mut out = Writer::default();
    out.put("task", task.as_str());
    out.put("token", token.to_string());
    out.put("worker", worker.as_str());
    out.put("started_at", time_text(*started_at));
    if let Some(AttemptEnd {
        at,
        outcome,
        exit_code,
        message,
    }) = end
    {
        out.put("ended_at", time_text(*at));
        out.put("outcome", outcome.as_str());
        out.opt("exit_code", *exit_code);
        out.opt("message", message.as_ref().map(Reason::as_str));
    }
    out.opt("late_message", late_message.as_ref().map(Reason::as_str));
    out.opt("log_path", log_path.as_deref());
    out.opt_json(Json::RESULT, result.as_ref(), || AnyId::from(task))?;
    Ok(out.done())
}

/// Reads the record of an attempt.
///
/// # Errors
/// If the shape is wrong; so for the others below.
pub fn read_attempt(node: Node<'_>) -> Result<Attempt, JsonError> {
    let mut from = Reader::new(node)?;
    let ended_at = from.opt_time("ended_at")?;
    let end = match ended_at {
        None => None,
        Some(at) => Some(AttemptEnd {
            at,
            outcome: from.parsed("outcome", |word| {
                Outcome::from_word(word)
                    .ok_or_else(|| format!("{} is not an outcome", quoted(word)))
            })?,
            exit_code: from.opt_i32("exit_code")?,
            message: from.opt_parsed("message", Reason::new)?,
        }),
    };
    Ok(Attempt {
        task: from.parsed("task", TaskId::new)?,
        token: from.parsed("token", str::parse::<Token>)?,
        worker: from.parsed("worker", Worker::new)?,
        started_at: from.time("started_at")?,
        end,
        late_message: from.opt_parsed("late_message", Reason::new)?,
        log_path: from.opt_text("log_path")?,
        result: from.opt_json(Json::RESULT)?,
    })
}

/// Reads the text of an attempt's record quickly, if it is as [`attempt`] writes it and has no result; else `None`, and
/// [`read_attempt`] reads it or says what is wrong.
#[must_use]
pub fn read_own_attempt(text: &str) -> Option<Attempt> {
    own::attempt(text)
}

/// Reads the text of an event's record quickly, as [`read_own_attempt`]. What is as in the event before is shared with it.
#[must_use]
pub fn read_own_event<'t>(text: &'t str, before: &mut Before<'t>) -> Option<Event> {
    own::event(text, before)
}

/// Reads the text of an operation's record quickly, as [`read_own_attempt`].
#[must_use]
pub fn read_own_operation(text: &str) -> Option<Operation> {
    own::operation(text)
}

/// The record of a checkpoint.
///
/// # Errors
/// If its data is no JSON object.
pub fn checkpoint(checkpoint: &Checkpoint) -> Result<Object, FieldError> {
    let Checkpoint {
        seq,
        task,
        attempt,
        at,
        summary,
        next_steps,
        data,
    } = checkpoint;
    let mut out = Writer::default();
    out.put("seq", *seq);
    out.put("task", task.as_str());
    out.put("attempt", *attempt);
    out.put("at", time_text(*at));
    out.put("summary", summary.as_str());
    if !next_steps.is_empty() {
        out.put(
            "next_steps",
            next_steps.iter().map(String::as_str).collect::<Value>(),
        );
    }
    out.opt_json(Json::DATA, data.as_ref(), || AnyId::from(task))?;
    Ok(out.done())
}

/// Reads the record of a checkpoint.
///
/// # Errors
/// As [`read_attempt`].
pub fn read_checkpoint(node: Node<'_>) -> Result<Checkpoint, JsonError> {
    let mut from = Reader::new(node)?;
    let mut next_steps = Vec::new();
    if let Some(list) = from.opt("next_steps") {
        for step in list.array()? {
            next_steps.push(step.str()?.to_owned());
        }
    }
    Ok(Checkpoint {
        seq: from.required("seq")?.i64_in(1..=MAX_NUMBER)?,
        task: from.parsed("task", TaskId::new)?,
        attempt: from.count("attempt")?,
        at: from.time("at")?,
        summary: from.parsed("summary", Reason::new)?,
        next_steps,
        data: from.opt_json(Json::DATA)?,
    })
}

/// The record of an event.
///
/// # Errors
/// If its data is no JSON object.
pub fn event(event: &Event) -> Result<Object, FieldError> {
    let Event {
        seq,
        at,
        actor,
        kind,
        entity,
        data,
    } = event;
    let mut out = Writer::default();
    out.put("seq", *seq);
    out.put("at", time_text(*at));
    out.put("actor", actor.as_str());
    out.put("kind", kind.as_str());
    out.put("entity", entity.kind().as_str());
    out.put("id", entity.as_str());
    out.json(Json::DATA, data, || entity.clone())?;
    Ok(out.done())
}

/// Reads the record of an event.
///
/// # Errors
/// As [`read_attempt`].
pub fn read_event(node: Node<'_>) -> Result<Event, JsonError> {
    let mut from = Reader::new(node)?;
    let entity: EntityKind = from.parsed("entity", |word| {
        EntityKind::from_word(word).ok_or_else(|| format!("{} is not a kind", quoted(word)))
    })?;
    Ok(Event {
        seq: from.required("seq")?.i64_in(1..=MAX_NUMBER)?,
        at: from.time("at")?,
        actor: from.parsed("actor", Actor::new)?,
        kind: from.parsed("kind", |word| {
            EventKind::from_word(word).ok_or_else(|| format!("{} is not an event", quoted(word)))
        })?,
        entity: from.parsed("id", |text| entity.id(text))?,
        data: from.json(Json::DATA)?,
    })
}

/// The record of an operation.
#[must_use]
pub fn operation(operation: &Operation) -> Object {
    let Operation {
        id,
        use_case,
        digest,
        answer,
    } = operation;
    Object::new()
        .with("id", id.as_str())
        .with("use_case", use_case.as_str())
        .with("digest", digest.as_str())
        .with("answer", answer.as_str())
}

/// Reads the record of an operation.
///
/// # Errors
/// As [`read_attempt`].
pub fn read_operation(node: Node<'_>) -> Result<Operation, JsonError> {
    let mut from = Reader::new(node)?;
    Ok(Operation {
        id: from.parsed("id", OperationId::new)?,
        use_case: from.text("use_case")?,
        digest: from.text("digest")?,
        answer: from.text("answer")?,
    })
}
