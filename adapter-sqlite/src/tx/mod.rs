//! The unit of work: facts read and written within one transaction.

mod hand;
pub(crate) mod history;
pub(crate) mod ledger;
pub(crate) mod list;
pub(crate) mod questions;
pub(crate) mod ready;
pub(crate) mod tests;
pub(crate) mod tree;
pub(crate) mod whole;

use std::collections::HashSet;

use diesel::SqliteConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as Sql};
use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, Attempt, AttemptEnd, Checkpoint, Contents, Dependency, EntityKind, Epic, EpicId, Event,
    Feature, FeatureId, Operation, OperationId, Place as ProcessPlace, Process, Question, Settings,
    StatusCounts, Task, TaskId, TaskRecord, TestCase, TestId, TestOwner, Timestamp,
};
use tasq_ports::{
    Access, BatchVisitor, EventFilter, Inserted, Page, Removed, Standing, StoreError, TaskBatch,
    TaskFilter, TaskPage, TaskVisitor, Tx,
};

use crate::connect::Follows;
use crate::error::{Fault, Place};
use crate::schema::acting;
#[cfg(test)]
pub(crate) use hand::Related;
pub(crate) use hand::{InHand, RowIds};
use whole::TaskRows;

/// One unit of work on an open transaction.
pub(crate) struct SqliteTx<'a> {
    pub(crate) conn: &'a mut SqliteConnection,
    pub(crate) now: Timestamp,
    pub(crate) access: Access,
    pub(crate) place: &'a Place,
    pub(crate) follows: &'a mut Follows,
    pub(crate) hand: InHand,
    /// What was listed, or found ready, and waits for no others, so that nobody need ask; only where nothing can change it.
    pub(crate) wait_for_none: HashSet<TaskId>,
}

