//! Dependencies, attempts, checkpoints, events and operations.

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use tasq_domain::{
    AnyId, Attempt, AttemptEnd, Checkpoint, Dependency, EntityKind, Event, Operation, OperationId,
    Reason, Status, TaskId,
};
use tasq_ports::EventFilter;

use super::one;
use crate::derive::entered_at_once;
use crate::error::Fault;
use crate::rows::Reading;
use crate::rows::history::{AttemptRow, CheckpointRow, DependencyRow, EventRow, OperationRow};
use crate::schema::{
    attempts, checkpoints, dependencies, epics, events, features, operations, removed_items, tasks,
    test_cases,
};
use crate::statement::statement;

/// The columns of an event, in the order of [`EventRow`].
type EventColumns = (BigInt, BigInt, Text, Text, Text, Text, Text);

statement! {
    /// The next checkpoint's `seq`.
    NextCheckpoint {} -> BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM checkpoints"
}
statement! {
    /// The next event's number.
    NextEvent {} -> BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM events"
}
statement! {
    /// Enters all events between two numbers, the second included, for their items.
    EnterEvents { after: i64 => BigInt, to: i64 => BigInt } -> () =
        "INSERT OR IGNORE INTO entity_events SELECT entity_seq, entity_kind, seq FROM events \
         WHERE seq > ? AND seq <= ? ORDER BY 1, 2, 3"
}
statement! {
    /// The events that are entered for the item of this number, or for one that had it before.
    EventsEntered {
        seq: i64 => BigInt, kind: &'a str => Text, after: i64 => BigInt, to: i64 => BigInt, id: &'a str => Text,
        limit: i64 => BigInt
    } -> EventColumns =
        "SELECT seq, at, actor, kind, entity_kind, entity_id, data \
         FROM entity_events AS found CROSS JOIN events USING (entity_seq, entity_kind) \
         WHERE found.entity_seq = ? AND found.entity_kind = ? AND event_seq > ? AND event_seq <= ? \
         AND seq = event_seq AND entity_id = ? \
         ORDER BY event_seq LIMIT ? + 0"
}
statement! {
    /// An item's events after a number, by looking through all of them.
    NewerEvents { after: i64 => BigInt, kind: &'a str => Text, id: &'a str => Text, limit: i64 => BigInt } -> EventColumns =
        "SELECT seq, at, actor, kind, entity_kind, entity_id, data FROM events \
         WHERE seq > ? AND entity_kind = ? AND entity_id = ? ORDER BY seq LIMIT ? + 0"
}
statement! {
    /// The next operation's place in the order.
    NextOperation {} -> BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM operations"
}

