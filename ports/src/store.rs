//! The storage port: a unit of work over facts.

use std::ops::ControlFlow;

use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, Attempt, AttemptEnd, Checkpoint, Contents, Dependency, EntityKind, Epic, EpicId, Event,
    Feature, FeatureId, Operation, OperationId, Place, Process, Question, Settings, Status,
    StatusCounts, Task, TaskId, TaskRecord, TestCase, TestId, TestOwner, Timestamp,
};

use crate::error::StoreError;
use crate::list::{EventFilter, Page, TaskFilter, TaskPage};

/// What a unit of work may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read one consistent snapshot; a write is a [`StoreError::Backend`].
    Read,
    /// Read and write, alone: no other writer is between its first read and its commit.
    Write,
}

/// What becomes of a unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Keep what was written.
    Commit,
    /// Undo it.
    Rollback,
}

/// Where a store is, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreInfo {
    /// The kind: `sqlite`, `json` or `memory`.
    pub kind: &'static str,
    /// Its place, such as a path.
    pub place: String,
    /// The version of its format, from 1.
    pub schema_version: i64,
}

/// A queue's storage. Shared between threads; several processes may have the same one open.
pub trait Store: Send + Sync {
    /// Carries out one unit of work: all of it is visible and durable when this returns, or none of it ever.
    ///
    /// The body may run more than once, after everything it did was undone, so it must have no effect but through the
    /// [`Tx`]. When the body returns an error, everything is undone and the error is returned.
    ///
    /// # Errors
    /// Whatever the body or the commit fails with. Only [`StoreError::OutcomeUnknown`] leaves it open whether the unit
    /// was committed.
    fn run(
        &self,
        access: Access,
        body: &mut dyn FnMut(&mut dyn Tx) -> Result<Verdict, StoreError>,
    ) -> Result<(), StoreError>;

    /// What this store is.
    fn info(&self) -> StoreInfo;
}

/// An error that may hold a store's error, so that a use case's own errors can pass through a unit of work.
pub trait FromStore: From<StoreError> {
    /// Gives the store's error back, or the error itself if it is another.
    ///
    /// # Errors
    /// The error itself, when it did not come from the store.
    fn into_store(self) -> Result<StoreError, Self>;
}

impl FromStore for StoreError {
    fn into_store(self) -> Result<StoreError, Self> {
        Ok(self)
    }
}

/// Units of work that return any value and any error.
pub trait StoreExt: Store {
    /// Reads one consistent snapshot.
    ///
    /// # Errors
    /// What the body or the store fails with.
    fn read<T, E: FromStore>(&self, body: impl FnMut(&mut dyn Tx) -> Result<T, E>) -> Result<T, E> {
        unit(self, Access::Read, body)
    }

    /// Reads and writes; commits if the body returns `Ok`, and undoes everything if it returns an error.
    ///
    /// # Errors
    /// What the body or the store fails with.
    fn write<T, E: FromStore>(
        &self,
        body: impl FnMut(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        unit(self, Access::Write, body)
    }
}

impl<S: Store + ?Sized> StoreExt for S {}

fn unit<S: Store + ?Sized, T, E: FromStore>(
    store: &S,
    access: Access,
    mut body: impl FnMut(&mut dyn Tx) -> Result<T, E>,
) -> Result<T, E> {
    let mut outcome: Option<Result<T, E>> = None;
    store.run(access, &mut |tx| match body(tx) {
        Ok(value) => {
            outcome = Some(Ok(value));
            Ok(Verdict::Commit)
        }
        Err(error) => match error.into_store() {
            Ok(error) => Err(error),
            Err(error) => {
                outcome = Some(Err(error));
                Ok(Verdict::Rollback)
            }
        },
    })?;
    outcome.expect("a store runs the body before it returns Ok")
}

/// What its tasks make of a feature, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its status.
    pub status: Status,
    /// Its epic.
    pub epic: Option<EpicId>,
    /// Its last change.
    pub updated_at: Timestamp,
}

impl Standing {
    fn of(feature: Feature) -> Self {
        let Feature {
            status,
            epic,
            updated_at,
            ..
        } = feature;
        Self {
            status,
            epic,
            updated_at,
        }
    }
}

/// Whether an item could be inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Inserted {
    /// It was, and has this `seq`.
    At(i64),
    /// Its id is taken; nothing was inserted.
    Taken,
}

/// What a removal removed, with all below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Epics.
    pub epics: u64,
    /// Features.
    pub features: u64,
    /// Tasks.
    pub tasks: u64,
    /// Test cases.
    pub tests: u64,
}

/// Who is shown tasks, one after the other: any closure that takes a task.
pub trait TaskVisitor {
    /// Takes the next task, and says whether it wants more.
    fn visit(&mut self, task: Task) -> ControlFlow<()>;
}

