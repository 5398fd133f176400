//! Tasks: what defines one, its life, and what follows for it.

use std::borrow::Cow;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::prelude::*;
use diesel::sql_types::Binary;
use diesel::sqlite::{Sqlite, SqliteValue};
use tasq_domain::{
    Actor, CancelRequest, Claim, Description, EpicId, FeatureId, Hold, Priority, Process, Proof,
    Reason, RetryBudget, Source, Status, Task, TaskId, TaskRecord, Timestamp, Token, Worker,
};

use super::packed::Columns;
use super::{HoldColumns, Reading, micros, source_columns};
use crate::error::BadRow;
use crate::schema::tasks;

/// What defines a task.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = tasks)]
#[diesel(primary_key(seq, id, created_at))]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct TaskRow {
    seq: i64,
    id: String,
    feature_id: String,
    description: String,
    priority: Option<i64>,
    retry_budget: i64,
    hold_by: Option<String>,
    hold_reason: Option<String>,
    hold_at: Option<i64>,
    source_origin: Option<String>,
    source_digest: Option<String>,
    created_at: i64,
    metadata: String,
}

/// What a step of its life changes; of a task that is at hand, its texts as they lie there.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = tasks)]
#[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct LifeRow<'a> {
    pub(super) updated_at: i64,
    pub(super) status: Cow<'a, str>,
    pub(super) shelf: i64,
    pub(super) blocked_reason: Option<Cow<'a, str>>,
    pub(super) retries_used: i64,
    pub(super) not_before: Option<i64>,
    pub(super) attempts: i64,
    pub(super) lost_in_a_row: i64,
    pub(super) claim_worker: Option<Cow<'a, str>>,
    pub(super) claim_attempt: Option<i64>,
    pub(super) claim_nonce: Option<Cow<'a, str>>,
    pub(super) claim_started_at: Option<i64>,
    pub(super) claim_lease: Option<i64>,
    pub(super) lease_expires_at: Option<i64>,
    pub(super) claim_place: Option<Cow<'a, str>>,
    pub(super) claim_pid: Option<i64>,
    pub(super) claim_started_ticks: Option<i64>,
    pub(super) cancel_by: Option<Cow<'a, str>>,
    pub(super) cancel_at: Option<i64>,
    pub(super) completed_at: Option<i64>,
    pub(super) proof: Option<Cow<'a, str>>,
    pub(super) proof_by: Option<Cow<'a, str>>,
    pub(super) proof_reason: Option<Cow<'a, str>>,
}

/// The columns of a task in one piece, in the order in which [`read`] takes them. Their plain names are words of SQL to
/// nobody, and take SQLite half as long to read as those with their table and in quotes.
macro_rules! whole_task {
    () => {
        "tasq_pack(id, seq, feature_id, description, priority, retry_budget, hold_by, hold_reason, hold_at, \
         source_origin, source_digest, created_at, metadata, updated_at, status, blocked_reason, retries_used, \
         not_before, attempts, lost_in_a_row, claim_nonce, claim_worker, claim_attempt, claim_started_at, claim_lease, \
         lease_expires_at, claim_place, claim_pid, claim_started_ticks, cancel_by, cancel_at, completed_at, proof, \
         proof_by, proof_reason, epic_id, effective_priority, open_deps, held_above)"
    };
}

pub(crate) use whole_task;

/// That as an expression.
pub(crate) const WHOLE_TASK: &str = whole_task!();

/// All of a task as it was read from such a piece; or what is wrong with its row.
#[derive(Debug, FromSqlRow)]
pub(crate) struct StoredTask(pub(crate) Result<TaskRecord, BadRow>);

impl FromSql<Binary, Sqlite> for StoredTask {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(read(value.read_blob())))
    }
}

