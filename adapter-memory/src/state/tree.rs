//! Writes to the tree, and what they roll up.

use std::collections::BTreeMap;
use std::sync::Arc;

use tasq_domain::rollup::roll_up;
use tasq_domain::{
    Dependency, Epic, EpicId, Feature, FeatureId, Present, Status, StatusCounts, Task, TaskId,
    TestCase, TestId, TestOwner, TestStatus, Timestamp,
};
use tasq_ports::{Inserted, Removed, StoreError};

use super::{State, fresh};
use crate::table::{Counts, Pairs, Table, broken};

/// The parent's number of features without an epic.
const NO_EPIC: i64 = 0;

impl State {
    pub(crate) fn add_epic(&mut self, mut epic: Epic) -> Result<Inserted, StoreError> {
        epic.status = own_word(epic.own_status, epic.hold.is_some());
        Ok(self.epics.add(epic)?.map_or(Inserted::Taken, Inserted::At))
    }

    pub(crate) fn update_epic(&mut self, epic: &Epic) -> Result<(), StoreError> {
        let old = self.epics.must(&epic.id)?;
        let mut epic = Epic {
            seq: old.seq,
            created_at: old.created_at,
            ..epic.clone()
        };
        epic.status = self.epic_status(&epic);
        self.epics.replace(epic);
        Ok(())
    }

    pub(crate) fn remove_epic(
        &mut self,
        id: &EpicId,
        now: Timestamp,
    ) -> Result<(Removed, Vec<TaskId>), StoreError> {
        let seq = self.epics.must(id)?.seq;
        let features: Vec<FeatureId> = self
            .features_of
            .of(seq)
            .map(|feature| self.features.at(feature).id.clone())
            .collect();
        let (mut removed, mut tasks) = (Removed::default(), Vec::new());
        for feature in &features {
            let (part, below) = self.remove_feature(feature, now)?;
            removed.features += part.features;
            removed.tasks += part.tasks;
            removed.tests += part.tests;
            tasks.extend(below);
        }
        self.epics.remove(seq);
        self.feature_counts.forget(seq);
        removed.epics = 1;
        Ok((removed, tasks))
    }

    /// Adds a feature without rolling up its epic.
    pub(crate) fn add_feature(&mut self, mut feature: Feature) -> Result<Inserted, StoreError> {
        if self.features.seq_of(&feature.id).is_some() {
            return Ok(Inserted::Taken);
        }
        let epic = self.epic_seq(feature.epic.as_ref())?;
        feature.status = own_word(feature.own_status, feature.hold.is_some());
        let status = feature.status;
        let Some(seq) = self.features.add(feature)? else {
            return Ok(Inserted::Taken);
        };
        self.features_of.insert(epic, seq);
        self.feature_counts.add(epic, status);
        Ok(Inserted::At(seq))
    }

    pub(crate) fn insert_feature(&mut self, feature: &Feature) -> Result<Inserted, StoreError> {
        let inserted = self.add_feature(feature.clone())?;
        if inserted != Inserted::Taken {
            let epic = self.epic_seq(feature.epic.as_ref())?;
            self.roll_epic(epic, Some(feature.updated_at));
        }
        Ok(inserted)
    }

    pub(crate) fn update_feature(&mut self, feature: &Feature) -> Result<(), StoreError> {
        let old = Arc::clone(self.features.must(&feature.id)?);
        let mut feature = Feature {
            seq: old.seq,
            created_at: old.created_at,
            ..feature.clone()
        };
        let (from, to) = (
            self.epic_seq(old.epic.as_ref())?,
            self.epic_seq(feature.epic.as_ref())?,
        );
        feature.status = self.feature_status(&feature);
        let (status, at) = (feature.status, feature.updated_at);
        self.features_of.remove(from, old.seq);
        self.features_of.insert(to, old.seq);
        self.feature_counts.take(from, old.status);
        self.feature_counts.add(to, status);
        self.features.replace(feature);
        self.roll_epic(from, Some(at));
        self.roll_epic(to, Some(at));
        Ok(())
    }

