//! What a write unit has in hand: the rows that it read or wrote and that nobody else can change until it ends, and
//! how many tasks came to and left each status, which is written to the parents once, however many tasks there were.
//!
//! Before a write that does more to other rows than is known here, all of it is written out and forgotten, but for the row ids
//! of tasks, which nobody relies on.
//!
//! The next write unit of the connection takes it over, if nobody else has committed anything since (`carried`).

#[cfg(test)]
mod differences;

use std::collections::BTreeMap;

use diesel::SqliteConnection;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::{Sqlite, SqliteValue};
use foldhash::{HashMap, HashSet};
use tasq_domain::rollup::roll_up;
use tasq_domain::{
    AnyId, Claim, Epic, EpicId, Feature, FeatureId, Hold, Priority, Proof, Settings, Source,
    Status, StatusCounts, Task, TaskId, TaskRecord, Timestamp,
};
use tasq_ports::Standing;

use super::ledger::Ledger;
use super::ready::{self, Outlook};
use super::{history, tree, unsigned};
use crate::error::{BadRow, Fault};
use crate::rows::packed::Columns;
use crate::statement::statement;

statement! {
    /// A feature's new counts; its status stands.
    CountInFeature {
        pending: i64 => BigInt, in_progress: i64 => BigInt, completed: i64 => BigInt, blocked: i64 => BigInt,
        seq: i64 => BigInt
    } -> () =
        "UPDATE features SET tasks_pending = ?, tasks_in_progress = ?, tasks_completed = ?, tasks_blocked = ?, \
         rev = rev + 1 WHERE seq = ?"
}
statement! {
    /// A feature's new counts and the status that follows from them.
    RollUpFeature {
        pending: i64 => BigInt, in_progress: i64 => BigInt, completed: i64 => BigInt, blocked: i64 => BigInt,
        at: i64 => BigInt, status: &'a str => Text, updated_at: i64 => BigInt, seq: i64 => BigInt
    } -> () =
        "UPDATE features SET tasks_pending = ?, tasks_in_progress = ?, tasks_completed = ?, tasks_blocked = ?, \
         touched_at = ?, status = ?, updated_at = ?, rev = rev + 1 WHERE seq = ?"
}
statement! {
    /// How many more features of an epic have each status.
    CountFeatures {
        pending: i64 => BigInt, in_progress: i64 => BigInt, completed: i64 => BigInt, blocked: i64 => BigInt,
        at: i64 => BigInt, id: &'a str => Text
    } -> () =
        "UPDATE epics SET features_pending = features_pending + ?, features_in_progress = features_in_progress + ?, \
         features_completed = features_completed + ?, features_blocked = features_blocked + ?, touched_at = ?, \
         rev = rev + 1 WHERE id = ?"
}
statement! {
    /// An epic's status as its features give it.
    RollUpEpic { id: &'a str => Text } -> () =
        "UPDATE epics SET status = rolled, updated_at = max(updated_at, touched_at), rev = rev + 1 \
         WHERE id = ? AND status <> rolled"
}

/// How many tasks are in hand at the most, and how many row ids are remembered, to bound the memory.
const MOST_TASKS: usize = 2_048;

/// How long the texts of all tasks in hand may be together, in bytes: one may have more than a megabyte.
const MOST_TEXT: usize = 4 << 20;

/// How many features are carried from one unit to the next.
const MOST_FEATURES: usize = 2_048;

/// How many epics are carried from one unit to the next.
const MOST_EPICS: usize = 64;

/// How long the texts of one of those may be, in bytes.
const MOST_TEXT_OF_EPIC: usize = 16 << 10;

/// What a write unit has in hand. A unit that only reads has the settings, the outlook and the row ids, and nothing else.
#[derive(Default)]
pub(crate) struct InHand {
    /// Boxed, because a growing map moves all that it has.
    tasks: HashMap<TaskId, Box<Held>>,
    features: HashMap<FeatureId, Parent>,
    /// Those of them whose counts are not written yet, each once.
    counted: Vec<FeatureId>,
    epics: BTreeMap<EpicId, Epic>,
    /// How long the texts of the tasks are together, in bytes.
    text: usize,
    pub(crate) settings: Option<Settings>,
    pub(crate) next_task: Option<i64>,
    pub(crate) ledger: Ledger,
    /// Until anything is written that may change it, or the unit ends.
    pub(crate) outlook: Option<Outlook>,
    /// Carried from one unit to the next, whatever happens between them.
    pub(crate) row_ids: RowIds,
}

/// The row ids of tasks that were handed out by this connection: who claims a task comes back for it, and its row id leads to
/// its row at once, while the index of ids is another page of a large file each time.
///
/// They are no more than hints, because any process may have changed the row since: it counts only if it has the task's id,
/// and otherwise the task is looked for by that.
#[derive(Default)]
pub(crate) struct RowIds(HashMap<TaskId, i64>);

impl RowIds {
    pub(crate) fn note(&mut self, task: &Task) {
        if self.0.len() >= MOST_TASKS && !self.0.contains_key(&task.id) {
            self.0.clear();
        }
        self.0.insert(task.id.clone(), task.seq);
    }

    pub(crate) fn of(&self, id: &TaskId) -> Option<i64> {
        self.0.get(id).copied()
    }
}

/// A task, and what there is around it.
struct Held {
    record: TaskRecord,
    related: Related,
}

/// Whether there may be anything of these kinds around a task; where there is not, nobody need ask: most have none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Related {
    /// It waits for others.
    pub(crate) dependencies: bool,
    /// Others wait for it.
    pub(crate) dependents: bool,
    /// It has test cases.
    pub(crate) tests: bool,
}

