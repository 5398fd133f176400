//! Tasks by id, by readiness and by lease: the hot path.
//!
//! A claim is one walk along an index of ready tasks. A task that waits for a time is not in it; a write unit first
//! *promotes* those whose time has come, if a look at the earliest finds one. A read unit cannot write, so
//! it compares two candidates instead.

use diesel::SqliteConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Text};
use diesel::sqlite::Sqlite;
use tasq_domain::ready::{Scope, claim_order, is_ready};
use tasq_domain::{Place, Process, TaskId, TaskRecord, Timestamp};
use tasq_ports::Access;

use super::hand::{InHand, Related, RowIds};
use super::list::{Boxed, due, in_between, in_progress, in_scope, lease};
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::task::{StoredTask, WHOLE_TASK, read_process, whole_task};
use crate::schema::tasks;
use crate::statement::statement;

/// What there is around a task, a bit for each kind.
macro_rules! around {
    () => {
        "EXISTS (SELECT 1 FROM dependencies WHERE task_id = tasks.id) \
         + 2 * EXISTS (SELECT 1 FROM test_cases WHERE task_id = tasks.id) \
         + 4 * EXISTS (SELECT 1 FROM dependencies WHERE depends_on = tasks.id)"
    };
}

/// A text that reads all of a task, and ends as it says.
macro_rules! read_task {
    ($rest:literal) => {
        concat!("SELECT ", whole_task!(), " FROM tasks", $rest)
    };
}

/// The same, with what there is around the task.
macro_rules! find_task {
    ($rest:expr) => {
        concat!(
            "SELECT ",
            whole_task!(),
            ", ",
            around!(),
            " FROM tasks",
            $rest
        )
    };
}

/// The columns of that.
type FoundColumns = (Binary, BigInt);
/// A task, and what there is around it.
type Found = (TaskRecord, Related);