impl SqliteTx<'_> {
    fn read<T>(
        &mut self,
        body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        body(self.conn).map_err(|fault| self.place.fault(fault))
    }

    /// Writes something of which nothing follows for other rows.
    fn write<T>(
        &mut self,
        body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write_in_hand(|_, conn| body(conn))
    }

    /// Writes something that changes more rows than it names: triggers see to those.
    fn write_wide<T>(
        &mut self,
        body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.finish()?;
        self.hand.forget();
        self.may_write()?;
        self.followed_by(Follows::Triggers)?;
        self.read(body)
    }

    /// Reads what counts tasks.
    fn read_counted<T>(
        &mut self,
        body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.finish()?;
        self.read(body)
    }

    fn in_hand<T>(
        &mut self,
        body: impl FnOnce(&mut InHand, &mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        body(&mut self.hand, self.conn).map_err(|fault| self.place.fault(fault))
    }

    fn write_in_hand<T>(
        &mut self,
        body: impl FnOnce(&mut InHand, &mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.may_write()?;
        self.followed_by(Follows::Unit)?;
        let written = self.in_hand(body);
        self.hand.outlook = None;
        written
    }

    /// Writes what has neither triggers nor references, so that it does not matter who would follow it: each switch has
    /// SQLite prepare its statements anew.
    fn write_down<T>(
        &mut self,
        body: impl FnOnce(&mut InHand, &mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.may_write()?;
        self.in_hand(body)
    }

    /// Reads what the ledger adds to.
    fn read_history<T>(
        &mut self,
        body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write_events()?;
        if !self.hand.ledger.is_written_out() {
            self.write_in_hand(|hand, conn| hand.ledger.write_out(conn))?;
        }
        self.read(body)
    }

    fn write_events(&mut self) -> Result<(), StoreError> {
        if self.hand.ledger.has_events() {
            self.write_down(|hand, conn| hand.ledger.write_events(conn))?;
        }
        Ok(())
    }

    /// Writes out what was counted and added; all that was read stays in hand. Before the commit, and before anybody else
    /// counts.
    pub(crate) fn finish(&mut self) -> Result<(), StoreError> {
        self.write_events()?;
        if self.hand.is_written_out() {
            return Ok(());
        }
        self.write_in_hand(InHand::write_out)
    }

    fn followed_by(&mut self, who: Follows) -> Result<(), StoreError> {
        let switched = self.follows.by(who, self.conn);
        switched.map_err(|error| self.place.sql(&error))
    }

    fn may_write(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(StoreError::Backend {
                what: "a unit of work that only reads tried to write".to_owned(),
            }),
        }
    }

    /// Removes something; what it rolls up gets this unit's time.
    fn remove<T>(
        &mut self,
        body: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let now = self.now.micros();
        self.write_wide(|conn| {
            act_at(conn, Some(now))?;
            let removed = body(conn);
            act_at(conn, None)?;
            removed
        })
    }
}

/// Rows of tasks, and the store that they are of, which errors name.
struct PlacedRows {
    rows: TaskRows,
    place: Place,
}

impl TaskBatch for PlacedRows {
    fn show(self: Box<Self>, visit: &mut dyn TaskVisitor) -> Result<(), StoreError> {
        let shown = self.rows.each(|task| visit.visit(task));
        shown.map_err(|row| self.place.fault(row.into()))
    }
}

impl Tx for SqliteTx<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn settings(&mut self) -> Result<Settings, StoreError> {
        self.in_hand(|hand, conn| {
            if let Some(settings) = &hand.settings {
                return Ok(settings.clone());
            }
            let settings = whole::settings(conn)?;
            hand.settings = Some(settings.clone());
            Ok(settings)
        })
    }

    fn set_settings(&mut self, settings: &Settings) -> Result<(), StoreError> {
        self.write_wide(|conn| whole::set_settings(conn, settings))
    }

    fn epic(&mut self, id: &EpicId) -> Result<Option<Epic>, StoreError> {
        if self.access == Access::Write {
            return self.in_hand(|hand, conn| hand.epic(conn, id));
        }
        self.read(|conn| tree::epic(conn, id))
    }

    fn epics(&mut self) -> Result<Vec<Epic>, StoreError> {
        self.read_counted(tree::epics)
    }

    fn counted_epics(&mut self) -> Result<Vec<(Epic, StatusCounts)>, StoreError> {
        self.read_counted(tree::counted_epics)
    }

    fn insert_epic(&mut self, epic: &Epic) -> Result<Inserted, StoreError> {
        self.write_wide(|conn| tree::insert_epic(conn, epic))
    }

    fn update_epic(&mut self, epic: &Epic) -> Result<(), StoreError> {
        self.write_wide(|conn| tree::update_epic(conn, epic))
    }

    fn remove_epic(&mut self, id: &EpicId) -> Result<Removed, StoreError> {
        self.remove(|conn| tree::remove_epic(conn, id))
    }

    fn feature(&mut self, id: &FeatureId) -> Result<Option<Feature>, StoreError> {
        if self.access == Access::Write {
            return self.in_hand(|hand, conn| hand.feature(conn, id));
        }
        self.read(|conn| tree::feature(conn, id))
    }

    fn standing(&mut self, id: &FeatureId) -> Result<Option<Standing>, StoreError> {
        if self.access == Access::Write {
            return self.in_hand(|hand, conn| hand.standing(conn, id));
        }
        self.read(|conn| InHand::default().standing(conn, id))
    }

    fn features(&mut self) -> Result<Vec<Feature>, StoreError> {
        self.read_counted(tree::features)
    }

    fn features_of(&mut self, epic: Option<&EpicId>) -> Result<Vec<Feature>, StoreError> {
        self.read_counted(|conn| tree::features_of(conn, epic))
    }

    fn counted_features(
        &mut self,
        epic: Option<&EpicId>,
    ) -> Result<Vec<(Feature, StatusCounts)>, StoreError> {
        self.read_counted(|conn| tree::counted_features(conn, epic))
    }

    fn insert_feature(&mut self, feature: &Feature) -> Result<Inserted, StoreError> {
        self.write_wide(|conn| tree::insert_feature(conn, feature))
    }

    fn update_feature(&mut self, feature: &Feature) -> Result<(), StoreError> {
        self.write_wide(|conn| tree::update_feature(conn, feature))
    }

    fn remove_feature(&mut self, id: &FeatureId) -> Result<Removed, StoreError> {
        self.remove(|conn| tree::remove_feature(conn, id))
    }

    fn task(&mut self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        if self.access == Access::Read {
            return self.read(|conn| ready::only_task(conn, id));
        }
        self.in_hand(|hand, conn| {
            if let Some(record) = hand.task(id) {
                return Ok(Some(record.clone()));
            }
            let Some((record, related)) = ready::task(conn, &hand.row_ids, id)? else {
                return Ok(None);
            };
            hand.take_up(record.clone(), related);
            Ok(Some(record))
        })
    }

    /// A writer who asks whether a task is there reads it next.
    fn has_task(&mut self, id: &TaskId) -> Result<bool, StoreError> {
        match self.access {
            Access::Write => Ok(self.task(id)?.is_some()),
            Access::Read => self.read(|conn| ready::is_there(conn, id)),
        }
    }

    fn next_ready(&mut self, scope: &Scope) -> Result<Option<TaskRecord>, StoreError> {
        Ok(self.ready(scope, 1)?.pop())
    }

    fn ready(&mut self, scope: &Scope, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let (now, access) = (self.now, self.access);
        let found =
            self.in_hand(|hand, conn| ready::ready(conn, hand, scope, now, access, limit))?;
        let records = found.into_iter().map(|(record, related)| {
            match access {
                Access::Write => {
                    self.hand.row_ids.note(&record.task);
                    self.hand.take_up(record.clone(), related);
                }
                Access::Read if !related.dependencies => {
                    self.wait_for_none.insert(record.task.id.clone());
                }
                Access::Read => {}
            }
            record
        });
        Ok(records.collect())
    }

    fn foresee(&mut self, tasks: &[TaskId]) -> Result<(), StoreError> {
        if self.access == Access::Read {
            return Ok(());
        }
        self.in_hand(|hand, conn| {
            let ids = hand.make_room_for(tasks);
            for (record, related) in ready::several(conn, &hand.row_ids, &ids)? {
                hand.take_up(record, related);
            }
            Ok(())
        })
    }

    fn expired(&mut self, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let now = self.now;
        self.in_hand(|hand, conn| ready::expired(conn, hand, now, limit))
    }

    fn any_process(&mut self) -> Result<bool, StoreError> {
        let now = self.now;
        self.in_hand(|hand, conn| Ok(hand.outlook(conn, now)?.processes))
    }

    fn processes_at(&mut self, place: &ProcessPlace) -> Result<Vec<(TaskId, Process)>, StoreError> {
        self.read(|conn| ready::processes_at(conn, place))
    }

    fn tasks(&mut self, filter: &TaskFilter, page: &Page) -> Result<TaskPage, StoreError> {
        let now = self.now;
        let (page, wait_for_none) = self.read(|conn| list::tasks(conn, filter, page, now))?;
        if self.access == Access::Read {
            self.wait_for_none.extend(wait_for_none);
        }
        Ok(page)
    }

    fn task_counts(&mut self, scope: &Scope) -> Result<StatusCounts, StoreError> {
        self.read_counted(|conn| list::task_counts(conn, scope))
    }

    fn insert_task(&mut self, task: &Task) -> Result<Inserted, StoreError> {
        self.write_in_hand(|hand, conn| tree::add_task(conn, hand, task))
    }

    fn update_task(&mut self, task: &Task) -> Result<(), StoreError> {
        if let Some(before) = self.in_hand(|hand, conn| tree::moves(conn, hand, task))? {
            return self.write_wide(|conn| tree::move_task(conn, before, task));
        }
        self.write_in_hand(|hand, conn| tree::update_task(conn, hand, task))
    }

    fn update_task_life(&mut self, task: &Task) -> Result<(), StoreError> {
        self.write_in_hand(|hand, conn| tree::update_task_life(conn, hand, task))
    }

    fn remove_task(&mut self, id: &TaskId) -> Result<Removed, StoreError> {
        self.remove(|conn| tree::remove_task(conn, id))
    }

    fn test(&mut self, id: &TestId) -> Result<Option<TestCase>, StoreError> {
        self.read(|conn| tests::test(conn, id))
    }

    fn tests_of(&mut self, owner: &TestOwner) -> Result<Vec<TestCase>, StoreError> {
        if let TestOwner::Task(task) = owner
            && self.hand.related(task).is_some_and(|it| !it.tests)
        {
            return Ok(Vec::new());
        }
        self.read(|conn| tests::tests_of(conn, owner))
    }

    fn tests(&mut self, after: i64, limit: u32) -> Result<Vec<TestCase>, StoreError> {
        self.read(|conn| tests::tests(conn, after, limit.into()))
    }

    fn insert_test(&mut self, test: &TestCase) -> Result<Inserted, StoreError> {
        match test.owner {
            TestOwner::Feature(_) => self.write_wide(|conn| tests::insert(conn, test)),
            TestOwner::Task(ref task) => self.write_in_hand(|hand, conn| {
                hand.task_seq(conn, task)?;
                let outcome = tests::insert(conn, test)?;
                if let Inserted::At(_) = outcome {
                    hand.relate(task, |it| it.tests = true);
                }
                Ok(outcome)
            }),
        }
    }

    fn update_test(&mut self, test: &TestCase) -> Result<(), StoreError> {
        if self.read(|conn| tests::stays_with_task(conn, test))? {
            return self.write(|conn| tests::update(conn, test));
        }
        self.write_wide(|conn| tests::update(conn, test))
    }

    fn remove_test(&mut self, id: &TestId) -> Result<Removed, StoreError> {
        self.remove(|conn| tests::remove(conn, id))
    }

    fn dependencies_of(&mut self, task: &TaskId) -> Result<Vec<TaskId>, StoreError> {
        let known = self.hand.related(task).is_some_and(|it| !it.dependencies);
        if known || self.wait_for_none.contains(task) {
            return Ok(Vec::new());
        }
        self.read(|conn| history::dependencies_of(conn, task))
    }

    fn dependents_of(&mut self, task: &TaskId) -> Result<Vec<TaskId>, StoreError> {
        if self.hand.related(task).is_some_and(|it| !it.dependents) {
            return Ok(Vec::new());
        }
        self.read(|conn| history::dependents_of(conn, task))
    }

    fn insert_dependency(&mut self, dependency: &Dependency) -> Result<bool, StoreError> {
        self.write_in_hand(|hand, conn| {
            let task = hand.task_seq(conn, &dependency.task)?;
            // What it waits for is counted in its row.
            hand.forget_task(&dependency.task);
            hand.relate(&dependency.on, |it| it.dependents = true);
            history::insert_dependency(conn, task, dependency)
        })
    }

    fn remove_dependency(&mut self, dependency: &Dependency) -> Result<bool, StoreError> {
        self.write_wide(|conn| history::remove_dependency(conn, dependency))
    }

    fn attempts_of(&mut self, task: &TaskId) -> Result<Vec<Attempt>, StoreError> {
        self.read_history(|conn| history::attempts_of(conn, task))
    }

    fn attempt(&mut self, task: &TaskId, number: u32) -> Result<Option<Attempt>, StoreError> {
        self.read_history(|conn| history::attempt(conn, task, number))
    }

    fn insert_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        self.write_in_hand(|hand, conn| {
            let task = hand.task_seq(conn, &attempt.task)?;
            hand.ledger.insert_attempt(conn, task, attempt)
        })
    }

    fn update_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        self.write_in_hand(|hand, conn| {
            let task = hand.task_seq(conn, &attempt.task)?;
            hand.ledger.write_attempts(conn)?;
            history::update_attempt(conn, task, attempt)
        })
    }

    fn end_attempt(
        &mut self,
        task: &TaskId,
        number: u32,
        end: &AttemptEnd,
    ) -> Result<bool, StoreError> {
        self.write_in_hand(|hand, conn| {
            let seq = match hand.task(task) {
                Some(record) => Some(record.task.seq),
                None => history::find_task_seq(conn, task)?,
            };
            let Some(seq) = seq else { return Ok(false) };
            hand.ledger.write_attempts(conn)?;
            history::end_attempt(conn, seq, number, end)
        })
    }

    fn checkpoints_of(&mut self, task: &TaskId) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(|conn| history::checkpoints_of(conn, task))
    }

    fn insert_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<i64, StoreError> {
        self.write_in_hand(|hand, conn| {
            hand.task_seq(conn, &checkpoint.task)?;
            history::insert_checkpoint(conn, checkpoint)
        })
    }

    fn questions_of(&mut self, task: &TaskId) -> Result<Vec<Question>, StoreError> {
        self.read(|conn| questions::questions_of(conn, task))
    }

    fn unanswered(&mut self) -> Result<Vec<Question>, StoreError> {
        self.read(questions::unanswered)
    }

    fn insert_question(&mut self, question: &Question) -> Result<(), StoreError> {
        self.write_in_hand(|hand, conn| {
            hand.task_seq(conn, &question.task)?;
            questions::insert_question(conn, question)
        })
    }

    fn update_question(&mut self, question: &Question) -> Result<(), StoreError> {
        self.write(|conn| questions::update_question(conn, question))
    }

    fn append_event(&mut self, event: &Event) -> Result<i64, StoreError> {
        self.write_down(|hand, conn| {
            let entity = hand.entity_seq(conn, &event.entity)?;
            hand.ledger.append_event(conn, entity, event)
        })
    }

    fn newest_event(&mut self) -> Result<i64, StoreError> {
        self.read_history(history::newest_event)
    }

    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        self.read_history(|conn| history::events(conn, filter))
    }

    fn operation(&mut self, id: &OperationId) -> Result<Option<Operation>, StoreError> {
        self.read(|conn| history::operation(conn, id))
    }

    fn insert_operation(&mut self, operation: &Operation, keep: u64) -> Result<(), StoreError> {
        self.write_down(|_, conn| history::insert_operation(conn, operation, keep))
    }

    fn ids_with_prefix(
        &mut self,
        kind: EntityKind,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<AnyId>, StoreError> {
        self.read(|conn| list::ids_with_prefix(conn, kind, prefix, limit))
    }

    fn count(&mut self, kind: EntityKind) -> Result<u64, StoreError> {
        self.read_counted(|conn| list::count(conn, kind))
    }

    fn contents(&mut self) -> Result<Contents, StoreError> {
        self.read_counted(whole::contents)
    }

    fn tree(&mut self) -> Result<Contents, StoreError> {
        self.read_counted(whole::tree)
    }

    fn tree_without_tasks(&mut self) -> Result<Contents, StoreError> {
        self.read_counted(whole::tree_without_tasks)
    }

    fn task_batches(&mut self, visit: &mut dyn BatchVisitor) -> Result<(), StoreError> {
        let place = self.place;
        self.read_counted(|conn| {
            whole::batches(conn, &mut |rows| {
                let place = place.clone();
                visit.visit(Box::new(PlacedRows { rows, place }))
            })
        })
    }

    fn load(&mut self, contents: &Contents) -> Result<(), StoreError> {
        self.write_wide(|conn| whole::load(conn, contents))
    }

    fn rederive(&mut self) -> Result<(), StoreError> {
        self.write_wide(whole::rederive)
    }
}

/// Whether an item could be inserted, by what SQLite said. A taken `seq` is an error: the caller chose it.
fn inserted(outcome: QueryResult<usize>, seq: i64) -> Result<Inserted, Fault> {
    match outcome {
        Ok(_) => Ok(Inserted::At(seq)),
        Err(Sql::DatabaseError(DatabaseErrorKind::UniqueViolation, info))
            if info.message().ends_with(".id") =>
        {
            Ok(Inserted::Taken)
        }
        Err(error) => Err(error.into()),
    }
}

/// An update or a removal that must have met one row.
fn one(rows: usize, kind: &str, id: impl std::fmt::Display) -> Result<(), Fault> {
    if rows == 1 {
        return Ok(());
    }
    Err(Fault::misuse(format!("there is no {kind} {id}")))
}

/// A count that cannot be negative, unless the file was tampered with.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn act_at(conn: &mut SqliteConnection, at: Option<i64>) -> Result<(), Fault> {
    // A plain client may have removed the row.
    diesel::insert_into(acting::table)
        .values((acting::one.eq(1), acting::acting_at.eq(at)))
        .on_conflict(acting::one)
        .do_update()
        .set(acting::acting_at.eq(at))
        .execute(conn)?;
    Ok(())
}
