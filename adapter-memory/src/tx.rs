//! A unit of work over a state.

use std::sync::Arc;

use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, Attempt, Checkpoint, Contents, Dependency, EntityKind, Epic, EpicId, Event, Feature,
    FeatureId, Operation, OperationId, Place, Process, Question, Settings, StatusCounts, Task,
    TaskId, TaskRecord, TestCase, TestId, TestOwner, Timestamp,
};
use tasq_ports::{
    Access, BatchVisitor, EventFilter, Inserted, Page, Removed, StoreError, TaskFilter, TaskPage,
    Tx,
};

use crate::state::{State, owned};
use crate::table::broken;

/// How many tasks are given at once to who wants them all.
const BATCH: usize = 256;

/// One unit of work. What it writes is in the state at once; undoing means dropping that state.
#[derive(Debug)]
pub struct MemoryTx<'a> {
    state: &'a mut State,
    now: Timestamp,
    access: Access,
    changes: Changes,
}

/// What a unit of work has changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Whether anything was written.
    pub any: bool,
    /// What was written to the history, in order.
    pub history: Vec<History>,
}

/// A change to what happened, which a store with a log appends to it.
#[derive(Debug, Clone)]
pub enum History {
    /// An event was appended.
    Event(Arc<Event>),
    /// An attempt was inserted, or is now this.
    Attempt(Arc<Attempt>),
    /// A checkpoint was inserted.
    Checkpoint(Arc<Checkpoint>),
    /// An operation was kept, and the oldest beyond a number forgotten.
    Operation {
        /// The operation.
        operation: Arc<Operation>,
        /// How many are kept, this one included.
        keep: u64,
    },
    /// A task was removed, with its attempts and checkpoints.
    Removed(TaskId),
}

impl<'a> MemoryTx<'a> {
    /// Begins a unit of work at the instant `now`.
    pub fn new(state: &'a mut State, now: Timestamp, access: Access) -> Self {
        Self {
            state,
            now,
            access,
            changes: Changes::default(),
        }
    }

    /// Ends it and says what it changed.
    #[must_use]
    pub fn finish(self) -> Changes {
        self.changes
    }

    /// The state, for writing.
    fn write(&mut self) -> Result<&mut State, StoreError> {
        if self.access == Access::Read {
            return Err(broken("a write in a unit that only reads".to_owned()));
        }
        self.changes.any = true;
        Ok(self.state)
    }

    fn note(&mut self, change: History) {
        self.changes.history.push(change);
    }

    fn note_removed(&mut self, tasks: Vec<TaskId>) {
        self.changes
            .history
            .extend(tasks.into_iter().map(History::Removed));
    }
}

