//! What happened: dependencies, attempts, checkpoints, events, operations.

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use tasq_domain::{
    Actor, Attempt, AttemptEnd, Checkpoint, Dependency, EntityKind, Event, EventKind, JsonObject,
    Operation, OperationId, Outcome, Reason, TaskId, Timestamp, Token, Worker,
};

use super::Reading;
use super::task::{nonce_text, read_nonce};
use crate::error::BadRow;
use crate::schema::{attempts, checkpoints, dependencies, events, operations};

/// A dependency.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = dependencies, check_for_backend(Sqlite))]
pub(crate) struct DependencyRow {
    task_id: String,
    depends_on: String,
}

impl DependencyRow {
    pub(crate) fn of(dependency: &Dependency) -> Self {
        let Dependency { task, on } = dependency;
        Self {
            task_id: task.to_string(),
            depends_on: on.to_string(),
        }
    }

    pub(crate) fn read(self) -> Result<Dependency, BadRow> {
        let Self {
            task_id,
            depends_on,
        } = self;
        let reading = Reading {
            table: "dependencies",
            id: &task_id,
        };
        Ok(Dependency {
            task: reading.of("task_id", TaskId::new(task_id.as_str()))?,
            on: reading.of("depends_on", TaskId::new(depends_on))?,
        })
    }
}

/// An attempt; its task, token, worker and start never change.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = attempts, check_for_backend(Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub(crate) struct AttemptRow {
    pub(crate) task_seq: i64,
    pub(crate) number: i64,
    pub(crate) nonce: String,
    pub(crate) worker: String,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) outcome: Option<String>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) message: Option<String>,
    pub(crate) late_message: Option<String>,
    pub(crate) log_path: Option<String>,
    pub(crate) result: Option<String>,
}

impl AttemptRow {
    pub(crate) fn of(attempt: &Attempt, task_seq: i64) -> Self {
        let Attempt {
            task: _,
            token: Token {
                attempt: number,
                nonce,
            },
            worker,
            started_at,
            end,
            late_message,
            log_path,
            result,
        } = attempt;
        let row = Self {
            task_seq,
            number: (*number).into(),
            nonce: nonce_text(*nonce),
            worker: worker.to_string(),
            started_at: started_at.micros(),
            ended_at: None,
            outcome: None,
            exit_code: None,
            message: None,
            late_message: late_message.as_ref().map(Reason::to_string),
            log_path: log_path.clone(),
            result: result.as_ref().map(|result| result.as_str().to_owned()),
        };
        let Some(AttemptEnd {
            at,
            outcome,
            exit_code,
            message,
        }) = end
        else {
            return row;
        };
        Self {
            ended_at: Some(at.micros()),
            outcome: Some(outcome.as_str().to_owned()),
            exit_code: exit_code.map(Into::into),
            message: message.as_ref().map(Reason::to_string),
            ..row
        }
    }

    /// Whether nothing is known yet but that it began.
    pub(crate) const fn is_open(&self) -> bool {
        self.ended_at.is_none()
            && self.outcome.is_none()
            && self.exit_code.is_none()
            && self.message.is_none()
            && self.late_message.is_none()
            && self.log_path.is_none()
            && self.result.is_none()
    }

    pub(crate) fn read(self, task: &TaskId) -> Result<Attempt, BadRow> {
        let Self {
            task_seq: _,
            number,
            nonce,
            worker,
            started_at,
            ended_at,
            outcome,
            exit_code,
            message,
            late_message,
            log_path,
            result,
        } = self;
        let reading = Reading {
            table: "attempts",
            id: task.as_str(),
        };
        let end = match ended_at {
            None => None,
            Some(at) => {
                let word = reading.some("outcome", outcome)?;
                let outcome = Outcome::from_word(&word);
                Some(AttemptEnd {
                    at: Timestamp::from_micros(at),
                    outcome: reading.some("outcome", outcome)?,
                    exit_code: exit_code
                        .map(|code| reading.number("exit_code", code))
                        .transpose()?,
                    message: reading.maybe("message", message, Reason::new)?,
                })
            }
        };
        Ok(Attempt {
            task: task.clone(),
            token: Token {
                attempt: reading.number("number", number)?,
                nonce: read_nonce(reading, "nonce", &nonce)?,
            },
            worker: reading.of("worker", Worker::new(worker))?,
            started_at: Timestamp::from_micros(started_at),
            end,
            late_message: reading.maybe("late_message", late_message, Reason::new)?,
            log_path,
            result: reading.maybe("result", result, JsonObject::new)?,
        })
    }
}

