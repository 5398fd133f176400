//! A whole queue in memory, with everything that follows from it.

mod history;
mod query;
mod questions;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use tasq_domain::{
    Attempt, Checkpoint, Contents, Dependency, Epic, Event, Feature, Operation, OperationId,
    Question, Settings, Task, TaskId, TestCase,
};
use tasq_ports::{Inserted, StoreError};

use crate::table::{Counts, Pairs, Table, broken};

/// A queue. Cloning it costs nothing; a clone shares with the original what neither has changed since.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) settings: Settings,
    pub(crate) epics: Table<Epic>,
    pub(crate) features: Table<Feature>,
    pub(crate) tasks: Table<Task>,
    pub(crate) tests: Table<TestCase>,
    /// Epic → feature; 0 → a feature without an epic.
    features_of: Pairs,
    /// Feature → task.
    tasks_of: Pairs,
    /// Task → test case.
    tests_of_task: Pairs,
    /// Feature → test case.
    tests_of_feature: Pairs,
    /// Task → the task it waits for.
    waits_for: Pairs,
    /// Task → a task that waits for it.
    waited_by: Pairs,
    /// Epic → the statuses of its features; 0 → of those without an epic.
    feature_counts: Counts,
    /// Feature → the statuses of its tasks.
    task_counts: Counts,
    /// By task and attempt.
    questions: Arc<BTreeMap<(i64, u32), Arc<Question>>>,
    /// By task and number.
    attempts: Arc<BTreeMap<(i64, u32), Arc<Attempt>>>,
    checkpoints: Arc<BTreeMap<i64, Arc<Checkpoint>>>,
    checkpoints_of: Pairs,
    /// By rising `seq`.
    events: Arc<Vec<Arc<Event>>>,
    operations: Arc<BTreeMap<i64, Arc<Operation>>>,
    operation_ids: Arc<BTreeMap<OperationId, i64>>,
}

impl State {
    /// An empty queue.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            epics: Table::default(),
            features: Table::default(),
            tasks: Table::default(),
            tests: Table::default(),
            features_of: Pairs::default(),
            tasks_of: Pairs::default(),
            tests_of_task: Pairs::default(),
            tests_of_feature: Pairs::default(),
            waits_for: Pairs::default(),
            waited_by: Pairs::default(),
            feature_counts: Counts::default(),
            task_counts: Counts::default(),
            questions: Arc::default(),
            attempts: Arc::default(),
            checkpoints: Arc::default(),
            checkpoints_of: Pairs::default(),
            events: Arc::default(),
            operations: Arc::default(),
            operation_ids: Arc::default(),
        }
    }

    /// A queue with the given contents: every `seq` but 0, time and event as it is, every derived value derived
    /// afresh.
    ///
    /// # Errors
    /// [`StoreError::Backend`] if an id or number is there twice or a reference names nothing.
    pub fn from_contents(contents: Contents) -> Result<Self, StoreError> {
        let Contents {
            settings,
            epics,
            features,
            tasks,
            tests,
            dependencies,
            questions,
            attempts,
            checkpoints,
            events,
            operations,
        } = contents;
        let mut state = Self::new(settings);
        for epic in epics {
            let name = epic.id.to_string();
            fresh(state.add_epic(epic)?, name)?;
        }
        for feature in features {
            let name = feature.id.to_string();
            fresh(state.add_feature(feature)?, name)?;
        }
        state.add_tasks(tasks)?;
        for test in tests {
            let name = test.id.to_string();
            fresh(state.add_test(test)?, name)?;
        }
        for dependency in dependencies {
            state.insert_dependency(&dependency)?;
        }
        for question in questions {
            state.insert_question(question)?;
        }
        for attempt in attempts {
            state.insert_attempt(attempt)?;
        }
        for checkpoint in checkpoints {
            state.insert_checkpoint(checkpoint)?;
        }
        for event in events {
            state.append_event(event)?;
        }
        for operation in operations {
            state.insert_operation(operation, u64::MAX)?;
        }
        state.derive_all();
        Ok(state)
    }

    /// Everything in it, each list in its order.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let mut attempts: Vec<Attempt> = owned(self.attempts.values());
        attempts.sort_by(|a, b| (&a.task, a.token.attempt).cmp(&(&b.task, b.token.attempt)));
        Contents {
            attempts,
            checkpoints: owned(self.checkpoints.values()),
            events: owned(self.events.iter()),
            operations: owned(self.operations.values()),
            ..self.tree()
        }
    }

    /// Everything in it but attempts, checkpoints, events and operations.
    #[must_use]
    pub fn tree(&self) -> Contents {
        Contents {
            tasks: owned(self.tasks.iter()),
            ..self.tree_without_tasks()
        }
    }

    /// [`State::tree`] without its tasks.
    pub(crate) fn tree_without_tasks(&self) -> Contents {
        let mut dependencies: Vec<Dependency> = self
            .dependencies()
            .map(|(task, on)| Dependency {
                task: task.clone(),
                on: on.clone(),
            })
            .collect();
        dependencies.sort();
        let mut questions: Vec<Question> = owned(self.questions.values());
        questions.sort_by(|a, b| (&a.task, a.attempt).cmp(&(&b.task, b.attempt)));
        Contents {
            settings: self.settings.clone(),
            epics: owned(self.epics.iter()),
            features: owned(self.features.iter()),
            tasks: Vec::new(),
            tests: owned(self.tests.iter()),
            dependencies,
            questions,
            attempts: Vec::new(),
            checkpoints: Vec::new(),
            events: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its epics, in the order of their ids.
    pub fn epics_by_id(&self) -> impl Iterator<Item = &Epic> {
        self.epics.by_id()
    }

    /// Its features, in the order of their ids.
    pub fn features_by_id(&self) -> impl Iterator<Item = &Feature> {
        self.features.by_id()
    }

    /// Its tasks, in the order of their ids.
    pub fn tasks_by_id(&self) -> impl Iterator<Item = &Task> {
        self.tasks.by_id()
    }

    /// Its test cases, in the order of their ids.
    pub fn tests_by_id(&self) -> impl Iterator<Item = &TestCase> {
        self.tests.by_id()
    }

    /// Each task that waits, with one that it waits for.
    pub fn dependencies(&self) -> impl Iterator<Item = (&TaskId, &TaskId)> {
        let id = |seq| &self.tasks.at(seq).id;
        self.waits_for
            .iter()
            .map(move |(task, on)| (id(task), id(on)))
    }

    /// What was asked about its tasks, by the `seq` of the task and the attempt.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.values().map(AsRef::as_ref)
    }

    /// Whether there is nothing in it but settings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.epics.len() + self.features.len() + self.tasks.len() + self.tests.len() == 0
            && self.events.is_empty()
            && self.operations.is_empty()
    }
}

pub(crate) fn owned<'a, T: Clone + 'a>(items: impl Iterator<Item = &'a Arc<T>>) -> Vec<T> {
    items.map(|item| T::clone(item)).collect()
}

pub(crate) fn fresh(inserted: Inserted, name: String) -> Result<(), StoreError> {
    match inserted {
        Inserted::At(_) => Ok(()),
        Inserted::Taken => Err(broken(format!("{name} is there twice"))),
    }
}