impl TaskRow {
    pub(crate) fn of(task: &Task, seq: i64) -> Self {
        let Task {
            seq: _,
            id,
            feature,
            description,
            own_priority,
            retry_budget,
            hold,
            source,
            metadata,
            created_at,
            // The rest is in `LifeRow`.
            updated_at: _,
            status: _,
            blocked_reason: _,
            retries_used: _,
            not_before: _,
            attempts: _,
            lost_in_a_row: _,
            claim: _,
            completed_at: _,
            proof: _,
        } = task;
        let HoldColumns { by, reason, at } = HoldColumns::of(hold.as_ref());
        let (source_origin, source_digest) = source_columns(source.as_ref());
        Self {
            seq,
            id: id.to_string(),
            feature_id: feature.to_string(),
            description: description.to_string(),
            priority: own_priority.map(|priority| priority.number().into()),
            retry_budget: retry_budget.number().into(),
            hold_by: by,
            hold_reason: reason,
            hold_at: at,
            source_origin,
            source_digest,
            created_at: created_at.micros(),
            metadata: metadata.as_str().to_owned(),
        }
    }
}

impl<'a> LifeRow<'a> {
    pub(crate) fn of(task: &'a Task) -> Self {
        let Task {
            updated_at,
            status,
            blocked_reason,
            retries_used,
            not_before,
            attempts,
            lost_in_a_row,
            claim,
            completed_at,
            proof,
            // The rest is in `TaskRow`.
            seq: _,
            id: _,
            feature: _,
            description: _,
            own_priority: _,
            retry_budget: _,
            hold: _,
            source: _,
            metadata: _,
            created_at: _,
        } = task;
        let (proof_by, proof_reason) = match proof {
            Some(Proof::Override { by, reason }) => {
                (Some(by.as_str().into()), Some(reason.as_str().into()))
            }
            Some(Proof::Tests | Proof::Unproven | Proof::Imported) | None => (None, None),
        };
        let row = Self {
            updated_at: updated_at.micros(),
            status: status.as_str().into(),
            shelf: shelf(*status),
            blocked_reason: blocked_reason.as_ref().map(|reason| reason.as_str().into()),
            retries_used: (*retries_used).into(),
            not_before: not_before.map(Timestamp::micros),
            attempts: (*attempts).into(),
            lost_in_a_row: (*lost_in_a_row).into(),
            claim_worker: None,
            claim_attempt: None,
            claim_nonce: None,
            claim_started_at: None,
            claim_lease: None,
            lease_expires_at: None,
            claim_place: None,
            claim_pid: None,
            claim_started_ticks: None,
            cancel_by: None,
            cancel_at: None,
            completed_at: completed_at.map(Timestamp::micros),
            proof: proof.as_ref().map(|proof| proof.as_str().into()),
            proof_by,
            proof_reason,
        };
        match claim {
            Some(claim) => row.with_claim(claim),
            None => row,
        }
    }

    fn with_claim(self, claim: &'a Claim) -> Self {
        let Claim {
            worker,
            token: Token { attempt, nonce },
            started_at,
            lease,
            lease_expires_at,
            cancel,
            process,
        } = claim;
        let (cancel_by, cancel_at) = match cancel {
            Some(CancelRequest { by, at }) => (Some(by.as_str().into()), Some(at.micros())),
            None => (None, None),
        };
        let ProcessColumns {
            place,
            pid,
            started_ticks,
        } = ProcessColumns::of(process.as_ref());
        Self {
            claim_worker: Some(worker.as_str().into()),
            claim_attempt: Some((*attempt).into()),
            claim_nonce: Some(nonce_text(*nonce).into()),
            claim_started_at: Some(started_at.micros()),
            claim_lease: Some(micros(*lease)),
            lease_expires_at: Some(lease_expires_at.micros()),
            claim_place: place.map(Cow::Owned),
            claim_pid: pid,
            claim_started_ticks: started_ticks,
            cancel_by,
            cancel_at,
            ..self
        }
    }
}

