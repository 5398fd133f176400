//! Tasks by id, by readiness and by lease: the hot path.
//!
//! A claim is one walk along an index of ready tasks. A task that waits for a time is not in it; a write unit first
//! *promotes* those whose time has come, which a peek at the earliest makes nearly free. A read unit cannot write, so
//! it compares two candidates instead.

use std::sync::LazyLock;

use diesel::SqliteConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::Sqlite;
use tasq_domain::ready::{Scope, claim_order, is_ready};
use tasq_domain::{Place, Process, TaskId, TaskRecord, Timestamp};
use tasq_ports::Access;

use super::list::{Boxed, IN_PROGRESS, due, in_scope};
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::task::{StoredTask, read_process};
use crate::schema::tasks;
use crate::statement::{statement, text};

/// What reading all of a task begins with, as Diesel says it: put together once, because its columns are many. Their plain
/// names, which are words of SQL to nobody, take SQLite half as long to read as those with their table and in quotes.
pub(super) static READ_TASK: LazyLock<String> = LazyLock::new(|| {
    text(&tasks::table.select(<StoredTask as SelectableHelper<Sqlite>>::as_select()))
        .replace("`tasks`.", "")
        .replace('`', "")
});
/// The columns of that.
pub(super) type TaskColumns =
    <<StoredTask as Selectable<Sqlite>>::SelectExpression as Expression>::SqlType;

