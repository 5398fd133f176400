//! Tasks as most are: not on hold, held by nobody, and not completed by a person's word alone. Where a whole queue is read,
//! they are read without the columns that are NULL in all of them, and those that nobody has worked on without what only
//! work sets: each column takes its time, though all that are read come in one piece.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use diesel::sqlite::Sqlite;
use tasq_domain::{Description, FeatureId, Priority, Proof, Reason, RetryBudget, Task, TaskId};

use super::packed::Columns;
use super::task::read_source;
use crate::error::BadRow;
use crate::schema::tasks;

pub(crate) type Condition =
    Box<dyn BoxableExpression<tasks::table, Sqlite, SqlType = Nullable<Bool>>>;

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

/// The columns of a fresh task in one piece, in the order in which [`read`] takes them.
pub(crate) const FRESH: &str = "tasq_pack(id, seq, feature_id, description, retry_budget, \
    created_at, updated_at, metadata, status)";

/// Those of any plain one.
pub(crate) const PLAIN: &str = "tasq_pack(id, seq, feature_id, description, retry_budget, \
    created_at, updated_at, metadata, status, priority, source_origin, source_digest, \
    blocked_reason, retries_used, not_before, attempts, lost_in_a_row, completed_at, proof)";

/// A task from such a piece.
pub(crate) fn read(blob: &[u8]) -> Result<Task, BadRow> {
    let (mut row, id) = Columns::of("tasks", blob)?;
    let reading = row.reading;
    let task = Task {
        id: reading.of("id", TaskId::new(id))?,
        seq: row.number("seq")?,
        feature: reading.of("feature_id", FeatureId::new(row.text("feature_id")?))?,
        description: reading.of("description", Description::new(row.text("description")?))?,
        retry_budget: reading.of(
            "retry_budget",
            RetryBudget::new(row.number("retry_budget")?),
        )?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        metadata: row.metadata()?,
        status: reading.of("status", row.text("status")?.parse())?,
        own_priority: None,
        source: None,
        blocked_reason: None,
        retries_used: 0,
        not_before: None,
        attempts: 0,
        lost_in_a_row: 0,
        completed_at: None,
        proof: None,
        hold: None,
        claim: None,
    };
    if row.is_empty() {
        return Ok(task);
    }
    let task = rest(&mut row, task)?;
    row.end();
    Ok(task)
}

/// What a fresh task has not.
fn rest(row: &mut Columns<'_>, fresh: Task) -> Result<Task, BadRow> {
    let reading = row.reading;
    let Task {
        id,
        seq,
        feature,
        description,
        retry_budget,
        created_at,
        updated_at,
        metadata,
        status,
        hold,
        claim,
        // What it has instead is read.
        own_priority: _,
        source: _,
        blocked_reason: _,
        retries_used: _,
        not_before: _,
        attempts: _,
        lost_in_a_row: _,
        completed_at: _,
        proof: _,
    } = fresh;
    Ok(Task {
        id,
        seq,
        feature,
        description,
        retry_budget,
        created_at,
        updated_at,
        metadata,
        status,
        hold,
        claim,
        own_priority: reading.maybe("priority", row.maybe_number("priority")?, Priority::new)?,
        source: read_source(row)?,
        blocked_reason: reading.maybe(
            "blocked_reason",
            row.maybe_text("blocked_reason")?,
            Reason::new,
        )?,
        retries_used: reading.number("retries_used", row.number("retries_used")?)?,
        not_before: row.maybe_time("not_before")?,
        attempts: reading.number("attempts", row.number("attempts")?)?,
        lost_in_a_row: reading.number("lost_in_a_row", row.number("lost_in_a_row")?)?,
        completed_at: row.maybe_time("completed_at")?,
        proof: match row.maybe_text("proof")? {
            None => None,
            Some("tests") => Some(Proof::Tests),
            Some("none") => Some(Proof::Unproven),
            Some("imported") => Some(Proof::Imported),
            Some(other) => return Err(reading.bad("proof", format!("{other:?} is not a proof"))),
        },
    })
}