impl Related {
    /// Of a task that was just added.
    pub(crate) const NOTHING: Self = Self {
        dependencies: false,
        dependents: false,
        tests: false,
    };
}

/// What there is to know of a feature for its tasks: its counts, and what they inherit.
#[derive(Debug)]
struct Parent {
    seq: i64,
    epic: Option<EpicId>,
    priority: Priority,
    held: bool,
    own_status: Status,
    status: Status,
    updated_at: Timestamp,
    counts: StatusCounts,
    gate_open: bool,
    /// The time of the newest change below that is not written yet.
    touched_at: Option<Timestamp>,
    rolled_up: bool,
}

statement! {
    /// Those columns of a feature, in the order in which they are read.
    ParentById { id: &'a str => Text } -> Binary =
        "SELECT tasq_pack(id, seq, epic_id, priority, hold_at, own_status, status, updated_at, tasks_pending, \
         tasks_in_progress, tasks_completed, tasks_blocked, open_gates) FROM features WHERE id = ?"
}

/// What they say; or what is wrong with the row.
#[derive(FromSqlRow)]
struct StoredParent(Result<Parent, BadRow>);

impl FromSql<Binary, Sqlite> for StoredParent {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(Parent::read(value.read_blob())))
    }
}

/// What a task's parents give it.
pub(crate) struct Inherited {
    pub(crate) priority: Priority,
    pub(crate) epic: Option<EpicId>,
    pub(crate) held_above: bool,
}

impl InHand {
    /// Nothing but these row ids.
    pub(crate) fn with(row_ids: RowIds) -> Self {
        Self {
            row_ids,
            ..Self::default()
        }
    }

    /// Forgets all but the row ids.
    pub(crate) fn forget(&mut self) {
        *self = Self::with(std::mem::take(&mut self.row_ids));
    }

    /// Leaves what the next unit may take over: no outlook, and only so many features and epics. Tasks and their texts are
    /// bounded at all times.
    pub(crate) fn limit(&mut self) {
        // Time goes on.
        self.outlook = None;
        if self.features.len() > MOST_FEATURES {
            self.features = HashMap::default();
        }
        if self.epics.len() > MOST_EPICS {
            self.epics.clear();
        }
        self.epics
            .retain(|_, epic| text_of_epic(epic) <= MOST_TEXT_OF_EPIC);
    }