    pub(crate) fn remove_feature(
        &mut self,
        id: &FeatureId,
        now: Timestamp,
    ) -> Result<(Removed, Vec<TaskId>), StoreError> {
        let feature = Arc::clone(self.features.must(id)?);
        let mut removed = Removed {
            features: 1,
            ..Removed::default()
        };
        let tasks: Vec<i64> = self.tasks_of.of(feature.seq).collect();
        let mut ids = Vec::with_capacity(tasks.len());
        for task in tasks {
            ids.push(self.tasks.at(task).id.clone());
            removed.tests += self.drop_task(task, feature.seq);
            removed.tasks += 1;
        }
        let tests: Vec<i64> = self.tests_of_feature.of(feature.seq).collect();
        for test in tests {
            self.tests_of_feature.remove(feature.seq, test);
            self.tests.remove(test);
            removed.tests += 1;
        }
        let epic = self.epic_seq(feature.epic.as_ref())?;
        self.features_of.remove(epic, feature.seq);
        self.feature_counts.take(epic, feature.status);
        self.task_counts.forget(feature.seq);
        self.features.remove(feature.seq);
        self.roll_epic(epic, Some(now));
        Ok((removed, ids))
    }

    /// Adds a task without rolling up its feature.
    pub(crate) fn add_task(&mut self, task: Task) -> Result<Inserted, StoreError> {
        let feature = self.features.must(&task.feature)?.seq;
        let status = task.status;
        let Some(seq) = self.tasks.add(task)? else {
            return Ok(Inserted::Taken);
        };
        self.tasks_of.insert(feature, seq);
        self.task_counts.add(feature, status);
        Ok(Inserted::At(seq))
    }

    /// Adds the tasks of a whole queue to one that has none, without rolling up their features.
    pub(crate) fn add_tasks(&mut self, tasks: Vec<Task>) -> Result<(), StoreError> {
        // Most have rising numbers and one id each: their indexes are then built at once.
        let one_by_one = match Table::of(tasks) {
            Ok(tasks) => {
                self.tasks = tasks;
                Vec::new()
            }
            Err(tasks) => tasks,
        };
        for task in one_by_one {
            let name = task.id.to_string();
            fresh(self.add_task(task)?, name)?;
        }
        // In the order of features and tasks, so that nothing is left to be sorted.
        let mut below: BTreeMap<i64, (StatusCounts, Vec<i64>)> = BTreeMap::new();
        for task in self.tasks.iter() {
            let feature = self.features.must(&task.feature)?.seq;
            let (counts, tasks) = below.entry(feature).or_default();
            counts.add(task.status);
            tasks.push(task.seq);
        }
        let counts = below
            .iter()
            .map(|(&feature, (counts, _))| (feature, *counts));
        self.task_counts = Counts::of_all(counts.collect());
        let pairs = below.into_iter().flat_map(|(feature, (_, tasks))| {
            let pair = move |task| (feature, task);
            tasks.into_iter().map(pair)
        });
        self.tasks_of = Pairs::of_all(pairs);
        Ok(())
    }

    pub(crate) fn insert_task(&mut self, task: &Task) -> Result<Inserted, StoreError> {
        let inserted = self.add_task(task.clone())?;
        if inserted != Inserted::Taken {
            let feature = self.features.must(&task.feature)?.seq;
            self.roll_feature(feature, Some(task.updated_at));
        }
        Ok(inserted)
    }

    pub(crate) fn update_task(&mut self, task: &Task) -> Result<(), StoreError> {
        let old = Arc::clone(self.tasks.must(&task.id)?);
        let from = self.features.must(&old.feature)?.seq;
        let to = self.features.must(&task.feature)?.seq;
        self.tasks_of.remove(from, old.seq);
        self.tasks_of.insert(to, old.seq);
        self.task_counts.take(from, old.status);
        self.task_counts.add(to, task.status);
        self.tasks.replace(Task {
            seq: old.seq,
            created_at: old.created_at,
            ..task.clone()
        });
        self.roll_feature(from, Some(task.updated_at));
        self.roll_feature(to, Some(task.updated_at));
        Ok(())
    }

