//! Epics, features and tasks, written. Tasks are counted by [`super::hand`] and rolled up once; the rest is the triggers'.

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use tasq_domain::rollup::roll_up;
use tasq_domain::{
    Epic, EpicId, Feature, FeatureId, Hold, Present, Status, StatusCounts, Task, TaskId, TaskRecord,
};
use tasq_ports::{Inserted, Removed};

use super::hand::{InHand, Inherited, Related};
use super::list::{CountColumns, counts, counts_by_epic};
use super::{inserted, one, ready, unsigned};
use crate::error::Fault;
use crate::rows::epic::{EpicRow, StoredEpic};
use crate::rows::feature::{FeatureRow, StoredFeature};
use crate::rows::life_change::LifeChange;
use crate::rows::task::{LifeRow, TaskRow};
use crate::schema::{epics, features, tasks, test_cases};
use crate::statement::{Update, statement};

statement! {
    /// The next epic's `seq`.
    NextEpic {} -> BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM epics"
}
statement! {
    /// The next feature's `seq`.
    NextFeature {} -> BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM features"
}
statement! {
    /// The next task's `seq`.
    NextTask {} -> BigInt = "SELECT coalesce(max(seq), 0) + 1 FROM tasks"
}

statement! {
    /// Whether a task waits for another.
    SomeoneWaits { id: &'a str => Text } -> BigInt =
        "SELECT 1 FROM dependencies WHERE depends_on = ? LIMIT 1"
}
statement! {
    /// Counts a prerequisite that was completed (-1) or is no longer (1).
    OpenWhatWaits { by: i64 => BigInt, id: &'a str => Text } -> () =
        "UPDATE tasks SET open_deps = open_deps + ? \
         WHERE id IN (SELECT dependencies.task_id FROM dependencies WHERE dependencies.depends_on = ?)"
}

pub(crate) fn epic(conn: &mut SqliteConnection, id: &EpicId) -> Result<Option<Epic>, Fault> {
    let row = epics::table
        .filter(epics::id.eq(id.as_str()))
        .select(StoredEpic::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(StoredEpic::read).transpose()?)
}

pub(crate) fn epics(conn: &mut SqliteConnection) -> Result<Vec<Epic>, Fault> {
    let rows = epics::table
        .order(epics::seq)
        .select(StoredEpic::as_select())
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(StoredEpic::read)
        .collect::<Result<_, _>>()?)
}

pub(crate) fn counted_epics(
    conn: &mut SqliteConnection,
) -> Result<Vec<(Epic, StatusCounts)>, Fault> {
    let mut below = counts_by_epic(conn)?;
    let epics = epics(conn)?.into_iter();
    Ok(epics
        .map(|epic| {
            let counts = below.remove(epic.id.as_str()).unwrap_or_default();
            (epic, counts)
        })
        .collect())
}

pub(crate) fn insert_epic(conn: &mut SqliteConnection, epic: &Epic) -> Result<Inserted, Fault> {
    let seq = match epic.seq {
        0 => NextEpic::new().get_result(conn)?,
        seq => seq,
    };
    let row = EpicRow::of(epic, seq);
    let status = childless(epic.own_status, epic.hold.as_ref());
    let outcome = diesel::insert_into(epics::table)
        .values((&row, epics::status.eq(status), epics::rev.eq(1)))
        .execute(conn);
    inserted(outcome, seq)
}

pub(crate) fn update_epic(conn: &mut SqliteConnection, epic: &Epic) -> Result<(), Fault> {
    let row = EpicRow::of(epic, 0);
    let set = (
        &row,
        epics::touched_at.eq(epic.updated_at.micros()),
        epics::rev.eq(epics::rev + 1),
    )
        .as_changeset();
    let rows = Update::<EpicRow, _>::new("epics", set, epic.id.as_str()).execute(conn)?;
    one(rows, "epic", &epic.id)
}

pub(crate) fn remove_epic(conn: &mut SqliteConnection, id: &EpicId) -> Result<Removed, Fault> {
    let below = features::table
        .filter(features::epic_id.eq(id.as_str()))
        .select(features::id)
        .load::<String>(conn)?;
    let mut removed = Removed {
        epics: 1,
        features: below.len() as u64,
        ..Removed::default()
    };
    for feature in &below {
        let (tasks, tests) = below_feature(conn, feature)?;
        removed.tasks += tasks;
        removed.tests += tests;
    }
    let rows = diesel::delete(epics::table.filter(epics::id.eq(id.as_str()))).execute(conn)?;
    one(rows, "epic", id)?;
    Ok(removed)
}

pub(crate) fn feature(
    conn: &mut SqliteConnection,
    id: &FeatureId,
) -> Result<Option<Feature>, Fault> {
    let row = features::table
        .filter(features::id.eq(id.as_str()))
        .select(StoredFeature::as_select())
        .get_result(conn)
        .optional()?;
    Ok(row.map(StoredFeature::read).transpose()?)
}

pub(crate) fn features(conn: &mut SqliteConnection) -> Result<Vec<Feature>, Fault> {
    let rows = features::table
        .order(features::seq)
        .select(StoredFeature::as_select())
        .load(conn)?;
    read_features(rows)
}

pub(crate) fn features_of(
    conn: &mut SqliteConnection,
    epic: Option<&EpicId>,
) -> Result<Vec<Feature>, Fault> {
    let all = features::table
        .order(features::seq)
        .select(StoredFeature::as_select());
    let rows = match epic {
        Some(epic) => all.filter(features::epic_id.eq(epic.as_str())).load(conn)?,
        None => all.filter(features::epic_id.is_null()).load(conn)?,
    };
    read_features(rows)
}

pub(crate) fn counted_features(
    conn: &mut SqliteConnection,
    epic: Option<&EpicId>,
) -> Result<Vec<(Feature, StatusCounts)>, Fault> {
    let all = features::table.order(features::seq).select((
        StoredFeature::as_select(),
        (
            features::tasks_pending,
            features::tasks_in_progress,
            features::tasks_completed,
            features::tasks_blocked,
        ),
    ));
    let rows: Vec<(StoredFeature, CountColumns)> = match epic {
        Some(epic) => all.filter(features::epic_id.eq(epic.as_str())).load(conn)?,
        None => all.load(conn)?,
    };
    rows.into_iter()
        .map(|(row, columns)| Ok((row.read()?, counts(columns))))
        .collect()
}

pub(crate) fn insert_feature(
    conn: &mut SqliteConnection,
    feature: &Feature,
) -> Result<Inserted, Fault> {
    let seq = match feature.seq {
        0 => NextFeature::new().get_result(conn)?,
        seq => seq,
    };
    let row = FeatureRow::of(feature, seq);
    let status = childless(feature.own_status, feature.hold.as_ref());
    let outcome = diesel::insert_into(features::table)
        .values((&row, features::status.eq(status), features::rev.eq(1)))
        .execute(conn);
    inserted(outcome, seq)
}

pub(crate) fn update_feature(conn: &mut SqliteConnection, feature: &Feature) -> Result<(), Fault> {
    let row = FeatureRow::of(feature, 0);
    let set = (
        &row,
        features::touched_at.eq(feature.updated_at.micros()),
        features::rev.eq(features::rev + 1),
    )
        .as_changeset();
    let rows = Update::<FeatureRow, _>::new("features", set, feature.id.as_str()).execute(conn)?;
    one(rows, "feature", &feature.id)
}

pub(crate) fn remove_feature(
    conn: &mut SqliteConnection,
    id: &FeatureId,
) -> Result<Removed, Fault> {
    let (tasks, tests) = below_feature(conn, id.as_str())?;
    let rows =
        diesel::delete(features::table.filter(features::id.eq(id.as_str()))).execute(conn)?;
    one(rows, "feature", id)?;
    Ok(Removed {
        features: 1,
        tasks,
        tests,
        ..Removed::default()
    })
}

/// Adds a task below its feature and counts it.
pub(crate) fn add_task(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    task: &Task,
) -> Result<Inserted, Fault> {
    let Some(inherited) = hand.inherited(conn, &task.feature)? else {
        return Err(Fault::misuse(format!(
            "there is no feature {}",
            task.feature
        )));
    };
    let seq = match (task.seq, hand.next_task) {
        (0, Some(next)) => next,
        (0, None) => next_task(conn)?,
        (seq, _) => seq,
    };
    let outcome = insert_task_at(conn, task, seq, &inherited)?;
    if let Inserted::At(_) = outcome {
        hand.next_task = if task.seq == 0 {
            seq.checked_add(1)
        } else {
            None
        };
        hand.count(conn, &task.feature, None, task.status, task.updated_at)?;
        let record = TaskRecord {
            task: Task {
                seq,
                ..task.clone()
            },
            epic: inherited.epic,
            priority: match task.own_priority {
                Some(own) => own,
                None => inherited.priority,
            },
            open_dependencies: 0,
            held_above: inherited.held_above,
        };
        hand.take_up(record, Related::NOTHING);
    }
    Ok(outcome)
}

fn insert_task_at(
    conn: &mut SqliteConnection,
    task: &Task,
    seq: i64,
    inherited: &Inherited,
) -> Result<Inserted, Fault> {
    if let Some(fresh) = FreshTask::of(task, seq) {
        return inserted(fresh.insert(inherited).execute(conn), seq);
    }
    let row = TaskRow::of(task, seq);
    let life = LifeRow::of(task);
    let derived = (
        tasks::feature_priority.eq(i64::from(inherited.priority.number())),
        tasks::epic_id.eq(inherited.epic.as_ref().map(EpicId::as_str)),
        tasks::held_above.eq(i64::from(inherited.held_above)),
    );
    let outcome = diesel::insert_into(tasks::table)
        .values((&row, &life, derived, tasks::rev.eq(1)))
        .execute(conn);
    inserted(outcome, seq)
}

statement! {
    /// Adds a task that nothing has happened to yet. Its parents count it when the unit ends.
    InsertFresh {
        seq: i64 => BigInt, id: &'a str => Text, feature: &'a str => Text, description: &'a str => Text,
        priority: Option<i64> => Nullable<BigInt>, retry_budget: i64 => BigInt, created_at: i64 => BigInt,
        updated_at: i64 => BigInt, metadata: &'a str => Text, feature_priority: i64 => BigInt,
        epic: Option<&'a str> => Nullable<Text>, held_above: i64 => BigInt
    } -> () =
        "INSERT INTO tasks (seq, id, feature_id, description, priority, retry_budget, created_at, updated_at, \
         metadata, feature_priority, epic_id, held_above, rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
}

/// A task that has only what every new one has: most of them.
struct FreshTask<'a> {
    task: &'a Task,
    seq: i64,
}