impl<F: FnMut(Task) -> ControlFlow<()>> TaskVisitor for F {
    fn visit(&mut self, task: Task) -> ControlFlow<()> {
        self(task)
    }
}

/// Some tasks that were read from a store. They may not be made of their rows yet, which is much of the work, and can be done
/// by another thread while the next ones are read. What it shows stays as it was read, whatever becomes of the store.
pub trait TaskBatch: Send {
    /// Makes its tasks and shows them, one after the other. It ends early, and well, where `visit` breaks off.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first that is not fit to be a task.
    fn show(self: Box<Self>, visit: &mut dyn TaskVisitor) -> Result<(), StoreError>;
}

impl TaskBatch for Vec<Task> {
    fn show(self: Box<Self>, visit: &mut dyn TaskVisitor) -> Result<(), StoreError> {
        let _ = self.into_iter().try_for_each(|task| visit.visit(task));
        Ok(())
    }
}

/// Who is given tasks some at a time: any closure that takes a batch.
pub trait BatchVisitor {
    /// Takes the next tasks, and says whether it wants more.
    fn visit(&mut self, batch: Box<dyn TaskBatch>) -> ControlFlow<()>;
}

impl<F: FnMut(Box<dyn TaskBatch>) -> ControlFlow<()>> BatchVisitor for F {
    fn visit(&mut self, batch: Box<dyn TaskBatch>) -> ControlFlow<()> {
        self(batch)
    }
}

