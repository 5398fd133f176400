//! Tasks by id, by readiness and by lease: the hot path.
//!
//! A claim is one walk along an index of ready tasks. A task that waits for a time is not in it; a write unit first
//! *promotes* those whose time has come, which a peek at the earliest makes nearly free. A read unit cannot write, so
//! it compares two candidates instead.

use diesel::SqliteConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use tasq_domain::ready::{Scope, claim_order, is_ready};
use tasq_domain::{Place, Process, TaskId, TaskRecord, Timestamp};
use tasq_ports::Access;

use super::list::{Boxed, IN_PROGRESS, READY, due, in_scope};
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::task::{StoredTask, read_process};
use crate::schema::tasks;
use crate::statement::statement;

/// The first ready task of those that pass the filters. `not_before` is looked at again because a clock may have gone
/// back.
macro_rules! ready {
    ($now:expr $(, $filter:expr)*) => {
        tasks::table
            $(.filter($filter))*
            .filter(tasks::stage.eq(READY))
            .filter(tasks::not_before.is_null().or(tasks::not_before.le($now)))
            .order((tasks::effective_priority, tasks::seq))
            .limit(1)
            .select(StoredTask::as_select())
    };
}

/// The one for a scope, given to a macro: each is a type of its own, whose text is built and prepared once.
macro_rules! with_ready {
    ($scope:expr, $now:expr, $use:ident) => {
        match $scope {
            Scope::Queue => $use!(ready!($now)),
            Scope::Epic(epic) => $use!(ready!($now, tasks::epic_id.eq(epic.as_str()))),
            Scope::Feature(feature) => $use!(ready!($now, tasks::feature_id.eq(feature.as_str()))),
            Scope::Lane(lane) => $use!(ready!(
                $now,
                tasks::feature_id.eq(lane.feature.as_str()),
                tasks::effective_priority.eq(i64::from(lane.priority.number()))
            )),
            Scope::Task(id) => $use!(ready!($now, tasks::id.eq(id.as_str()))),
        }
    };
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
    let row = tasks::table
        .filter(tasks::id.eq(id.as_str()))
        .select(StoredTask::as_select())
        .get_result(conn)
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
    macro_rules! first {
        ($query:expr) => {
            $query.get_result::<StoredTask>(conn).optional()?
        };
    }
    let row = with_ready!(scope, now, first);
    Ok(row.map(StoredTask::read).transpose()?)
}

/// What SQLite is asked for the first ready task of a scope.
#[cfg(test)]
pub(crate) fn ready_text(scope: &Scope) -> String {
    macro_rules! text {
        ($query:expr) => {
            crate::tests::text(&$query)
        };
    }
    with_ready!(scope, 0, text)
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