impl<'a> FreshTask<'a> {
    fn of(task: &'a Task, seq: i64) -> Option<Self> {
        let Task {
            seq: _,
            id: _,
            feature: _,
            description: _,
            own_priority: _,
            retry_budget: _,
            created_at: _,
            updated_at: _,
            metadata: _,
            hold: None,
            source: None,
            status: Status::Pending,
            blocked_reason: None,
            retries_used: 0,
            not_before: None,
            attempts: 0,
            lost_in_a_row: 0,
            claim: None,
            completed_at: None,
            proof: None,
        } = task
        else {
            return None;
        };
        Some(Self { task, seq })
    }

    fn insert<'b>(&self, inherited: &'b Inherited) -> InsertFresh<'b>
    where
        'a: 'b,
    {
        let Self { task, seq } = self;
        InsertFresh::new(
            *seq,
            task.id.as_str(),
            task.feature.as_str(),
            task.description.as_str(),
            task.own_priority.map(|priority| priority.number().into()),
            task.retry_budget.number().into(),
            task.created_at.micros(),
            task.updated_at.micros(),
            task.metadata.as_str(),
            inherited.priority.number().into(),
            inherited.epic.as_ref().map(EpicId::as_str),
            inherited.held_above.into(),
        )
    }
}

/// Inserts a task that comes with what it inherits. Its parents, and what it waits for, are counted by somebody else.
pub(crate) fn insert_task(
    conn: &mut SqliteConnection,
    task: &Task,
    inherited: &Inherited,
) -> Result<Inserted, Fault> {
    let seq = match task.seq {
        0 => next_task(conn)?,
        seq => seq,
    };
    insert_task_at(conn, task, seq, inherited)
}