    pub(crate) fn update_task_life(&mut self, task: &Task) -> Result<(), StoreError> {
        let old = self.tasks.must(&task.id)?;
        let merged = Task {
            status: task.status,
            blocked_reason: task.blocked_reason.clone(),
            retries_used: task.retries_used,
            not_before: task.not_before,
            attempts: task.attempts,
            lost_in_a_row: task.lost_in_a_row,
            claim: task.claim.clone(),
            completed_at: task.completed_at,
            proof: task.proof.clone(),
            updated_at: task.updated_at,
            ..Task::clone(old)
        };
        if merged != *task {
            return Err(broken(format!(
                "a step of its life changed the definition of {}",
                task.id
            )));
        }
        self.update_task(&merged)
    }

    pub(crate) fn remove_task(
        &mut self,
        id: &TaskId,
        now: Timestamp,
    ) -> Result<Removed, StoreError> {
        let task = Arc::clone(self.tasks.must(id)?);
        let feature = self.features.must(&task.feature)?.seq;
        let tests = self.drop_task(task.seq, feature);
        self.roll_feature(feature, Some(now));
        Ok(Removed {
            tasks: 1,
            tests,
            ..Removed::default()
        })
    }

    /// Adds a test case without rolling up its feature.
    pub(crate) fn add_test(&mut self, test: TestCase) -> Result<Inserted, StoreError> {
        if self.tests.seq_of(&test.id).is_some() {
            return Ok(Inserted::Taken);
        }
        let owner = test.owner.clone();
        match &owner {
            TestOwner::Task(task) => drop(self.tasks.must(task)?),
            TestOwner::Feature(feature) => drop(self.features.must(feature)?),
        }
        let Some(seq) = self.tests.add(test)? else {
            return Ok(Inserted::Taken);
        };
        match owner {
            TestOwner::Task(task) => {
                let task = self.tasks.must(&task)?.seq;
                self.tests_of_task.insert(task, seq);
            }
            TestOwner::Feature(feature) => {
                let feature = self.features.must(&feature)?.seq;
                self.tests_of_feature.insert(feature, seq);
            }
        }
        Ok(Inserted::At(seq))
    }

    pub(crate) fn insert_test(&mut self, test: &TestCase) -> Result<Inserted, StoreError> {
        let inserted = self.add_test(test.clone())?;
        if inserted != Inserted::Taken {
            self.roll_owner(&test.owner, test.updated_at)?;
        }
        Ok(inserted)
    }

    pub(crate) fn update_test(&mut self, test: &TestCase) -> Result<(), StoreError> {
        let old = self.tests.must(&test.id)?;
        let test = TestCase {
            seq: old.seq,
            owner: old.owner.clone(),
            created_at: old.created_at,
            ..test.clone()
        };
        let (owner, at) = (test.owner.clone(), test.updated_at);
        self.tests.replace(test);
        self.roll_owner(&owner, at)
    }

    pub(crate) fn remove_test(
        &mut self,
        id: &TestId,
        now: Timestamp,
    ) -> Result<Removed, StoreError> {
        let test = Arc::clone(self.tests.must(id)?);
        match &test.owner {
            TestOwner::Task(task) => {
                let task = self.tasks.must(task)?.seq;
                self.tests_of_task.remove(task, test.seq);
            }
            TestOwner::Feature(feature) => {
                let feature = self.features.must(feature)?.seq;
                self.tests_of_feature.remove(feature, test.seq);
            }
        }
        self.tests.remove(test.seq);
        self.roll_owner(&test.owner, now)?;
        Ok(Removed {
            tests: 1,
            ..Removed::default()
        })
    }

    pub(crate) fn insert_dependency(
        &mut self,
        dependency: &Dependency,
    ) -> Result<bool, StoreError> {
        let (task, on) = self.ends(dependency)?;
        self.waited_by.insert(on, task);
        Ok(self.waits_for.insert(task, on))
    }

    pub(crate) fn remove_dependency(
        &mut self,
        dependency: &Dependency,
    ) -> Result<bool, StoreError> {
        let (Some(task), Some(on)) = (
            self.tasks.seq_of(&dependency.task),
            self.tasks.seq_of(&dependency.on),
        ) else {
            return Ok(false);
        };
        self.waited_by.remove(on, task);
        Ok(self.waits_for.remove(task, on))
    }