impl Tx for MemoryTx<'_> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn settings(&mut self) -> Result<Settings, StoreError> {
        Ok(self.state.settings.clone())
    }

    fn set_settings(&mut self, settings: &Settings) -> Result<(), StoreError> {
        self.write()?.settings = settings.clone();
        Ok(())
    }

    fn epic(&mut self, id: &EpicId) -> Result<Option<Epic>, StoreError> {
        Ok(self.state.epics.find(id).map(|epic| Epic::clone(epic)))
    }

    fn epics(&mut self) -> Result<Vec<Epic>, StoreError> {
        Ok(owned(self.state.epics.iter()))
    }

    fn counted_epics(&mut self) -> Result<Vec<(Epic, StatusCounts)>, StoreError> {
        Ok(self.state.counted_epics())
    }

    fn insert_epic(&mut self, epic: &Epic) -> Result<Inserted, StoreError> {
        self.write()?.add_epic(epic.clone())
    }

    fn update_epic(&mut self, epic: &Epic) -> Result<(), StoreError> {
        self.write()?.update_epic(epic)
    }

    fn remove_epic(&mut self, id: &EpicId) -> Result<Removed, StoreError> {
        let now = self.now;
        let (removed, tasks) = self.write()?.remove_epic(id, now)?;
        self.note_removed(tasks);
        Ok(removed)
    }

    fn feature(&mut self, id: &FeatureId) -> Result<Option<Feature>, StoreError> {
        let found = self.state.features.find(id);
        Ok(found.map(|feature| Feature::clone(feature)))
    }

    fn features(&mut self) -> Result<Vec<Feature>, StoreError> {
        Ok(owned(self.state.features.iter()))
    }

    #[allow(
        clippy::needless_lifetimes,
        reason = "the port needs the lifetime spelled out"
    )]
    fn features_of<'b>(&mut self, epic: Option<&'b EpicId>) -> Result<Vec<Feature>, StoreError> {
        Ok(self.state.features_below(epic))
    }

    #[allow(
        clippy::needless_lifetimes,
        reason = "the port needs the lifetime spelled out"
    )]
    fn counted_features<'b>(
        &mut self,
        epic: Option<&'b EpicId>,
    ) -> Result<Vec<(Feature, StatusCounts)>, StoreError> {
        Ok(self.state.counted_features(epic))
    }

    fn insert_feature(&mut self, feature: &Feature) -> Result<Inserted, StoreError> {
        self.write()?.insert_feature(feature)
    }

    fn update_feature(&mut self, feature: &Feature) -> Result<(), StoreError> {
        self.write()?.update_feature(feature)
    }

    fn remove_feature(&mut self, id: &FeatureId) -> Result<Removed, StoreError> {
        let now = self.now;
        let (removed, tasks) = self.write()?.remove_feature(id, now)?;
        self.note_removed(tasks);
        Ok(removed)
    }

    fn task(&mut self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        Ok(self.state.record(id))
    }

    fn has_task(&mut self, id: &TaskId) -> Result<bool, StoreError> {
        Ok(self.state.has_task(id))
    }

    fn next_ready(&mut self, scope: &Scope) -> Result<Option<TaskRecord>, StoreError> {
        Ok(self.state.next_ready(scope, self.now))
    }

    fn ready(&mut self, scope: &Scope, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        Ok(self.state.ready(scope, self.now, limit))
    }

    fn expired(&mut self, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        Ok(self.state.expired(self.now, limit))
    }

    fn any_process(&mut self) -> Result<bool, StoreError> {
        Ok(self.state.any_process())
    }

    fn processes_at(&mut self, place: &Place) -> Result<Vec<(TaskId, Process)>, StoreError> {
        Ok(self.state.processes_at(place))
    }

    fn tasks(&mut self, filter: &TaskFilter, page: &Page) -> Result<TaskPage, StoreError> {
        Ok(self.state.list(filter, page, self.now))
    }

    fn task_counts(&mut self, scope: &Scope) -> Result<StatusCounts, StoreError> {
        Ok(self.state.counts(scope))
    }

    fn insert_task(&mut self, task: &Task) -> Result<Inserted, StoreError> {
        self.write()?.insert_task(task)
    }

    fn update_task(&mut self, task: &Task) -> Result<(), StoreError> {
        self.write()?.update_task(task)
    }

    fn update_task_life(&mut self, task: &Task) -> Result<(), StoreError> {
        self.write()?.update_task_life(task)
    }

    fn remove_task(&mut self, id: &TaskId) -> Result<Removed, StoreError> {
        let now = self.now;
        let removed = self.write()?.remove_task(id, now)?;
        self.note_removed(vec![id.clone()]);
        Ok(removed)
    }

    fn test(&mut self, id: &TestId) -> Result<Option<TestCase>, StoreError> {
        Ok(self.state.tests.find(id).map(|test| TestCase::clone(test)))
    }

    fn tests_of(&mut self, owner: &TestOwner) -> Result<Vec<TestCase>, StoreError> {
        Ok(self.state.tests_of(owner))
    }

    fn tests(&mut self, after: i64, limit: u32) -> Result<Vec<TestCase>, StoreError> {
        Ok(owned(self.state.tests.after(after).take(limit as usize)))
    }

    fn insert_test(&mut self, test: &TestCase) -> Result<Inserted, StoreError> {
        self.write()?.insert_test(test)
    }

    fn update_test(&mut self, test: &TestCase) -> Result<(), StoreError> {
        self.write()?.update_test(test)
    }

    fn remove_test(&mut self, id: &TestId) -> Result<Removed, StoreError> {
        let now = self.now;
        self.write()?.remove_test(id, now)
    }

    fn dependencies_of(&mut self, task: &TaskId) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.state.dependencies_of(task))
    }

    fn dependents_of(&mut self, task: &TaskId) -> Result<Vec<TaskId>, StoreError> {
        Ok(self.state.dependents_of(task))
    }

    fn insert_dependency(&mut self, dependency: &Dependency) -> Result<bool, StoreError> {
        self.write()?.insert_dependency(dependency)
    }

    fn remove_dependency(&mut self, dependency: &Dependency) -> Result<bool, StoreError> {
        self.write()?.remove_dependency(dependency)
    }

    fn attempts_of(&mut self, task: &TaskId) -> Result<Vec<Attempt>, StoreError> {
        Ok(self.state.attempts_of(task))
    }

    fn attempt(&mut self, task: &TaskId, number: u32) -> Result<Option<Attempt>, StoreError> {
        let found = self.state.attempt(task, number);
        Ok(found.map(|attempt| Attempt::clone(attempt)))
    }

    fn insert_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        self.write()?.insert_attempt(attempt.clone())?;
        self.note(History::Attempt(Arc::new(attempt.clone())));
        Ok(())
    }

    fn update_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError> {
        let updated = self.write()?.update_attempt(attempt)?;
        self.note(History::Attempt(updated));
        Ok(())
    }

    fn checkpoints_of(&mut self, task: &TaskId) -> Result<Vec<Checkpoint>, StoreError> {
        Ok(self.state.checkpoints_of(task))
    }

    fn insert_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<i64, StoreError> {
        let inserted = self.write()?.insert_checkpoint(checkpoint.clone())?;
        let seq = inserted.seq;
        self.note(History::Checkpoint(inserted));
        Ok(seq)
    }

    fn questions_of(&mut self, task: &TaskId) -> Result<Vec<Question>, StoreError> {
        Ok(self.state.questions_of(task))
    }

    fn unanswered(&mut self) -> Result<Vec<Question>, StoreError> {
        Ok(self.state.unanswered())
    }

    fn insert_question(&mut self, question: &Question) -> Result<(), StoreError> {
        self.write()?.insert_question(question.clone())
    }

    fn update_question(&mut self, question: &Question) -> Result<(), StoreError> {
        self.write()?.update_question(question)
    }

    fn append_event(&mut self, event: &Event) -> Result<i64, StoreError> {
        let appended = self.write()?.append_event(event.clone())?;
        let seq = appended.seq;
        self.note(History::Event(appended));
        Ok(seq)
    }

    fn newest_event(&mut self) -> Result<i64, StoreError> {
        Ok(self.state.newest_event())
    }

    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        Ok(self.state.events(filter))
    }

    fn operation(&mut self, id: &OperationId) -> Result<Option<Operation>, StoreError> {
        let found = self.state.operation(id);
        Ok(found.map(|operation| Operation::clone(operation)))
    }

    fn insert_operation(&mut self, operation: &Operation, keep: u64) -> Result<(), StoreError> {
        let inserted = self.write()?.insert_operation(operation.clone(), keep)?;
        self.note(History::Operation {
            operation: inserted,
            keep,
        });
        Ok(())
    }

    fn ids_with_prefix(
        &mut self,
        kind: EntityKind,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<AnyId>, StoreError> {
        self.state
            .ids_with_prefix(kind, prefix, limit)
            .map_err(|error| broken(error.to_string()))
    }

    fn count(&mut self, kind: EntityKind) -> Result<u64, StoreError> {
        Ok(self.state.count(kind))
    }

    fn contents(&mut self) -> Result<Contents, StoreError> {
        Ok(self.state.contents())
    }

    fn tree(&mut self) -> Result<Contents, StoreError> {
        Ok(self.state.tree())
    }

    fn tree_without_tasks(&mut self) -> Result<Contents, StoreError> {
        Ok(self.state.tree_without_tasks())
    }

    fn task_batches(&mut self, visit: &mut dyn BatchVisitor) -> Result<(), StoreError> {
        let mut tasks = self.state.tasks.iter().map(|task| Task::clone(task));
        loop {
            let batch: Vec<Task> = tasks.by_ref().take(BATCH).collect();
            if batch.is_empty() || visit.visit(Box::new(batch)).is_break() {
                return Ok(());
            }
        }
    }

    fn load(&mut self, contents: &Contents) -> Result<(), StoreError> {
        let state = self.write()?;
        if !state.is_empty() {
            return Err(broken(
                "only an empty queue takes the contents of another".to_owned(),
            ));
        }
        *state = State::from_contents(contents.clone())?;
        let history = state.history();
        self.changes.history.extend(history);
        Ok(())
    }

    fn rederive(&mut self) -> Result<(), StoreError> {
        self.write()?.derive_all();
        Ok(())
    }
}