/// The number that the next new task gets.
pub(crate) fn next_task(conn: &mut SqliteConnection) -> Result<i64, Fault> {
    Ok(NextTask::new().get_result(conn)?)
}

/// Whether nothing has happened to a task yet.
pub(crate) fn is_fresh(task: &Task) -> bool {
    FreshTask::of(task, task.seq).is_some()
}

pub(crate) fn update_task(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    task: &Task,
) -> Result<(), Fault> {
    let before = stored(conn, hand, &task.id)?;
    let (feature, status) = (before.feature.clone(), before.status);
    rewrite_task(conn, task)?;
    hand.count(conn, &feature, Some(status), task.status, task.updated_at)?;
    // Its priority may be another now.
    hand.forget_task(&task.id);
    open_what_waits(conn, hand, &task.id, status, task.status)
}

/// The status that a task has, if this change gives it another feature.
pub(crate) fn moves(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    task: &Task,
) -> Result<Option<Status>, Fault> {
    let before = stored(conn, hand, &task.id)?;
    Ok((before.feature != task.feature).then_some(before.status))
}

/// Rewrites a task that gets another feature: triggers see to both features.
pub(crate) fn move_task(
    conn: &mut SqliteConnection,
    before: Status,
    task: &Task,
) -> Result<(), Fault> {
    rewrite_task(conn, task)?;
    open_what_waits(conn, &mut InHand::default(), &task.id, before, task.status)
}