    /// Derives the status of every parent, and changes no time.
    pub(crate) fn derive_all(&mut self) {
        let features: Vec<i64> = self.features.iter().map(|feature| feature.seq).collect();
        for feature in features {
            self.roll_feature(feature, None);
        }
        let epics: Vec<i64> = self.epics.iter().map(|epic| epic.seq).collect();
        for epic in epics {
            self.roll_epic(epic, None);
        }
    }

    fn ends(&self, dependency: &Dependency) -> Result<(i64, i64), StoreError> {
        let task = self.tasks.must(&dependency.task)?.seq;
        let on = self.tasks.must(&dependency.on)?.seq;
        Ok((task, on))
    }

    fn epic_seq(&self, epic: Option<&EpicId>) -> Result<i64, StoreError> {
        epic.map_or(Ok(NO_EPIC), |epic| Ok(self.epics.must(epic)?.seq))
    }

    /// Removes a task and all below it, without rolling up its feature. Returns the number of its test cases.
    fn drop_task(&mut self, task: i64, feature: i64) -> u64 {
        let tests: Vec<i64> = self.tests_of_task.of(task).collect();
        for &test in &tests {
            self.tests_of_task.remove(task, test);
            self.tests.remove(test);
        }
        for on in self.waits_for.of(task).collect::<Vec<_>>() {
            self.waits_for.remove(task, on);
            self.waited_by.remove(on, task);
        }
        for waiter in self.waited_by.of(task).collect::<Vec<_>>() {
            self.waited_by.remove(task, waiter);
            self.waits_for.remove(waiter, task);
        }
        self.drop_history(task);
        self.tasks_of.remove(feature, task);
        self.task_counts.take(feature, self.tasks.at(task).status);
        self.tasks.remove(task);
        tests.len() as u64
    }

    fn roll_owner(&mut self, owner: &TestOwner, at: Timestamp) -> Result<(), StoreError> {
        if let TestOwner::Feature(feature) = owner {
            let feature = self.features.must(feature)?.seq;
            self.roll_feature(feature, Some(at));
        }
        Ok(())
    }

    /// Derives a feature's status and, if it changed, its epic's. `at` is the time of the write, `None` to change no
    /// time.
    fn roll_feature(&mut self, seq: i64, at: Option<Timestamp>) {
        let old = self.features.at(seq);
        let status = self.feature_status(old);
        if status == old.status {
            return;
        }
        let old = Arc::clone(old);
        let updated_at = at.map_or(old.updated_at, |at| at.not_before(old.updated_at));
        let epic = old
            .epic
            .as_ref()
            .map_or(NO_EPIC, |epic| self.epics.seq_of(epic).unwrap_or(NO_EPIC));
        self.feature_counts.take(epic, old.status);
        self.feature_counts.add(epic, status);
        self.features.replace(Feature {
            status,
            updated_at,
            ..Feature::clone(&old)
        });
        // What the feature's status means to its epic is no older than that.
        self.roll_epic(epic, at.map(|_| updated_at));
    }

    fn roll_epic(&mut self, seq: i64, at: Option<Timestamp>) {
        if seq == NO_EPIC {
            return;
        }
        let old = self.epics.at(seq);
        let status = self.epic_status(old);
        if status == old.status {
            return;
        }
        let updated_at = at.map_or(old.updated_at, |at| at.not_before(old.updated_at));
        let epic = Epic {
            status,
            updated_at,
            ..Epic::clone(old)
        };
        self.epics.replace(epic);
    }

    fn epic_status(&self, epic: &Epic) -> Status {
        let children = self.feature_counts.of(epic.seq).present();
        roll_up(children, false, epic.hold.is_some()).unwrap_or(epic.own_status)
    }

    fn feature_status(&self, feature: &Feature) -> Status {
        let children = self.task_counts.of(feature.seq).present();
        let gate_open = self.tests_of_feature.of(feature.seq).any(|test| {
            let test = self.tests.at(test);
            test.gates() && test.status != TestStatus::Passing
        });
        roll_up(children, gate_open, feature.hold.is_some()).unwrap_or(feature.own_status)
    }
}

/// The status of a parent that has no children yet.
fn own_word(own_status: Status, on_hold: bool) -> Status {
    roll_up(Present::default(), false, on_hold).unwrap_or(own_status)
}