/// Where the indexes have a task of this status; see the schema.
pub(crate) const fn shelf(status: Status) -> i64 {
    match status {
        Status::Pending => READY,
        Status::InProgress | Status::Completed => STARTED,
        Status::Blocked => BLOCKED,
    }
}

/// The stage of a task that is in progress or completed.
pub(crate) const STARTED: i64 = 0;
/// The stage of a task that is known to be ready; what is pending is on this shelf, ready or not.
pub(crate) const READY: i64 = 1;
/// The stage of a task that is pending, and not known to be ready.
pub(crate) const WAITING: i64 = 2;
/// The stage of a blocked task.
pub(crate) const BLOCKED: i64 = 3;

/// The columns of a claim's process.
#[derive(Default)]
struct ProcessColumns {
    place: Option<String>,
    pid: Option<i64>,
    started_ticks: Option<i64>,
}

impl ProcessColumns {
    fn of(process: Option<&Process>) -> Self {
        let Some(Process {
            place,
            pid,
            started_ticks,
        }) = process
        else {
            return Self::default();
        };
        Self {
            place: Some(place.to_string()),
            pid: Some((*pid).into()),
            // No machine runs for as many ticks as do not fit.
            started_ticks: Some(i64::try_from(*started_ticks).unwrap_or(i64::MAX)),
        }
    }
}

/// The task of such a piece, without what follows for it.
pub(crate) fn read_task(blob: &[u8]) -> Result<Task, BadRow> {
    Ok(read(blob)?.task)
}

fn read(blob: &[u8]) -> Result<TaskRecord, BadRow> {
    let (mut row, id) = Columns::of("tasks", blob)?;
    let reading = row.reading;
    let row = &mut row;
    let task = Task {
        id: reading.of("id", TaskId::new(id))?,
        seq: row.number("seq")?,
        feature: reading.of("feature_id", FeatureId::new(row.text("feature_id")?))?,
        description: reading.of("description", Description::new(row.text("description")?))?,
        own_priority: reading.maybe("priority", row.maybe_number("priority")?, Priority::new)?,
        retry_budget: reading.of(
            "retry_budget",
            RetryBudget::new(row.number("retry_budget")?),
        )?,
        hold: read_hold(row)?,
        source: read_source(row)?,
        created_at: row.time("created_at")?,
        metadata: row.metadata()?,
        updated_at: row.time("updated_at")?,
        status: reading.of("status", row.text("status")?.parse())?,
        blocked_reason: reading.maybe(
            "blocked_reason",
            row.maybe_text("blocked_reason")?,
            Reason::new,
        )?,
        retries_used: reading.number("retries_used", row.number("retries_used")?)?,
        not_before: row.maybe_time("not_before")?,
        attempts: reading.number("attempts", row.number("attempts")?)?,
        lost_in_a_row: reading.number("lost_in_a_row", row.number("lost_in_a_row")?)?,
        claim: read_claim(row)?,
        completed_at: row.maybe_time("completed_at")?,
        proof: read_proof(row)?,
    };
    let record = TaskRecord {
        task,
        epic: reading.maybe("epic_id", row.maybe_text("epic_id")?, EpicId::new)?,
        priority: reading.of(
            "effective_priority",
            Priority::new(row.number("effective_priority")?),
        )?,
        open_dependencies: reading.number("open_deps", row.number("open_deps")?)?,
        held_above: row.number("held_above")? != 0,
    };
    row.end();
    Ok(record)
}

fn read_hold(row: &mut Columns<'_>) -> Result<Option<Hold>, BadRow> {
    let columns = HoldColumns {
        by: row.maybe_text("hold_by")?.map(str::to_owned),
        reason: row.maybe_text("hold_reason")?.map(str::to_owned),
        at: row.maybe_number("hold_at")?,
    };
    row.reading.hold(columns)
}