    /// What is to be seen to at this time.
    pub(crate) fn outlook(
        &mut self,
        conn: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<Outlook, Fault> {
        if let Some(known) = self.outlook {
            return Ok(known);
        }
        let outlook = ready::outlook(conn, now)?;
        self.outlook = Some(outlook);
        Ok(outlook)
    }

    pub(crate) fn task(&self, id: &TaskId) -> Option<&TaskRecord> {
        self.tasks.get(id).map(|held| &held.record)
    }

    /// What is known to be around a task, if that is known.
    pub(crate) fn related(&self, id: &TaskId) -> Option<Related> {
        self.tasks.get(id).map(|held| held.related)
    }

    pub(crate) fn take_up(&mut self, record: TaskRecord, related: Related) {
        let text = text_of(&record.task);
        if self.tasks.len() >= MOST_TASKS || self.text + text > MOST_TEXT {
            self.forget_tasks();
        }
        self.forget_task(&record.task.id);
        self.text += text;
        let id = record.task.id.clone();
        self.tasks.insert(id, Box::new(Held { record, related }));
    }

    /// Those of these tasks that are not in hand, for which there is room then: others make way if they are too many.
    pub(crate) fn make_room_for<'t>(&mut self, ids: &'t [TaskId]) -> Vec<&'t TaskId> {
        let ids = &ids[..ids.len().min(MOST_TASKS)];
        let unknown: Vec<&TaskId> = ids.iter().filter(|id| self.task(id).is_none()).collect();
        if self.tasks.len() + unknown.len() > MOST_TASKS {
            let asked: HashSet<&TaskId> = ids.iter().collect();
            self.tasks.retain(|id, _| asked.contains(id));
            let texts = self.tasks.values().map(|it| text_of(&it.record.task));
            self.text = texts.sum();
        }
        unknown
    }

    /// What a step changes of a task's life was written. All else of it, and what follows for it from others, stands.
    pub(crate) fn rewrite_life(&mut self, task: &Task) {
        let Some(held) = self.tasks.get_mut(&task.id) else {
            return;
        };
        let Task {
            // What `LifeRow` has.
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
            // The rest.
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
        let held = &mut held.record.task;
        self.text -= text_of(held);
        held.updated_at = *updated_at;
        held.status = *status;
        held.blocked_reason.clone_from(blocked_reason);
        held.retries_used = *retries_used;
        held.not_before = *not_before;
        held.attempts = *attempts;
        held.lost_in_a_row = *lost_in_a_row;
        held.claim.clone_from(claim);
        held.completed_at = *completed_at;
        held.proof.clone_from(proof);
        self.text += text_of(held);
        if self.text > MOST_TEXT {
            self.forget_tasks();
        }
    }

    /// There is more around a task than there was.
    pub(crate) fn relate(&mut self, id: &TaskId, what: impl FnOnce(&mut Related)) {
        if let Some(held) = self.tasks.get_mut(id) {
            what(&mut held.related);
        }
    }

    pub(crate) fn forget_task(&mut self, id: &TaskId) {
        if let Some(held) = self.tasks.remove(id) {
            self.text -= text_of(&held.record.task);
        }
    }

    /// Something changed what follows for tasks that are not named.
    pub(crate) fn forget_tasks(&mut self) {
        self.tasks.clear();
        self.text = 0;
    }

    pub(crate) fn feature(
        &mut self,
        conn: &mut SqliteConnection,
        id: &FeatureId,
    ) -> Result<Option<Feature>, Fault> {
        let Some(parent) = self.parent(conn, id)? else {
            return Ok(None);
        };
        let (status, updated_at) = (parent.status, parent.updated_at);
        Ok(tree::feature(conn, id)?.map(|feature| Feature {
            // As it will be when the unit ends.
            status,
            updated_at,
            ..feature
        }))
    }

    pub(crate) fn standing(
        &mut self,
        conn: &mut SqliteConnection,
        id: &FeatureId,
    ) -> Result<Option<Standing>, Fault> {
        Ok(self.parent(conn, id)?.map(|parent| Standing {
            status: parent.status,
            epic: parent.epic.clone(),
            updated_at: parent.updated_at,
        }))
    }

    pub(crate) fn epic(
        &mut self,
        conn: &mut SqliteConnection,
        id: &EpicId,
    ) -> Result<Option<Epic>, Fault> {
        if let Some(epic) = self.epics.get(id) {
            return Ok(Some(epic.clone()));
        }
        let Some(epic) = tree::epic(conn, id)? else {
            return Ok(None);
        };
        self.epics.insert(id.clone(), epic.clone());
        Ok(Some(epic))
    }

    /// The number of a task that is there.
    pub(crate) fn task_seq(&self, conn: &mut SqliteConnection, id: &TaskId) -> Result<i64, Fault> {
        match self.task(id) {
            Some(record) => Ok(record.task.seq),
            None => history::task_seq(conn, id),
        }
    }

    /// The number of an item that is there or was.
    pub(crate) fn entity_seq(
        &self,
        conn: &mut SqliteConnection,
        entity: &AnyId,
    ) -> Result<i64, Fault> {
        let known = match entity {
            AnyId::Task(id) => self.task(id).map(|record| record.task.seq),
            AnyId::Feature(id) => self.features.get(id).map(|parent| parent.seq),
            AnyId::Epic(id) => self.epics.get(id).map(|epic| epic.seq),
            AnyId::Test(_) => None,
        };
        match known {
            Some(seq) => Ok(seq),
            None => history::entity_seq(conn, entity),
        }
    }

    /// What a task gets from its feature and its epic; `None` if there is no such feature.
    pub(crate) fn inherited(
        &mut self,
        conn: &mut SqliteConnection,
        feature: &FeatureId,
    ) -> Result<Option<Inherited>, Fault> {
        let Some(parent) = self.parent(conn, feature)? else {
            return Ok(None);
        };
        let (priority, held) = (parent.priority, parent.held);
        let Some(epic) = parent.epic.clone() else {
            return Ok(Some(Inherited {
                priority,
                epic: None,
                held_above: held,
            }));
        };
        let above = match self.epics.get(&epic) {
            Some(epic) => epic.hold.is_some(),
            // A hold does not depend on what is not written yet.
            None => tree::epic(conn, &epic)?.is_some_and(|epic| epic.hold.is_some()),
        };
        Ok(Some(Inherited {
            priority,
            epic: Some(epic),
            held_above: held || above,
        }))
    }

    /// Counts a task of `feature` that had the status `before` (`None`: there was none) and has the status `after`.
    pub(crate) fn count(
        &mut self,
        conn: &mut SqliteConnection,
        feature: &FeatureId,
        before: Option<Status>,
        after: Status,
        at: Timestamp,
    ) -> Result<(), Fault> {
        if before == Some(after) {
            return Ok(());
        }
        let Some(parent) = self.parent(conn, feature)? else {
            // Only in a file that was tampered with, of which `tasq doctor` tells; other tasks go on.
            return Ok(());
        };
        let was = parent.status;
        let first = parent.touched_at.is_none();
        parent.count(before, after, at);
        let (is, at) = (parent.status, parent.updated_at);
        let epic = parent.epic.clone().filter(|_| was != is);
        if first {
            self.counted.push(feature.clone());
        }
        if let Some(epic) = epic {
            // At once, so that the epic follows each turn of its feature, with the time of each.
            turn_in_epic(conn, &epic, (was, is), at)?;
            self.epics.remove(&epic);
        }
        Ok(())
    }

    /// Whether all that was counted and added is written.
    pub(crate) fn is_written_out(&self) -> bool {
        self.ledger.is_written_out() && self.counted.is_empty()
    }

    /// Writes out what was counted and added; all that was read stays in hand.
    pub(crate) fn write_out(&mut self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        self.ledger.write_out(conn)?;
        for id in std::mem::take(&mut self.counted) {
            if let Some(parent) = self.features.get_mut(&id) {
                parent.write_out(conn)?;
            }
        }
        Ok(())
    }

    fn parent(
        &mut self,
        conn: &mut SqliteConnection,
        id: &FeatureId,
    ) -> Result<Option<&mut Parent>, Fault> {
        if !self.features.contains_key(id) {
            let row: Option<StoredParent> =
                ParentById::new(id.as_str()).get_result(conn).optional()?;
            let Some(StoredParent(parent)) = row else {
                return Ok(None);
            };
            self.features.insert(id.clone(), parent?);
        }
        Ok(self.features.get_mut(id))
    }
}

