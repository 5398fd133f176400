//! Tasks as most are: not on hold, held by nobody, and not completed by a person's word alone. They are read without the
//! columns that are NULL in all of them, and those that nobody has worked on without what only work sets: taking columns
//! from SQLite is what reading a whole queue takes most of its time for.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use diesel::sqlite::Sqlite;
use tasq_domain::{
    Description, FeatureId, JsonObject, Priority, Proof, Reason, RetryBudget, Task, TaskId,
    Timestamp,
};

use super::Reading;
use crate::error::BadRow;
use crate::schema::tasks;

/// What such a task has.
#[derive(Queryable, Selectable)]
#[diesel(table_name = tasks, check_for_backend(Sqlite))]
pub(crate) struct PlainTask {
    #[diesel(embed)]
    fresh: FreshTask,
    #[diesel(embed)]
    rest: Rest,
}

/// What one has that is as it was added, without a priority of its own.
#[derive(Queryable, Selectable)]
#[diesel(table_name = tasks, check_for_backend(Sqlite))]
pub(crate) struct FreshTask {
    seq: i64,
    id: String,
    feature_id: String,
    description: String,
    retry_budget: i64,
    created_at: i64,
    updated_at: i64,
    metadata: String,
    status: String,
}

/// What such a one has not.
#[derive(Queryable, Selectable, Default)]
#[diesel(table_name = tasks, check_for_backend(Sqlite))]
pub(crate) struct Rest {
    priority: Option<i64>,
    source_origin: Option<String>,
    source_digest: Option<String>,
    blocked_reason: Option<String>,
    retries_used: i64,
    not_before: Option<i64>,
    attempts: i64,
    lost_in_a_row: i64,
    completed_at: Option<i64>,
    proof: Option<String>,
}

type Condition = Box<dyn BoxableExpression<tasks::table, Sqlite, SqlType = Nullable<Bool>>>;

/// Whether a row is plain. The schema binds the other columns of a hold and of a claim to these.
pub(crate) fn is_plain() -> Condition {
    Box::new(
        tasks::hold_at
            .is_null()
            .and(tasks::claim_nonce.is_null())
            .and(tasks::proof.is_null().or(tasks::proof.ne("override"))),
    )
}

/// Whether a plain row is fresh. A source has both of its columns or none.
pub(crate) fn is_fresh() -> Condition {
    Box::new(
        tasks::attempts
            .eq(0)
            .and(tasks::priority.is_null())
            .and(tasks::source_origin.is_null())
            .and(tasks::completed_at.is_null())
            .and(tasks::proof.is_null())
            .and(tasks::blocked_reason.is_null())
            .and(tasks::not_before.is_null())
            .and(tasks::retries_used.eq(0))
            .and(tasks::lost_in_a_row.eq(0))
            .nullable(),
    )
}

impl FreshTask {
    pub(crate) fn read(self) -> Result<Task, BadRow> {
        let rest = Rest::default();
        PlainTask { fresh: self, rest }.read()
    }
}

impl PlainTask {
    pub(crate) fn read(self) -> Result<Task, BadRow> {
        let Self {
            fresh:
                FreshTask {
                    seq,
                    id,
                    feature_id,
                    description,
                    retry_budget,
                    created_at,
                    updated_at,
                    metadata,
                    status,
                },
            rest:
                Rest {
                    priority,
                    source_origin,
                    source_digest,
                    blocked_reason,
                    retries_used,
                    not_before,
                    attempts,
                    lost_in_a_row,
                    completed_at,
                    proof,
                },
        } = self;
        let reading = Reading {
            table: "tasks",
            id: &id,
        };
        let proof = match proof.as_deref() {
            None => None,
            Some("tests") => Some(Proof::Tests),
            Some("none") => Some(Proof::Unproven),
            Some("imported") => Some(Proof::Imported),
            Some(other) => return Err(reading.bad("proof", format!("{other:?} is not a proof"))),
        };
        Ok(Task {
            seq,
            id: reading.of("id", TaskId::new(id.as_str()))?,
            feature: reading.of("feature_id", FeatureId::new(feature_id))?,
            description: reading.of("description", Description::new(description))?,
            own_priority: reading.maybe("priority", priority, Priority::new)?,
            retry_budget: reading.of("retry_budget", RetryBudget::new(retry_budget))?,
            hold: None,
            source: reading.source(source_origin, source_digest)?,
            metadata: reading.of("metadata", JsonObject::new(metadata))?,
            created_at: Timestamp::from_micros(created_at),
            updated_at: Timestamp::from_micros(updated_at),
            status: reading.of("status", status.parse())?,
            blocked_reason: reading.maybe("blocked_reason", blocked_reason, Reason::new)?,
            retries_used: reading.number("retries_used", retries_used)?,
            not_before: not_before.map(Timestamp::from_micros),
            attempts: reading.number("attempts", attempts)?,
            lost_in_a_row: reading.number("lost_in_a_row", lost_in_a_row)?,
            claim: None,
            completed_at: completed_at.map(Timestamp::from_micros),
            proof,
        })
    }
}