pub(crate) fn read_source(row: &mut Columns<'_>) -> Result<Option<Source>, BadRow> {
    let origin = row.maybe_text("source_origin")?.map(str::to_owned);
    let digest = row.maybe_text("source_digest")?.map(str::to_owned);
    row.reading.source(origin, digest)
}

fn read_claim(row: &mut Columns<'_>) -> Result<Option<Claim>, BadRow> {
    let nonce = row.maybe_text("claim_nonce")?;
    let worker = row.maybe_text("claim_worker")?;
    let attempt = row.maybe_number("claim_attempt")?;
    let started_at = row.maybe_time("claim_started_at")?;
    let lease = row.maybe_number("claim_lease")?;
    let lease_expires_at = row.maybe_time("lease_expires_at")?;
    let place = row.maybe_text("claim_place")?;
    let pid = row.maybe_number("claim_pid")?;
    let started_ticks = row.maybe_number("claim_started_ticks")?;
    let cancel_by = row.maybe_text("cancel_by")?;
    let cancel_at = row.maybe_time("cancel_at")?;
    let reading = row.reading;
    let Some(nonce) = nonce else {
        return Ok(None);
    };
    let cancel = match (cancel_by, cancel_at) {
        (Some(by), Some(at)) => Some(CancelRequest {
            by: reading.of("cancel_by", Actor::new(by))?,
            at,
        }),
        _ => None,
    };
    let process = match place {
        Some(place) => {
            let pid = reading.some("claim_pid", pid)?;
            let ticks = reading.some("claim_started_ticks", started_ticks)?;
            Some(read_process(reading, place, pid, ticks)?)
        }
        None => None,
    };
    let attempt = reading.some("claim_attempt", attempt)?;
    Ok(Some(Claim {
        worker: reading.of(
            "claim_worker",
            Worker::new(reading.some("claim_worker", worker)?),
        )?,
        token: Token {
            attempt: reading.number("claim_attempt", attempt)?,
            nonce: read_nonce(reading, "claim_nonce", nonce)?,
        },
        started_at: reading.some("claim_started_at", started_at)?,
        lease: reading.span("claim_lease", reading.some("claim_lease", lease)?)?,
        lease_expires_at: reading.some("lease_expires_at", lease_expires_at)?,
        cancel,
        process,
    }))
}

/// A claim's process from its columns.
pub(crate) fn read_process(
    reading: Reading<'_>,
    place: &str,
    pid: i64,
    started_ticks: i64,
) -> Result<Process, BadRow> {
    Ok(Process {
        place: reading.of("claim_place", place.parse())?,
        pid: reading.number("claim_pid", pid)?,
        started_ticks: reading.of("claim_started_ticks", u64::try_from(started_ticks))?,
    })
}

fn read_proof(row: &mut Columns<'_>) -> Result<Option<Proof>, BadRow> {
    let word = row.maybe_text("proof")?;
    let by = row.maybe_text("proof_by")?;
    let reason = row.maybe_text("proof_reason")?;
    let reading = row.reading;
    let Some(word) = word else {
        return Ok(None);
    };
    Ok(Some(match word {
        "tests" => Proof::Tests,
        "none" => Proof::Unproven,
        "imported" => Proof::Imported,
        "override" => {
            let by = reading.some("proof_by", by)?;
            let reason = reading.some("proof_reason", reason)?;
            Proof::Override {
                by: reading.of("proof_by", Actor::new(by))?,
                reason: reading.of("proof_reason", Reason::new(reason))?,
            }
        }
        other => return Err(reading.bad("proof", format!("{other:?} is not a proof"))),
    }))
}

/// A nonce as text: 16 hex digits, because SQLite's numbers are signed and people read the table.
pub(crate) fn nonce_text(nonce: u64) -> String {
    format!("{nonce:016x}")
}

pub(crate) fn read_nonce(
    reading: Reading<'_>,
    column: &'static str,
    text: &str,
) -> Result<u64, BadRow> {
    reading.of(column, u64::from_str_radix(text, 16))
}