statement! {
    /// Changes all of an attempt that ever changes.
    ChangeAttempt {
        ended_at: Option<i64> => Nullable<BigInt>, outcome: Option<&'a str> => Nullable<Text>,
        exit_code: Option<i64> => Nullable<BigInt>, message: Option<&'a str> => Nullable<Text>,
        late_message: Option<&'a str> => Nullable<Text>, log_path: Option<&'a str> => Nullable<Text>,
        result: Option<&'a str> => Nullable<Text>, task: i64 => BigInt, number: i64 => BigInt
    } -> () =
        "UPDATE attempts SET ended_at = ?, outcome = ?, exit_code = ?, message = ?, late_message = ?, log_path = ?, \
         result = ? WHERE task_seq = ? AND number = ?"
}
statement! {
    /// Ends an attempt.
    EndAttempt {
        ended_at: i64 => BigInt, outcome: &'a str => Text, exit_code: Option<i64> => Nullable<BigInt>,
        message: Option<&'a str> => Nullable<Text>, task: i64 => BigInt, number: i64 => BigInt
    } -> () =
        "UPDATE attempts SET ended_at = ?, outcome = ?, exit_code = ?, message = ? WHERE task_seq = ? AND number = ?"
}
statement! {
    /// Ends an attempt of which there is nothing more to say.
    EndAttemptPlainly { ended_at: i64 => BigInt, outcome: &'a str => Text, task: i64 => BigInt, number: i64 => BigInt } -> () =
        "UPDATE attempts SET ended_at = ?, outcome = ?, exit_code = NULL, message = NULL WHERE task_seq = ? AND number = ?"
}
statement! {
    /// The number of an epic.
    SeqOfEpic { id: &'a str => Text } -> BigInt = "SELECT seq FROM epics WHERE id = ?"
}
statement! {
    /// The number of a feature.
    SeqOfFeature { id: &'a str => Text } -> BigInt = "SELECT seq FROM features WHERE id = ?"
}
statement! {
    /// The number of a task.
    SeqOfTask { id: &'a str => Text } -> BigInt = "SELECT seq FROM tasks WHERE id = ?"
}
statement! {
    /// The number of a test case.
    SeqOfTest { id: &'a str => Text } -> BigInt = "SELECT seq FROM test_cases WHERE id = ?"
}

pub(crate) fn dependencies_of(
    conn: &mut SqliteConnection,
    task: &TaskId,
) -> Result<Vec<TaskId>, Fault> {
    let ids = dependencies::table
        .filter(dependencies::task_id.eq(task.as_str()))
        .order(dependencies::depends_on)
        .select(dependencies::depends_on)
        .load(conn)?;
    read_ids("depends_on", task, ids)
}

pub(crate) fn dependents_of(
    conn: &mut SqliteConnection,
    task: &TaskId,
) -> Result<Vec<TaskId>, Fault> {
    let ids = dependencies::table
        .filter(dependencies::depends_on.eq(task.as_str()))
        .order(dependencies::task_id)
        .select(dependencies::task_id)
        .load(conn)?;
    read_ids("task_id", task, ids)
}

statement! {
    /// What a prerequisite's status is.
    StatusOfTask { id: &'a str => Text } -> Text = "SELECT status FROM tasks WHERE id = ?"
}
statement! {
    /// Counts one more open prerequisite.
    OneMoreOpen { seq: i64 => BigInt } -> () = "UPDATE tasks SET open_deps = open_deps + 1 WHERE seq = ?"
}

/// Makes a task, by its number, wait for another.
pub(crate) fn insert_dependency(
    conn: &mut SqliteConnection,
    task_seq: i64,
    dependency: &Dependency,
) -> Result<bool, Fault> {
    let status: Option<String> = StatusOfTask::new(dependency.on.as_str())
        .get_result(conn)
        .optional()?;
    let Some(status) = status else {
        return Err(Fault::misuse(format!("there is no task {}", dependency.on)));
    };
    let there: Option<String> = dependencies::table
        .filter(dependencies::task_id.eq(dependency.task.as_str()))
        .filter(dependencies::depends_on.eq(dependency.on.as_str()))
        .select(dependencies::task_id)
        .get_result(conn)
        .optional()?;
    if there.is_some() {
        return Ok(false);
    }
    load_dependency(conn, dependency)?;
    if status != Status::Completed.as_str() {
        OneMoreOpen::new(task_seq).execute(conn)?;
    }
    Ok(true)
}

/// Inserts a dependency of which somebody else sees to what follows.
pub(crate) fn load_dependency(
    conn: &mut SqliteConnection,
    dependency: &Dependency,
) -> Result<(), Fault> {
    diesel::insert_into(dependencies::table)
        .values(&DependencyRow::of(dependency))
        .execute(conn)?;
    Ok(())
}

pub(crate) fn remove_dependency(
    conn: &mut SqliteConnection,
    dependency: &Dependency,
) -> Result<bool, Fault> {
    let rows = diesel::delete(
        dependencies::table
            .filter(dependencies::task_id.eq(dependency.task.as_str()))
            .filter(dependencies::depends_on.eq(dependency.on.as_str())),
    )
    .execute(conn)?;
    Ok(rows > 0)
}

pub(crate) fn attempts_of(
    conn: &mut SqliteConnection,
    task: &TaskId,
) -> Result<Vec<Attempt>, Fault> {
    let rows = attempts::table
        .inner_join(tasks::table)
        .filter(tasks::id.eq(task.as_str()))
        .order(attempts::number)
        .select(AttemptRow::as_select())
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|row| row.read(task))
        .collect::<Result<_, _>>()?)
}

pub(crate) fn attempt(
    conn: &mut SqliteConnection,
    task: &TaskId,
    number: u32,
) -> Result<Option<Attempt>, Fault> {
    let row = attempts::table
        .inner_join(tasks::table)
        .filter(tasks::id.eq(task.as_str()))
        .filter(attempts::number.eq(i64::from(number)))
        .select(AttemptRow::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(|row| row.read(task)).transpose()?)
}

/// Every attempt, by its task's id and its number.
pub(crate) fn all_attempts(conn: &mut SqliteConnection) -> Result<Vec<Attempt>, Fault> {
    let rows: Vec<(AttemptRow, String)> = attempts::table
        .inner_join(tasks::table)
        .order((tasks::id, attempts::number))
        .select((AttemptRow::as_select(), tasks::id))
        .load(conn)?;
    let read = rows.into_iter().map(|(row, id)| {
        let reading = Reading {
            table: "tasks",
            id: &id,
        };
        row.read(&reading.of("id", TaskId::new(id.as_str()))?)
    });
    Ok(read.collect::<Result<_, _>>()?)
}

/// Inserts an attempt that is over, or of which more is known than that it began.
pub(crate) fn insert_attempt(conn: &mut SqliteConnection, row: &AttemptRow) -> Result<(), Fault> {
    diesel::insert_into(attempts::table)
        .values(row)
        .execute(conn)?;
    Ok(())
}

pub(crate) fn update_attempt(
    conn: &mut SqliteConnection,
    task_seq: i64,
    attempt: &Attempt,
) -> Result<(), Fault> {
    let number = attempt.token.attempt;
    let row = AttemptRow::of(attempt, task_seq);
    let rows = ChangeAttempt::new(
        row.ended_at,
        row.outcome.as_deref(),
        row.exit_code,
        row.message.as_deref(),
        row.late_message.as_deref(),
        row.log_path.as_deref(),
        row.result.as_deref(),
        row.task_seq,
        row.number,
    )
    .execute(conn)?;
    one(
        rows,
        "attempt",
        format_args!("{number} at {}", attempt.task),
    )
}

pub(crate) fn end_attempt(
    conn: &mut SqliteConnection,
    task_seq: i64,
    number: u32,
    end: &AttemptEnd,
) -> Result<bool, Fault> {
    let AttemptEnd {
        at,
        outcome,
        exit_code,
        message,
    } = end;
    let (at, outcome, number) = (at.micros(), outcome.as_str(), i64::from(number));
    let rows = match (exit_code, message) {
        (None, None) => EndAttemptPlainly::new(at, outcome, task_seq, number).execute(conn)?,
        (exit_code, message) => {
            let exit_code = exit_code.map(Into::into);
            let message = message.as_ref().map(Reason::as_str);
            EndAttempt::new(at, outcome, exit_code, message, task_seq, number).execute(conn)?
        }
    };
    Ok(rows == 1)
}

pub(crate) fn checkpoints_of(
    conn: &mut SqliteConnection,
    task: &TaskId,
) -> Result<Vec<Checkpoint>, Fault> {
    let rows = checkpoints::table
        .filter(checkpoints::task_id.eq(task.as_str()))
        .order(checkpoints::seq)
        .select(CheckpointRow::as_select())
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(CheckpointRow::read)
        .collect::<Result<_, _>>()?)
}

pub(crate) fn insert_checkpoint(
    conn: &mut SqliteConnection,
    checkpoint: &Checkpoint,
) -> Result<i64, Fault> {
    let seq = match checkpoint.seq {
        0 => NextCheckpoint::new().get_result(conn)?,
        seq => seq,
    };
    diesel::insert_into(checkpoints::table)
        .values(&CheckpointRow::of(checkpoint, seq))
        .execute(conn)?;
    Ok(seq)
}

/// The number of a task that is there.
pub(crate) fn task_seq(conn: &mut SqliteConnection, id: &TaskId) -> Result<i64, Fault> {
    find_task_seq(conn, id)?.ok_or_else(|| Fault::misuse(format!("there is no task {id}")))
}

pub(crate) fn find_task_seq(
    conn: &mut SqliteConnection,
    id: &TaskId,
) -> Result<Option<i64>, Fault> {
    Ok(SeqOfTask::new(id.as_str()).get_result(conn).optional()?)
}

/// The number of an item: of one that is there, or was, or else one made up for it.
pub(crate) fn entity_seq(conn: &mut SqliteConnection, entity: &AnyId) -> Result<i64, Fault> {
    let id = AnyId::as_str(entity);
    let there: Option<i64> = match entity.kind() {
        EntityKind::Epic => SeqOfEpic::new(id).get_result(conn),
        EntityKind::Feature => SeqOfFeature::new(id).get_result(conn),
        EntityKind::Task => SeqOfTask::new(id).get_result(conn),
        EntityKind::Test => SeqOfTest::new(id).get_result(conn),
    }
    .optional()?;
    if let Some(seq) = there {
        return Ok(seq);
    }
    let kind = entity.kind().as_str();
    let of_kind = removed_items::table.filter(removed_items::kind.eq(kind));
    let was: Option<i64> = of_kind
        .filter(removed_items::id.eq(id))
        .select(removed_items::seq)
        .order(removed_items::seq.desc())
        .first(conn)
        .optional()?;
    if let Some(seq) = was {
        return Ok(seq);
    }
    let lowest: Option<i64> = of_kind
        .select(diesel::dsl::min(removed_items::seq))
        .get_result(conn)?;
    let seq = lowest.unwrap_or(0).min(0) - 1;
    diesel::insert_into(removed_items::table)
        .values((
            removed_items::kind.eq(kind),
            removed_items::id.eq(id),
            removed_items::seq.eq(seq),
        ))
        .execute(conn)?;
    Ok(seq)
}

/// The numbers under which an item's events may be.
fn entity_seqs(conn: &mut SqliteConnection, entity: &AnyId) -> Result<Vec<i64>, Fault> {
    let id = AnyId::as_str(entity);
    macro_rules! there {
        ($table:ident) => {
            $table::table
                .filter($table::id.eq(id))
                .select($table::seq)
                .load(conn)?
        };
    }
    let mut seqs: Vec<i64> = match entity.kind() {
        EntityKind::Epic => there!(epics),
        EntityKind::Feature => there!(features),
        EntityKind::Task => there!(tasks),
        EntityKind::Test => there!(test_cases),
    };
    let were: Vec<i64> = removed_items::table
        .filter(removed_items::kind.eq(entity.kind().as_str()))
        .filter(removed_items::id.eq(id))
        .select(removed_items::seq)
        .load(conn)?;
    seqs.extend(were);
    // One that was made again may have the number that it had.
    seqs.sort_unstable();
    seqs.dedup();
    Ok(seqs)
}

pub(crate) fn newest_event(conn: &mut SqliteConnection) -> Result<i64, Fault> {
    let newest: Option<i64> = events::table
        .select(diesel::dsl::max(events::seq))
        .get_result(conn)?;
    Ok(newest.unwrap_or(0))
}

/// The last event that is entered for its item, if this is the newest of all.
pub(crate) const fn entered(newest: i64) -> i64 {
    newest - newest.rem_euclid(entered_at_once!())
}

/// Enters for their items what is to be entered of the events after `before`, of which `newest` is the last.
pub(crate) fn enter_events(
    conn: &mut SqliteConnection,
    before: i64,
    newest: i64,
) -> Result<(), Fault> {
    let (before, newest) = (entered(before), entered(newest));
    if before < newest {
        EnterEvents::new(before, newest).execute(conn)?;
    }
    Ok(())
}

pub(crate) fn events(
    conn: &mut SqliteConnection,
    filter: &EventFilter,
) -> Result<Vec<Event>, Fault> {
    let EventFilter {
        entity,
        after,
        limit,
    } = filter;
    let rows: Vec<EventRow> = match entity {
        None => events::table
            .filter(events::seq.gt(after))
            .order(events::seq)
            .limit((*limit).into())
            .select(EventRow::as_select())
            .load(conn)?,
        Some(entity) => events_of(conn, entity, *after, *limit)?,
    };
    Ok(rows
        .into_iter()
        .map(EventRow::read)
        .collect::<Result<_, _>>()?)
}

/// The events of an item: first those that are entered for it, then those that are not entered yet.
fn events_of(
    conn: &mut SqliteConnection,
    entity: &AnyId,
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, Fault> {
    let (kind, id) = (entity.kind().as_str(), AnyId::as_str(entity));
    let entered = entered(newest_event(conn)?);
    let limit = i64::from(limit);
    let mut rows: Vec<EventRow> = Vec::new();
    let seqs = entity_seqs(conn, entity)?;
    for &seq in &seqs {
        let of_seq = EventsEntered::new(seq, kind, after, entered, id, limit);
        rows.extend(of_seq.load::<EventRow>(conn)?);
    }
    if seqs.len() > 1 {
        rows.sort_unstable_by_key(EventRow::seq);
    }
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let left = limit.saturating_sub(i64::try_from(rows.len()).unwrap_or(i64::MAX));
    if left > 0 {
        rows.extend(NewerEvents::new(after.max(entered), kind, id, left).load::<EventRow>(conn)?);
    }
    Ok(rows)
}

pub(crate) fn operation(
    conn: &mut SqliteConnection,
    id: &OperationId,
) -> Result<Option<Operation>, Fault> {
    let row = operations::table
        .filter(operations::id.eq(id.as_str()))
        .select(OperationRow::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(OperationRow::read).transpose()?)
}

pub(crate) fn insert_operation(
    conn: &mut SqliteConnection,
    operation: &Operation,
    keep: u64,
) -> Result<(), Fault> {
    let seq: i64 = NextOperation::new().get_result(conn)?;
    diesel::insert_into(operations::table)
        .values(&OperationRow::of(operation, seq))
        .execute(conn)?;
    // Numbers have no gaps, because only the oldest are ever forgotten.
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    diesel::delete(operations::table.filter(operations::seq.le(seq.saturating_sub(keep))))
        .execute(conn)?;
    Ok(())
}

fn read_ids(column: &'static str, task: &TaskId, ids: Vec<String>) -> Result<Vec<TaskId>, Fault> {
    let reading = Reading {
        table: "dependencies",
        id: task.as_str(),
    };
    let ids = ids
        .into_iter()
        .map(|id| reading.of(column, TaskId::new(id)));
    Ok(ids.collect::<Result<_, _>>()?)
}