impl Parent {
    fn read(blob: &[u8]) -> Result<Self, BadRow> {
        let (mut row, _) = Columns::of("features", blob)?;
        let reading = row.reading;
        let parent = Self {
            seq: row.number("seq")?,
            epic: reading.maybe("epic_id", row.maybe_text("epic_id")?, EpicId::new)?,
            priority: reading.of("priority", Priority::new(row.number("priority")?))?,
            held: row.maybe_number("hold_at")?.is_some(),
            own_status: reading.of("own_status", row.text("own_status")?.parse())?,
            status: reading.of("status", row.text("status")?.parse())?,
            updated_at: row.time("updated_at")?,
            counts: StatusCounts {
                pending: unsigned(row.number("tasks_pending")?),
                in_progress: unsigned(row.number("tasks_in_progress")?),
                completed: unsigned(row.number("tasks_completed")?),
                blocked: unsigned(row.number("tasks_blocked")?),
            },
            gate_open: row.number("open_gates")? > 0,
            touched_at: None,
            rolled_up: false,
        };
        row.end();
        Ok(parent)
    }

    fn count(&mut self, before: Option<Status>, after: Status, at: Timestamp) {
        if let Some(before) = before {
            let count = counter(&mut self.counts, before);
            // Only a file that was tampered with counts too few; `tasq doctor` finds and mends it.
            *count = count.saturating_sub(1);
        }
        *counter(&mut self.counts, after) += 1;
        self.touched_at = Some(at);
        let status =
            roll_up(self.counts.present(), self.gate_open, self.held).unwrap_or(self.own_status);
        if status != self.status {
            self.status = status;
            self.updated_at = self.updated_at.max(at);
            self.rolled_up = true;
        }
    }