statement! {
    /// A task.
    TaskById { id: &'a str => Text } -> TaskColumns, after READ_TASK = " WHERE id = ?"
}
statement! {
    /// The first ready task of the queue. `not_before` is looked at again because a clock may have gone back, and the
    /// status because `stage` follows from a column that a plain client may have set wrong.
    ReadyInQueue { now: i64 => BigInt } -> TaskColumns, after READ_TASK =
        " INDEXED BY idx_tasks_status \
         WHERE stage = 0 AND status = 'pending' AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY effective_priority, seq LIMIT 1"
}
statement! {
    /// The first ready task of an epic.
    ReadyInEpic { epic: &'a str => Text, now: i64 => BigInt } -> TaskColumns, after READ_TASK =
        " INDEXED BY idx_tasks_epic \
         WHERE epic_id = ? AND stage = 0 AND status = 'pending' AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY effective_priority, seq LIMIT 1"
}
statement! {
    /// The first ready task of a feature.
    ReadyInFeature { feature: &'a str => Text, now: i64 => BigInt } -> TaskColumns, after READ_TASK =
        " INDEXED BY idx_tasks_feature_id \
         WHERE feature_id = ? AND stage = 0 AND status = 'pending' AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY effective_priority, seq LIMIT 1"
}
statement! {
    /// The first ready task of a lane.
    ReadyInLane { feature: &'a str => Text, rank: i64 => BigInt, now: i64 => BigInt } -> TaskColumns, after READ_TASK =
        " INDEXED BY idx_tasks_feature_id \
         WHERE feature_id = ? AND stage = 0 AND effective_priority = ? AND status = 'pending' \
         AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY seq LIMIT 1"
}
statement! {
    /// Whether a waiting task's time has come.
    PeekDue { now: i64 => BigInt } -> BigInt =
        "SELECT 1 FROM tasks INDEXED BY idx_tasks_waits WHERE waits_until <= ? LIMIT 1"
}
statement! {
    /// Makes every waiting task whose time has come a candidate.
    Promote { now: i64 => BigInt } -> () =
        "UPDATE tasks INDEXED BY idx_tasks_waits SET promoted = not_before WHERE waits_until <= ?"
}
statement! {
    /// The claims whose process was seen at a place. The index holds all of it.
    ProcessesAt { place: &'a str => Text } -> (Text, BigInt, BigInt) =
        "SELECT id, claim_pid, claim_started_ticks FROM tasks INDEXED BY idx_tasks_process \
         WHERE claim_place = ? ORDER BY seq"
}

statement! {
    /// Whether a lease has run out.
    PeekExpired { now: i64 => BigInt } -> BigInt =
        "SELECT 1 FROM tasks INDEXED BY idx_tasks_lease WHERE status = 'in_progress' AND lease_expires_at <= ? LIMIT 1"
}

pub(crate) fn task(conn: &mut SqliteConnection, id: &TaskId) -> Result<Option<TaskRecord>, Fault> {
    let row = TaskById::new(id.as_str())
        .get_result::<StoredTask>(conn)
        .optional()?;
    Ok(row.map(StoredTask::read).transpose()?)
}

pub(crate) fn next(
    conn: &mut SqliteConnection,
    scope: &Scope,
    now: Timestamp,
    access: Access,
) -> Result<Option<TaskRecord>, Fault> {
    if let Scope::Task(id) = scope {
        return Ok(task(conn, id)?.filter(|record| is_ready(record, now)));
    }
    let waited = match access {
        Access::Write => {
            promote(conn, now)?;
            None
        }
        Access::Read => first_due(conn, scope, now)?,
    };
    let Some(ready) = first_ready(conn, scope, now)? else {
        return Ok(waited);
    };
    Ok(Some(match waited {
        Some(waited) if claim_order(&waited) < claim_order(&ready) => waited,
        _ => ready,
    }))
}

pub(crate) fn expired(
    conn: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<TaskRecord>, Fault> {
    let some: Option<i64> = PeekExpired::new(now.micros()).get_result(conn).optional()?;
    if some.is_none() {
        return Ok(Vec::new());
    }
    let rows = expired_query(now, limit)
        .select(StoredTask::as_select())
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(StoredTask::read)
        .collect::<Result<_, _>>()?)
}

pub(crate) fn processes_at(
    conn: &mut SqliteConnection,
    place: &Place,
) -> Result<Vec<(TaskId, Process)>, Fault> {
    let place = place.to_string();
    let rows: Vec<(String, i64, i64)> = ProcessesAt::new(&place).load(conn)?;
    let mut found = Vec::with_capacity(rows.len());
    for (id, pid, started_ticks) in rows {
        let reading = Reading {
            table: "tasks",
            id: &id,
        };
        let process = read_process(reading, &place, pid, started_ticks)?;
        found.push((reading.of("id", TaskId::new(id.as_str()))?, process));
    }
    Ok(found)
}

/// Tasks by the end of their lease, as far as it has passed.
pub(crate) fn expired_query(now: Timestamp, limit: u32) -> Boxed<'static> {
    tasks::table
        .filter(sql::<Bool>(IN_PROGRESS))
        .filter(tasks::lease_expires_at.le(now.micros()))
        .order((tasks::lease_expires_at, tasks::seq))
        .limit(limit.into())
        .into_boxed()
}

fn promote(conn: &mut SqliteConnection, now: Timestamp) -> Result<(), Fault> {
    let now = now.micros();
    let due: Option<i64> = PeekDue::new(now).get_result(conn).optional()?;
    if due.is_some() {
        Promote::new(now).execute(conn)?;
    }
    Ok(())
}

fn first_ready(
    conn: &mut SqliteConnection,
    scope: &Scope,
    now: Timestamp,
) -> Result<Option<TaskRecord>, Fault> {
    let now = now.micros();
    let row: QueryResult<StoredTask> = match scope {
        Scope::Queue => ReadyInQueue::new(now).get_result(conn),
        Scope::Epic(epic) => ReadyInEpic::new(epic.as_str(), now).get_result(conn),
        Scope::Feature(feature) => ReadyInFeature::new(feature.as_str(), now).get_result(conn),
        Scope::Lane(lane) => {
            let rank = lane.priority.number().into();
            ReadyInLane::new(lane.feature.as_str(), rank, now).get_result(conn)
        }
        Scope::Task(_) => return Ok(None),
    };
    Ok(row.optional()?.map(StoredTask::read).transpose()?)
}

/// The first task whose time has come but that no write unit has promoted yet.
fn first_due(
    conn: &mut SqliteConnection,
    scope: &Scope,
    now: Timestamp,
) -> Result<Option<TaskRecord>, Fault> {
    let some: Option<i64> = PeekDue::new(now.micros()).get_result(conn).optional()?;
    if some.is_none() {
        return Ok(None);
    }
    let query = in_scope(due(tasks::table.into_boxed(), now), scope);
    let row = query
        .order((tasks::effective_priority, tasks::seq))
        .limit(1)
        .select(StoredTask::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(StoredTask::read).transpose()?)
}