statement! {
    /// A task.
    TaskById { id: &'a str => Text } -> FoundColumns = find_task!(" WHERE id = ?")
}

statement! {
    /// A task without what there is around it.
    OnlyTaskById { id: &'a str => Text } -> Binary = read_task!(" WHERE id = ?")
}

statement! {
    /// Whether a task is there. It reads the index of ids alone, and is prepared in a tenth of the time.
    TaskIsThere { id: &'a str => Text } -> Bool = "SELECT EXISTS (SELECT 1 FROM tasks WHERE id = ?)"
}

statement! {
    /// A task, if it still has this row id. The index of ids is not looked at, whatever SQLite is told of its rows.
    TaskByRowId { seq: i64 => BigInt, id: &'a str => Text } -> FoundColumns =
        find_task!(" WHERE seq = ? AND +id = ?")
}

/// Declares a statement that finds several tasks by their keys.
macro_rules! several {
    ($(#[$doc:meta])* $name:ident: $column:literal, $key:ty => $sql_type:ty) => {
        $(#[$doc])*
        pub(crate) struct $name<'a, const N: usize>(pub(crate) &'a [$key; N]);

        impl<const N: usize> Query for $name<'_, N> {
            type SqlType = FoundColumns;
        }

        impl<const N: usize> QueryId for $name<'_, N> {
            type QueryId = $name<'static, N>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<const N: usize> RunQueryDsl<SqliteConnection> for $name<'_, N> {}

        impl<const N: usize> QueryFragment<Sqlite> for $name<'_, N> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(find_task!(concat!(" WHERE ", $column, " IN (")));
                for (number, key) in self.0.iter().enumerate() {
                    if number > 0 {
                        out.push_sql(", ");
                    }
                    out.push_bind_param::<$sql_type, _>(key)?;
                }
                out.push_sql(")");
                Ok(())
            }
        }
    };
}

several! {
    /// Some tasks.
    TasksById: "id", &'a str => Text
}
several! {
    /// The tasks that have these row ids, whichever they are now.
    TasksByRowIds: "seq", i64 => BigInt
}

statement! {
    /// The first ready tasks of the queue. SQLite would plan anew for each limit that it sees, so that it sees a sum.
    /// `not_before` is looked at again because a clock may have gone back, and the status because `stage` follows from a
    /// column that a plain client may have set wrong.
    ReadyInQueue { now: i64 => BigInt, limit: i64 => BigInt } -> FoundColumns = find_task!(
        " INDEXED BY idx_tasks_status \
         WHERE stage = 1 AND status = 'pending' AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY effective_priority, seq LIMIT ? + 0"
    )
}
statement! {
    /// The first ready tasks of an epic.
    ReadyInEpic { epic: &'a str => Text, now: i64 => BigInt, limit: i64 => BigInt } -> FoundColumns = find_task!(
        " INDEXED BY idx_tasks_epic \
         WHERE epic_id = ? AND stage = 1 AND status = 'pending' AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY effective_priority, seq LIMIT ? + 0"
    )
}
statement! {
    /// The first ready tasks of a feature.
    ReadyInFeature { feature: &'a str => Text, now: i64 => BigInt, limit: i64 => BigInt } -> FoundColumns = find_task!(
        " INDEXED BY idx_tasks_feature_id \
         WHERE feature_id = ? AND stage = 1 AND status = 'pending' AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY effective_priority, seq LIMIT ? + 0"
    )
}
statement! {
    /// The first ready tasks of a lane.
    ReadyInLane { feature: &'a str => Text, rank: i64 => BigInt, now: i64 => BigInt, limit: i64 => BigInt } -> FoundColumns = find_task!(
        " INDEXED BY idx_tasks_feature_id \
         WHERE feature_id = ? AND stage = 1 AND effective_priority = ? AND status = 'pending' \
         AND (not_before IS NULL OR not_before <= ?) \
         ORDER BY seq LIMIT ? + 0"
    )
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

/// What may have to be seen to before a task is handed out. Mostly nothing has, so that all of it is looked for at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    /// Some claim has a process.
    pub(crate) processes: bool,
    /// Some lease has run out.
    pub(crate) expired: bool,
    /// Some waiting task's time has come.
    pub(crate) due: bool,
}

/// Whether some waiting task's time has come.
macro_rules! any_due {
    () => {
        "EXISTS (SELECT 1 FROM tasks INDEXED BY idx_tasks_waits WHERE waits_until <= ?)"
    };
}

statement! {
    /// That alone, which is all that a unit that only reads asks for.
    AnyDue { now: i64 => BigInt } -> Bool = concat!("SELECT ", any_due!())
}

statement! {
    /// A bit for each of that.
    LookAhead { now: i64 => BigInt, too: i64 => BigInt } -> BigInt = concat!(
        "SELECT EXISTS (SELECT 1 FROM tasks INDEXED BY idx_tasks_process WHERE claim_place NOTNULL) \
         + 2 * EXISTS (SELECT 1 FROM tasks INDEXED BY idx_tasks_moment WHERE ",
        in_progress!(), " AND moment <= ", lease!(),
        "?) + 4 * ", any_due!()
    )
}

pub(crate) fn outlook(conn: &mut SqliteConnection, now: Timestamp) -> Result<Outlook, Fault> {
    let now = now.micros();
    let found: i64 = LookAhead::new(now, now).get_result(conn)?;
    Ok(Outlook {
        processes: found & 1 != 0,
        expired: found & 2 != 0,
        due: found & 4 != 0,
    })
}

pub(crate) fn task(
    conn: &mut SqliteConnection,
    row_ids: &RowIds,
    id: &TaskId,
) -> Result<Option<Found>, Fault> {
    let by_row = match row_ids.of(id) {
        Some(seq) => TaskByRowId::new(seq, id.as_str())
            .get_result(conn)
            .optional()?,
        None => None,
    };
    let row = match by_row {
        Some(row) => Some(row),
        None => TaskById::new(id.as_str()).get_result(conn).optional()?,
    };
    row.map(read).transpose()
}

/// For a unit that only reads, which keeps nothing in hand.
pub(crate) fn only_task(
    conn: &mut SqliteConnection,
    id: &TaskId,
) -> Result<Option<TaskRecord>, Fault> {
    let row = OnlyTaskById::new(id.as_str())
        .get_result::<StoredTask>(conn)
        .optional()?;
    Ok(row.map(|row| row.0).transpose()?)
}

/// For a unit that only reads.
pub(crate) fn is_there(conn: &mut SqliteConnection, id: &TaskId) -> Result<bool, Fault> {
    Ok(TaskIsThere::new(id.as_str()).get_result(conn)?)
}

/// The tasks of these ids, as far as they are there and it takes a statement of several; those left over, and those that have
/// another row id than is remembered, are no worse off when they are asked for one by one.
pub(crate) fn several(
    conn: &mut SqliteConnection,
    row_ids: &RowIds,
    ids: &[&TaskId],
) -> Result<Vec<Found>, Fault> {
    let mut found = Vec::with_capacity(ids.len());
    let (mut by_row, mut by_id) = (Vec::new(), Vec::new());
    for &id in ids {
        match row_ids.of(id) {
            Some(seq) => by_row.push((seq, id)),
            None => by_id.push(id.as_str()),
        }
    }
    let (sixteens, rest) = by_row.as_chunks::<16>();
    for tasks in sixteens {
        found.extend(by_row_ids(conn, tasks)?);
    }
    for tasks in rest.as_chunks::<4>().0 {
        found.extend(by_row_ids(conn, tasks)?);
    }
    let (sixteens, rest) = by_id.as_chunks::<16>();
    for ids in sixteens {
        for row in TasksById(ids).load(conn)? {
            found.push(read(row)?);
        }
    }
    for ids in rest.as_chunks::<4>().0 {
        for row in TasksById(ids).load(conn)? {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// Those of the tasks that still have these row ids.
fn by_row_ids<const N: usize>(
    conn: &mut SqliteConnection,
    tasks: &[(i64, &TaskId); N],
) -> Result<Vec<Found>, Fault> {
    let rows = TasksByRowIds(&tasks.map(|(seq, _)| seq)).load(conn)?;
    // Another may have that row id now, and what is wrong with it is not for who did not ask for it. What is wrong with one
    // that was asked for is told when it is asked for alone.
    let mut found: Vec<Found> = rows.into_iter().flat_map(read).collect();
    found.retain(|(record, _)| tasks.contains(&(record.task.seq, &record.task.id)));
    Ok(found)
}

/// The first tasks in the order of work that are ready, at most `limit`.
pub(crate) fn ready(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    scope: &Scope,
    now: Timestamp,
    access: Access,
    limit: u32,
) -> Result<Vec<Found>, Fault> {
    if let Scope::Task(id) = scope {
        let task = task(conn, &hand.row_ids, id)?.filter(|(record, _)| is_ready(record, now));
        return Ok(task.into_iter().take(limit as usize).collect());
    }
    let mut waited = Vec::new();
    match access {
        Access::Write => {
            let outlook = hand.outlook(conn, now)?;
            if outlook.due {
                Promote::new(now.micros()).execute(conn)?;
                hand.outlook = Some(Outlook {
                    due: false,
                    ..outlook
                });
            }
        }
        Access::Read => {
            if AnyDue::new(now.micros()).get_result(conn)? {
                waited = first_due(conn, scope, now, limit)?;
            }
        }
    }
    let mut ready = first_ready(conn, scope, now, limit)?;
    if !waited.is_empty() {
        ready.extend(waited);
        ready.sort_by_key(|(record, _)| claim_order(record));
        ready.truncate(limit as usize);
    }
    Ok(ready)
}

fn read((row, around): (StoredTask, i64)) -> Result<Found, Fault> {
    let related = Related {
        dependencies: around & 1 != 0,
        tests: around & 2 != 0,
        dependents: around & 4 != 0,
    };
    Ok((row.0?, related))
}

pub(crate) fn expired(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<TaskRecord>, Fault> {
    if !hand.outlook(conn, now)?.expired {
        return Ok(Vec::new());
    }
    let rows: Vec<StoredTask> = expired_query(now, limit)
        .select(sql::<Binary>(WHOLE_TASK))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| row.0)
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
        .filter(sql::<Bool>(in_progress!()))
        .filter(sql::<Bool>(concat!("moment <= ", lease!())).bind::<BigInt, _>(now.micros()))
        .order(sql::<BigInt>("moment, seq"))
        .limit(limit.into())
        .into_boxed()
}

fn first_ready(
    conn: &mut SqliteConnection,
    scope: &Scope,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Found>, Fault> {
    let (now, limit) = (now.micros(), i64::from(limit));
    let rows: QueryResult<Vec<(StoredTask, i64)>> = match scope {
        Scope::Queue => ReadyInQueue::new(now, limit).load(conn),
        Scope::Epic(epic) => ReadyInEpic::new(epic.as_str(), now, limit).load(conn),
        Scope::Feature(feature) => ReadyInFeature::new(feature.as_str(), now, limit).load(conn),
        Scope::Lane(lane) => {
            let rank = lane.priority.number().into();
            ReadyInLane::new(lane.feature.as_str(), rank, now, limit).load(conn)
        }
        Scope::Task(_) => return Ok(Vec::new()),
    };
    rows?.into_iter().map(read).collect()
}

/// The first tasks whose time has come but that no write unit has promoted yet.
fn first_due(
    conn: &mut SqliteConnection,
    scope: &Scope,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Found>, Fault> {
    let query = in_scope(due(tasks::table.into_boxed(), now), scope);
    let rows: Vec<(StoredTask, i64)> = query
        .order((tasks::effective_priority, tasks::seq))
        .limit(limit.into())
        .select((sql::<Binary>(WHOLE_TASK), sql::<BigInt>(around!())))
        .load(conn)?;
    rows.into_iter().map(read).collect()
}