/// A checkpoint; its next steps are a JSON array of texts.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = checkpoints, check_for_backend(Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub(crate) struct CheckpointRow {
    seq: i64,
    task_id: String,
    attempt: i64,
    at: i64,
    summary: String,
    next_steps: String,
    data: Option<String>,
}

impl CheckpointRow {
    pub(crate) fn of(checkpoint: &Checkpoint, seq: i64) -> Self {
        let Checkpoint {
            seq: _,
            task,
            attempt,
            at,
            summary,
            next_steps,
            data,
        } = checkpoint;
        Self {
            seq,
            task_id: task.to_string(),
            attempt: (*attempt).into(),
            at: at.micros(),
            summary: summary.to_string(),
            next_steps: serde_json::to_string(next_steps)
                .expect("texts in a list have a JSON form"),
            data: data.as_ref().map(|data| data.as_str().to_owned()),
        }
    }

    pub(crate) fn read(self) -> Result<Checkpoint, BadRow> {
        let Self {
            seq,
            task_id,
            attempt,
            at,
            summary,
            next_steps,
            data,
        } = self;
        let id = seq.to_string();
        let reading = Reading {
            table: "checkpoints",
            id: &id,
        };
        Ok(Checkpoint {
            seq,
            task: reading.of("task_id", TaskId::new(task_id))?,
            attempt: reading.number("attempt", attempt)?,
            at: Timestamp::from_micros(at),
            summary: reading.of("summary", Reason::new(summary))?,
            next_steps: reading.of("next_steps", serde_json::from_str(&next_steps))?,
            data: reading.maybe("data", data, JsonObject::new)?,
        })
    }
}

/// An event.
#[derive(Queryable, Selectable)]
#[diesel(table_name = events, check_for_backend(Sqlite))]
pub(crate) struct EventRow {
    seq: i64,
    at: i64,
    actor: String,
    kind: String,
    entity_kind: String,
    entity_id: String,
    data: String,
}

impl EventRow {
    pub(crate) const fn seq(&self) -> i64 {
        self.seq
    }

    pub(crate) fn read(self) -> Result<Event, BadRow> {
        let Self {
            seq,
            at,
            actor,
            kind,
            entity_kind,
            entity_id,
            data,
        } = self;
        let id = seq.to_string();
        let reading = Reading {
            table: "events",
            id: &id,
        };
        let kind = EventKind::from_word(&kind)
            .ok_or_else(|| reading.bad("kind", format!("{kind:?} is not a kind of event")))?;
        let entity_kind = EntityKind::from_word(&entity_kind).ok_or_else(|| {
            reading.bad(
                "entity_kind",
                format!("{entity_kind:?} is not a kind of item"),
            )
        })?;
        Ok(Event {
            seq,
            at: Timestamp::from_micros(at),
            actor: reading.of("actor", Actor::new(actor))?,
            kind,
            entity: reading.of("entity_id", entity_kind.id(&entity_id))?,
            data: reading.of("data", JsonObject::new(data))?,
        })
    }
}

/// An operation.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = operations, check_for_backend(Sqlite))]
pub(crate) struct OperationRow {
    seq: i64,
    id: String,
    use_case: String,
    digest: String,
    answer: String,
}

impl OperationRow {
    pub(crate) fn of(operation: &Operation, seq: i64) -> Self {
        let Operation {
            id,
            use_case,
            digest,
            answer,
        } = operation;
        Self {
            seq,
            id: id.to_string(),
            use_case: use_case.clone(),
            digest: digest.clone(),
            answer: answer.clone(),
        }
    }

    pub(crate) fn read(self) -> Result<Operation, BadRow> {
        let Self {
            seq: _,
            id,
            use_case,
            digest,
            answer,
        } = self;
        let reading = Reading {
            table: "operations",
            id: &id,
        };
        Ok(Operation {
            id: reading.of("id", OperationId::new(id.as_str()))?,
            use_case,
            digest,
            answer,
        })
    }
}