fn rewrite_task(conn: &mut SqliteConnection, task: &Task) -> Result<(), Fault> {
    let row = TaskRow::of(task, 0);
    let life = LifeRow::of(task);
    let set = (&row, &life, tasks::rev.eq(tasks::rev + 1)).as_changeset();
    let rows = Update::<(TaskRow, LifeRow<'static>), _>::new("tasks", set, task.id.as_str())
        .execute(conn)?;
    one(rows, "task", &task.id)
}

pub(crate) fn update_task_life(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    task: &Task,
) -> Result<(), Fault> {
    let before = stored(conn, hand, &task.id)?;
    let status = before.status;
    let feature = before.feature.clone();
    let change = LifeChange {
        before: LifeRow::of(before),
        after: LifeRow::of(task),
        seq: before.seq,
    };
    let rows = change.execute(conn)?;
    one(rows, "task", &task.id)?;
    hand.count(conn, &feature, Some(status), task.status, task.updated_at)?;
    hand.rewrite_life(task);
    open_what_waits(conn, hand, &task.id, status, task.status)
}

/// A task as it is stored.
fn stored<'h>(
    conn: &mut SqliteConnection,
    hand: &'h mut InHand,
    id: &TaskId,
) -> Result<&'h Task, Fault> {
    if hand.task(id).is_none()
        && let Some((record, related)) = ready::task(conn, &hand.row_ids, id)?
    {
        hand.take_up(record, related);
    }
    match hand.task(id) {
        Some(record) => Ok(&record.task),
        None => Err(Fault::misuse(format!("there is no task {id}"))),
    }
}

/// Those that wait for a task wait for one less, or one more.
fn open_what_waits(
    conn: &mut SqliteConnection,
    hand: &mut InHand,
    id: &TaskId,
    before: Status,
    after: Status,
) -> Result<(), Fault> {
    let by = match (before, after) {
        (Status::Completed, Status::Completed) => return Ok(()),
        (_, Status::Completed) => -1,
        (Status::Completed, _) => 1,
        _ => return Ok(()),
    };
    if hand.related(id).is_some_and(|related| !related.dependents) {
        return Ok(());
    }
    let waits: Option<i64> = SomeoneWaits::new(id.as_str()).get_result(conn).optional()?;
    if waits.is_some() {
        OpenWhatWaits::new(by, id.as_str()).execute(conn)?;
        hand.forget_tasks();
    }
    Ok(())
}

pub(crate) fn remove_task(conn: &mut SqliteConnection, id: &TaskId) -> Result<Removed, Fault> {
    let tests: i64 = test_cases::table
        .filter(test_cases::task_id.eq(id.as_str()))
        .count()
        .get_result(conn)?;
    let rows = diesel::delete(tasks::table.filter(tasks::id.eq(id.as_str()))).execute(conn)?;
    one(rows, "task", id)?;
    Ok(Removed {
        tasks: 1,
        tests: unsigned(tests),
        ..Removed::default()
    })
}

/// The status of a parent that is being inserted.
pub(crate) fn childless(own: Status, hold: Option<&Hold>) -> &'static str {
    roll_up(Present::default(), false, hold.is_some())
        .unwrap_or(own)
        .as_str()
}

fn read_features(rows: Vec<StoredFeature>) -> Result<Vec<Feature>, Fault> {
    Ok(rows
        .into_iter()
        .map(StoredFeature::read)
        .collect::<Result<_, _>>()?)
}

/// How many tasks and test cases a feature's removal takes along.
fn below_feature(conn: &mut SqliteConnection, feature: &str) -> Result<(u64, u64), Fault> {
    let tasks: i64 = tasks::table
        .filter(tasks::feature_id.eq(feature))
        .count()
        .get_result(conn)?;
    let own: i64 = test_cases::table
        .filter(test_cases::feature_id.eq(feature))
        .count()
        .get_result(conn)?;
    let of_tasks: i64 = test_cases::table
        .filter(
            test_cases::task_id.eq_any(
                tasks::table
                    .filter(tasks::feature_id.eq(feature))
                    .select(tasks::id.nullable()),
            ),
        )
        .count()
        .get_result(conn)?;
    Ok((unsigned(tasks), unsigned(own) + unsigned(of_tasks)))
}