/// The facts that use cases need, within one unit of work.
///
/// What a store derives, and derives alone (a caller never writes it): a parent's `status` (by
/// [`roll_up`](tasq_domain::rollup::roll_up), else its `own_status`), the effective priority, the number of open
/// dependencies, whether something above is on hold, and the counts. After every write they are right for the next
/// read in the same unit. A parent that a write rolls up gets the written item's `updated_at`, unless its own is
/// later; a removal counts as written at `now`; and an epic gets what the feature below it has then. (When an item
/// moves, a parent that ends in the status it had may get that time as well.) Everything else is stored exactly as
/// given, but that white space between the tokens of a JSON text may go: a store applies no rule of a task's life.
///
/// In return the caller keeps the rules that bind items to each other: a claim has its open attempt, of the same
/// token, and no other attempt is open; no attempt has a greater number than its task's `attempts`; dependencies have no
/// cycle. A store may refuse or mend what breaks them. Of several faults of one call any may be told.
///
/// Removing an item removes all below it (features, tasks, test cases, dependencies in both directions, questions,
/// attempts, checkpoints), never events.
///
/// A missing item is `None` on reading; updating or removing one that is missing is a [`StoreError::Backend`].
/// Lists are in the order of `seq` unless they say otherwise.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Tx {
    /// The one instant of this unit of work.
    fn now(&self) -> Timestamp;

    /// The queue's settings.
    fn settings(&mut self) -> Result<Settings, StoreError>;
    /// Replaces the queue's settings.
    fn set_settings(&mut self, settings: &Settings) -> Result<(), StoreError>;

    /// An epic.
    fn epic(&mut self, id: &EpicId) -> Result<Option<Epic>, StoreError>;
    /// Every epic.
    fn epics(&mut self) -> Result<Vec<Epic>, StoreError>;
    /// Every epic, with how many of the tasks below it have which status. A walk over the epics, however many tasks
    /// there are.
    fn counted_epics(&mut self) -> Result<Vec<(Epic, StatusCounts)>, StoreError>;
    /// Inserts an epic; `seq` 0 means the next, any other is kept and must be free. Its `status` is derived.
    fn insert_epic(&mut self, epic: &Epic) -> Result<Inserted, StoreError>;
    /// Replaces everything of an epic but `seq`, `id` and `created_at`. Its `status` is derived.
    fn update_epic(&mut self, epic: &Epic) -> Result<(), StoreError>;
    /// Removes an epic and all below it.
    fn remove_epic(&mut self, id: &EpicId) -> Result<Removed, StoreError>;

    /// A feature.
    fn feature(&mut self, id: &FeatureId) -> Result<Option<Feature>, StoreError>;
    /// How a feature stands, for whoever wants to know no more of it; in a write unit, as it will when the unit ends.
    fn standing(&mut self, id: &FeatureId) -> Result<Option<Standing>, StoreError> {
        Ok(self.feature(id)?.map(Standing::of))
    }
    /// Every feature.
    fn features(&mut self) -> Result<Vec<Feature>, StoreError>;
    /// The features of an epic, or with `None` those without one.
    #[allow(
        clippy::needless_lifetimes,
        reason = "the mock needs the lifetime spelled out"
    )]
    fn features_of<'a>(&mut self, epic: Option<&'a EpicId>) -> Result<Vec<Feature>, StoreError>;
    /// The features of an epic, or with `None` every feature there is, each with how many of its tasks have which
    /// status. A walk over these features, however many tasks there are.
    #[allow(
        clippy::needless_lifetimes,
        reason = "the mock needs the lifetime spelled out"
    )]
    fn counted_features<'a>(
        &mut self,
        epic: Option<&'a EpicId>,
    ) -> Result<Vec<(Feature, StatusCounts)>, StoreError>;
    /// Inserts a feature, as [`insert_epic`](Self::insert_epic). Its epic must exist.
    fn insert_feature(&mut self, feature: &Feature) -> Result<Inserted, StoreError>;
    /// Replaces everything of a feature but `seq`, `id` and `created_at`. Its `status` is derived.
    fn update_feature(&mut self, feature: &Feature) -> Result<(), StoreError>;
    /// Removes a feature and all below it.
    fn remove_feature(&mut self, id: &FeatureId) -> Result<Removed, StoreError>;

    /// A task; in a write unit nothing can change it until the unit ends.
    fn task(&mut self, id: &TaskId) -> Result<Option<TaskRecord>, StoreError>;
    /// Whether there is a task with this id; in a write unit it stays so until the unit ends, or adds or removes it.
    fn has_task(&mut self, id: &TaskId) -> Result<bool, StoreError>;
    /// The first task in the order of work that is ready at `now` and lies in the scope.
    fn next_ready(&mut self, scope: &Scope) -> Result<Option<TaskRecord>, StoreError>;
    /// The first tasks in the order of work that are ready at `now` and lie in the scope, at most `limit`. Handing out one
    /// of them changes nothing for the others.
    fn ready(&mut self, scope: &Scope, limit: u32) -> Result<Vec<TaskRecord>, StoreError>;
    /// Tells that these tasks are about to be asked for, one after the other, so that a store may read them together. It
    /// changes nothing, whether they are there or not, and fails as reading one of them would.
    fn foresee(&mut self, tasks: &[TaskId]) -> Result<(), StoreError> {
        let _ = tasks;
        Ok(())
    }
    /// Tasks whose lease ran out at or before `now`, longest ago first, at most `limit`.
    fn expired(&mut self, limit: u32) -> Result<Vec<TaskRecord>, StoreError>;
    /// Whether the claim of any task has a process, whatever place it was seen at: mostly none has, and then nobody need find
    /// out what place this is.
    fn any_process(&mut self) -> Result<bool, StoreError>;
    /// The tasks whose claim has a process that was seen at this place, and those processes. A walk over these claims,
    /// however many tasks there are.
    fn processes_at(&mut self, place: &Place) -> Result<Vec<(TaskId, Process)>, StoreError>;
    /// A page of tasks.
    fn tasks(&mut self, filter: &TaskFilter, page: &Page) -> Result<TaskPage, StoreError>;
    /// How many tasks of the scope have which status.
    fn task_counts(&mut self, scope: &Scope) -> Result<StatusCounts, StoreError>;
    /// Inserts a task, as [`insert_epic`](Self::insert_epic). Its feature must exist.
    fn insert_task(&mut self, task: &Task) -> Result<Inserted, StoreError>;
    /// Replaces what defines a task and the rest alike: everything but `seq`, `id` and `created_at`.
    fn update_task(&mut self, task: &Task) -> Result<(), StoreError>;
    /// Replaces only what a step of a task's life changes: `status`, `blocked_reason`, `retries_used`, `not_before`,
    /// `attempts`, `lost_in_a_row`, `claim`, `completed_at`, `proof` and `updated_at`. The rest must be as stored.
    fn update_task_life(&mut self, task: &Task) -> Result<(), StoreError>;
    /// Removes a task and all below it.
    fn remove_task(&mut self, id: &TaskId) -> Result<Removed, StoreError>;

    /// A test case.
    fn test(&mut self, id: &TestId) -> Result<Option<TestCase>, StoreError>;
    /// The test cases of an item.
    fn tests_of(&mut self, owner: &TestOwner) -> Result<Vec<TestCase>, StoreError>;
    /// Every test case with a greater `seq`, at most `limit`.
    fn tests(&mut self, after: i64, limit: u32) -> Result<Vec<TestCase>, StoreError>;
    /// Inserts a test case, as [`insert_epic`](Self::insert_epic). Its owner must exist.
    fn insert_test(&mut self, test: &TestCase) -> Result<Inserted, StoreError>;
    /// Replaces everything of a test case but `seq`, `id`, `owner` and `created_at`.
    fn update_test(&mut self, test: &TestCase) -> Result<(), StoreError>;
    /// Removes a test case.
    fn remove_test(&mut self, id: &TestId) -> Result<Removed, StoreError>;

    /// The tasks that a task waits for, in the order of their ids.
    fn dependencies_of(&mut self, task: &TaskId) -> Result<Vec<TaskId>, StoreError>;
    /// The tasks that wait for a task, in the order of their ids.
    fn dependents_of(&mut self, task: &TaskId) -> Result<Vec<TaskId>, StoreError>;
    /// Inserts a dependency between two tasks that exist; `false` if it was there already.
    fn insert_dependency(&mut self, dependency: &Dependency) -> Result<bool, StoreError>;
    /// Removes a dependency; `false` if there was none.
    fn remove_dependency(&mut self, dependency: &Dependency) -> Result<bool, StoreError>;

    /// The attempts at a task, by number.
    fn attempts_of(&mut self, task: &TaskId) -> Result<Vec<Attempt>, StoreError>;
    /// The attempt of the given number.
    fn attempt(&mut self, task: &TaskId, number: u32) -> Result<Option<Attempt>, StoreError>;
    /// Inserts an attempt; one of this number must not exist, which may be told only when the unit is to be committed.
    fn insert_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError>;
    /// Replaces everything of an attempt but its task, token, worker and start.
    fn update_attempt(&mut self, attempt: &Attempt) -> Result<(), StoreError>;
    /// Replaces how the attempt of the given number ended, whether it had ended or not, and nothing else of it; `false`
    /// if there is no such attempt, or no such task.
    fn end_attempt(
        &mut self,
        task: &TaskId,
        number: u32,
        end: &AttemptEnd,
    ) -> Result<bool, StoreError> {
        let Some(attempt) = self.attempt(task, number)? else {
            return Ok(false);
        };
        self.update_attempt(&Attempt {
            end: Some(end.clone()),
            ..attempt
        })?;
        Ok(true)
    }

    /// The checkpoints of a task.
    fn checkpoints_of(&mut self, task: &TaskId) -> Result<Vec<Checkpoint>, StoreError>;
    /// Inserts a checkpoint and returns its `seq`; 0 means the next.
    fn insert_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<i64, StoreError>;

    /// The questions that were asked about a task, by attempt.
    fn questions_of(&mut self, task: &TaskId) -> Result<Vec<Question>, StoreError>;
    /// The questions that have no answer, those asked first first, then by task and attempt.
    fn unanswered(&mut self) -> Result<Vec<Question>, StoreError>;
    /// Inserts a question; its task must exist, and no question of this attempt.
    fn insert_question(&mut self, question: &Question) -> Result<(), StoreError>;
    /// Replaces the answer of a question.
    fn update_question(&mut self, question: &Question) -> Result<(), StoreError>;

    /// Appends an event and returns its number; `seq` 0 means the next.
    fn append_event(&mut self, event: &Event) -> Result<i64, StoreError>;
    /// The number of the newest event; 0 if there is none.
    fn newest_event(&mut self) -> Result<i64, StoreError>;
    /// Some events, oldest first.
    fn events(&mut self, filter: &EventFilter) -> Result<Vec<Event>, StoreError>;

    /// An operation that was carried out.
    fn operation(&mut self, id: &OperationId) -> Result<Option<Operation>, StoreError>;
    /// Keeps an operation, and forgets the oldest beyond `keep`. Its id must be new.
    fn insert_operation(&mut self, operation: &Operation, keep: u64) -> Result<(), StoreError>;

    /// The ids of a kind that begin with `prefix` in any case of ASCII letters, in order, at most `limit`; among
    /// them, whatever the limit, the exact one.
    fn ids_with_prefix(
        &mut self,
        kind: EntityKind,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<AnyId>, StoreError>;

    /// How many items of a kind there are.
    fn count(&mut self, kind: EntityKind) -> Result<u64, StoreError>;

    /// Everything in the store.
    fn contents(&mut self) -> Result<Contents, StoreError>;
    /// Everything in the store but its history: no attempts, checkpoints, events and operations.
    fn tree(&mut self) -> Result<Contents, StoreError>;
    /// [`tree`](Self::tree) without its tasks, which [`task_batches`](Self::task_batches) gives.
    fn tree_without_tasks(&mut self) -> Result<Contents, StoreError>;
    /// Gives every task once, in no order, so that a large queue is not held as a whole: some hundreds at a time, and fewer
    /// where their rows take more memory than some hundred kilobytes. No batch is empty. It ends early, and well, where
    /// `visit` breaks off. A row that is not fit to be a task may be an error of its batch only.
    fn task_batches(&mut self, visit: &mut dyn BatchVisitor) -> Result<(), StoreError>;
    /// Puts everything into this store, which must be empty but for its settings, keeping every `seq`, time and event
    /// as it is; the settings are replaced. Derived values are derived afresh.
    fn load(&mut self, contents: &Contents) -> Result<(), StoreError>;

    /// Derives every derived value afresh, whatever was stored. Nothing else changes, no time either.
    fn rederive(&mut self) -> Result<(), StoreError>;
}