    fn write_out(&mut self, conn: &mut SqliteConnection) -> Result<(), Fault> {
        let Some(at) = self.touched_at.take() else {
            return Ok(());
        };
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let StatusCounts {
            pending,
            in_progress,
            completed,
            blocked,
        } = self.counts;
        let [pending, in_progress, completed, blocked] =
            [pending, in_progress, completed, blocked].map(signed);
        let (at, seq) = (at.micros(), self.seq);
        if std::mem::take(&mut self.rolled_up) {
            let status = self.status.as_str();
            let updated_at = self.updated_at.micros();
            RollUpFeature::new(
                pending,
                in_progress,
                completed,
                blocked,
                at,
                status,
                updated_at,
                seq,
            )
            .execute(conn)?;
        } else {
            CountInFeature::new(pending, in_progress, completed, blocked, seq).execute(conn)?;
        }
        Ok(())
    }
}

/// A feature of an epic that had one status has another.
fn turn_in_epic(
    conn: &mut SqliteConnection,
    epic: &EpicId,
    (before, after): (Status, Status),
    at: Timestamp,
) -> Result<(), Fault> {
    let more = |status| i64::from(after == status) - i64::from(before == status);
    let [pending, in_progress, completed, blocked] = [
        Status::Pending,
        Status::InProgress,
        Status::Completed,
        Status::Blocked,
    ]
    .map(more);
    let id = epic.as_str();
    CountFeatures::new(pending, in_progress, completed, blocked, at.micros(), id).execute(conn)?;
    RollUpEpic::new(id).execute(conn)?;
    Ok(())
}

/// How long the texts of a task are together, in bytes, but for its ids.
fn text_of(task: &Task) -> usize {
    let Task {
        description,
        hold,
        source,
        metadata,
        blocked_reason,
        claim,
        proof,
        ..
    } = task;
    let claim = claim.as_ref().map_or(0, |Claim { worker, cancel, .. }| {
        worker.as_str().len() + cancel.as_ref().map_or(0, |it| it.by.as_str().len())
    });
    let proof = match proof {
        Some(Proof::Override { by, reason }) => by.as_str().len() + reason.as_str().len(),
        Some(Proof::Tests | Proof::Unproven | Proof::Imported) | None => 0,
    };
    description.as_str().len()
        + text_of_hold(hold.as_ref())
        + text_of_source(source.as_ref())
        + metadata.as_str().len()
        + blocked_reason.as_ref().map_or(0, |it| it.as_str().len())
        + claim
        + proof
}

/// The same of an epic.
fn text_of_epic(epic: &Epic) -> usize {
    let Epic {
        name,
        description,
        hold,
        source,
        metadata,
        ..
    } = epic;
    name.as_str().len()
        + description.as_ref().map_or(0, |it| it.as_str().len())
        + text_of_hold(hold.as_ref())
        + text_of_source(source.as_ref())
        + metadata.as_str().len()
}

fn text_of_hold(hold: Option<&Hold>) -> usize {
    hold.map_or(0, |it| it.by.as_str().len() + it.reason.as_str().len())
}

fn text_of_source(source: Option<&Source>) -> usize {
    source.map_or(0, |it| it.origin.len() + it.digest.len())
}

fn counter(counts: &mut StatusCounts, status: Status) -> &mut u64 {
    match status {
        Status::Pending => &mut counts.pending,
        Status::InProgress => &mut counts.in_progress,
        Status::Completed => &mut counts.completed,
        Status::Blocked => &mut counts.blocked,
    }
}
