//! A whole queue, as it moves between stores.

use crate::attempt::{Attempt, AttemptEnd, Checkpoint, Outcome};
use std::collections::{HashMap, HashSet};

use crate::counts::StatusCounts;
use crate::event::Event;
use crate::id::{EpicId, FeatureId};
use crate::life::give_back;
use crate::node::{Epic, Feature};
use crate::operation::Operation;
use crate::question::Question;
use crate::rollup::roll_up;
use crate::settings::Settings;
use crate::status::{Status, TestStatus};
use crate::task::{Dependency, Task};
use crate::test_case::{TestCase, TestOwner};
use crate::time::Timestamp;

/// Everything a store holds, each list in the order of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The queue's settings.
    pub settings: Settings,
    /// Epics by `seq`.
    pub epics: Vec<Epic>,
    /// Features by `seq`.
    pub features: Vec<Feature>,
    /// Tasks by `seq`.
    pub tasks: Vec<Task>,
    /// Test cases by `seq`.
    pub tests: Vec<TestCase>,
    /// Dependencies by task and prerequisite.
    pub dependencies: Vec<Dependency>,
    /// Questions by task and attempt.
    pub questions: Vec<Question>,
    /// Attempts by task and number.
    pub attempts: Vec<Attempt>,
    /// Checkpoints by `seq`.
    pub checkpoints: Vec<Checkpoint>,
    /// Events by `seq`.
    pub events: Vec<Event>,
    /// Operations, oldest first.
    pub operations: Vec<Operation>,
}

impl Contents {
    /// Closes every open attempt as lost, uncharged, because its holder does not know the store that this becomes.
    ///
    /// The task returns to pending and is ready at once, or is blocked if its holder was asked to stop or no retry is
    /// left. Parents [roll up](Self::roll_up_parents).
    pub fn close_open_attempts(&mut self, now: Timestamp) {
        let closing = Closing::new(&self.epics, &self.features, now);
        for task in &mut self.tasks {
            closing.close(task);
        }
        for attempt in self
            .attempts
            .iter_mut()
            .filter(|attempt| attempt.end.is_none())
        {
            let at = now.not_before(attempt.started_at);
            attempt.end = Some(AttemptEnd {
                at,
                outcome: Outcome::Lost,
                exit_code: None,
                message: None,
            });
        }
        self.roll_up_parents(now);
    }

    /// Gives every feature and epic the status that follows from what is below it; one whose status changes was
    /// changed at `now`.
    pub fn roll_up_parents(&mut self, now: Timestamp) {
        let mut tally = Tally::default();
        for task in &self.tasks {
            tally.add(task);
        }
        self.roll_up_tallied(&tally, now);
    }

    /// [`roll_up_parents`](Self::roll_up_parents) where the tasks are elsewhere: as they were counted, whatever tasks
    /// are here.
    pub fn roll_up_tallied(&mut self, tasks: &Tally, now: Timestamp) {
        let open = |test: &&TestCase| test.gates() && test.status != TestStatus::Passing;
        let gates: HashSet<&FeatureId> = self
            .tests
            .iter()
            .filter(open)
            .filter_map(|test| match &test.owner {
                TestOwner::Feature(feature) => Some(feature),
                TestOwner::Task(_) => None,
            })
            .collect();
        let mut below: HashMap<EpicId, StatusCounts> = HashMap::new();
        for feature in &mut self.features {
            let children = tasks.0.get(&feature.id).map(StatusCounts::present);
            let (gate, hold) = (gates.contains(&feature.id), feature.hold.is_some());
            let status = roll_up(children.unwrap_or_default(), gate, hold);
            let status = status.unwrap_or(feature.own_status);
            if status != feature.status {
                feature.updated_at = now.not_before(feature.updated_at);
                feature.status = status;
            }
            if let Some(epic) = &feature.epic {
                below.entry(epic.clone()).or_default().add(status);
            }
        }
        for epic in &mut self.epics {
            let children = below.get(&epic.id).map(StatusCounts::present);
            let status = roll_up(children.unwrap_or_default(), false, epic.hold.is_some());
            let status = status.unwrap_or(epic.own_status);
            if status != epic.status {
                epic.updated_at = now.not_before(epic.updated_at);
                epic.status = status;
            }
        }
    }
}

/// The statuses of the tasks of each feature, counted one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally(HashMap<FeatureId, StatusCounts>);

impl Tally {
    /// Counts a task.
    pub fn add(&mut self, task: &Task) {
        match self.0.get_mut(&task.feature) {
            Some(counts) => counts.add(task.status),
            None => {
                let counts = self.0.entry(task.feature.clone()).or_default();
                counts.add(task.status);
            }
        }
    }

    /// Counts what another tally has counted.
    pub fn join(&mut self, other: Self) {
        for (feature, counts) in other.0 {
            *self.0.entry(feature).or_default() += counts;
        }
    }
}

/// Closes the open attempts of a queue task by task, as [`Contents::close_open_attempts`] does for all of them.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Features that are on hold, or whose epic is.
    held: HashSet<FeatureId>,
    now: Timestamp,
}

impl Closing {
    /// For the tasks of a queue with these epics and features.
    #[must_use]
    pub fn new(epics: &[Epic], features: &[Feature], now: Timestamp) -> Self {
        let held_epics: HashSet<&EpicId> = epics
            .iter()
            .filter(|epic| epic.hold.is_some())
            .map(|epic| &epic.id)
            .collect();
        let above = |feature: &&Feature| {
            feature.hold.is_some()
                || feature
                    .epic
                    .as_ref()
                    .is_some_and(|epic| held_epics.contains(epic))
        };
        let held = features.iter().filter(above);
        Self {
            held: held.map(|feature| feature.id.clone()).collect(),
            now,
        }
    }

    /// Takes a task from its holder, if it has one.
    pub fn close(&self, task: &mut Task) {
        let Some(claim) = task.claim.take() else {
            return;
        };
        task.updated_at = self.now.not_before(task.updated_at);
        if task.status == Status::InProgress {
            task.not_before = None;
            let held = self.held.contains(&task.feature);
            give_back(task, claim.cancel.as_ref(), held);
        }
    }
}
