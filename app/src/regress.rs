//! Regressions: whether what passed before still passes after a change.

use std::collections::{BTreeSet, HashSet, VecDeque};

use serde_json::Value;
use tasq_domain::life::{self, Writer};
use tasq_domain::ready::Scope;
use tasq_domain::{
    AnyId, EventKind, FeatureId, Reason, Status, TaskId, TestCase, TestId, TestOwner, TestStatus,
};
use tasq_ports::{EventFilter, Runner, StoreExt, Tx};

use crate::context::App;
use crate::data::data;
use crate::error::AppError;
use crate::unit::{Unit, all_tasks};
use crate::verify::{Batch, BatchEnd, Meanwhile, Nothing, VerifyOptions};

/// What came of looking for regressions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Regressed {
    /// The test cases that ran again, as they are now; those of a reopened task are pending, with their last result.
    pub tests: Vec<TestCase>,
    /// Those of them that no longer pass, one for each item.
    pub broken: Vec<TestId>,
    /// The tasks that are no longer completed because of it.
    pub reopened: Vec<TaskId>,
}

impl Regressed {
    /// Whether everything still passes.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.broken.is_empty()
    }
}

impl App<'_> {
    /// Runs again what passed and what a change made for a task may have touched: the passing test cases of the completed
    /// tasks that depend on it, directly or not, and of those of its feature, then those of these features. What fails
    /// reopens its task; a task that was reopened like this [again and again](life::REGRESSIONS_ALLOWED) is blocked
    /// instead, because tasks that break each other would be worked on for ever.
    ///
    /// # Errors
    /// [`AppError::NotFound`]; [`AppError::Untrusted`] before anything runs if one of the commands is not trusted;
    /// [`AppError::Run`] if a shell cannot be started.
    pub fn regress(
        &self,
        task: &TaskId,
        runner: &dyn Runner,
        options: &VerifyOptions,
    ) -> Result<Regressed, AppError> {
        self.regress_while(task, runner, options, &mut Nothing)
    }

    /// The same, stopped by `meanwhile`.
    pub(crate) fn regress_while(
        &self,
        task: &TaskId,
        runner: &dyn Runner,
        options: &VerifyOptions,
        meanwhile: &mut dyn Meanwhile,
    ) -> Result<Regressed, AppError> {
        let batches = self.store.read(|tx| passed_around(tx, task))?;
        for batch in &batches {
            self.must_be_trusted(&batch.tests)?;
        }
        let mut ran: Vec<TestId> = Vec::new();
        let mut regressed = Regressed::default();
        for batch in batches {
            let owner = batch.owner.clone();
            let tests: Vec<TestId> = batch.tests.iter().map(|test| test.id.clone()).collect();
            match self.run_batch(batch, runner, options, meanwhile) {
                Ok(BatchEnd::Ran) => ran.extend(tests),
                Ok(BatchEnd::Broken(test)) => {
                    let run = tests.iter().take_while(|id| **id != test).cloned();
                    ran.extend(run.collect::<Vec<_>>());
                    ran.push(test.clone());
                    regressed.broken.push(test);
                    if let TestOwner::Task(task) = owner {
                        regressed.reopened.push(task);
                    }
                }
                Ok(BatchEnd::Stopped) => break,
                // Somebody works on it anew, or removed it: its results are no longer those of before.
                Err(AppError::Refused { .. } | AppError::NotFound { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        regressed.tests = self.store.read(|tx| {
            let found = ran.iter().map(|id| tx.test(id));
            let found: Result<Vec<_>, _> = found.collect();
            Ok::<_, AppError>(found?.into_iter().flatten().collect())
        })?;
        Ok(regressed)
    }
}

/// The passing test cases, by their owners, that a change for a task may have broken.
fn passed_around(tx: &mut dyn Tx, task: &TaskId) -> Result<Vec<Batch>, AppError> {
    let changed = tx
        .task(task)?
        .ok_or_else(|| AppError::not_found(&task.into()))?
        .task;
    let mut features: BTreeSet<FeatureId> = BTreeSet::from([changed.feature.clone()]);
    let mut owners = Vec::new();
    let mut seen: HashSet<TaskId> = HashSet::from([task.clone()]);
    let mut next: VecDeque<TaskId> = VecDeque::from([task.clone()]);
    while let Some(id) = next.pop_front() {
        for dependent in tx.dependents_of(&id)? {
            if !seen.insert(dependent.clone()) {
                continue;
            }
            if let Some(record) = tx.task(&dependent)?
                && record.task.status == Status::Completed
            {
                features.insert(record.task.feature);
                owners.push(TestOwner::Task(dependent.clone()));
            }
            next.push_back(dependent);
        }
    }
    let feature = Scope::Feature(changed.feature);
    for record in all_tasks(tx, &feature, &[Status::Completed])? {
        if seen.insert(record.task.id.clone()) {
            owners.push(TestOwner::Task(record.task.id));
        }
    }
    owners.extend(features.into_iter().map(TestOwner::Feature));
    let mut batches = Vec::new();
    for owner in owners {
        let mut tests = tx.tests_of(&owner)?;
        tests.retain(|test| test.command.is_some() && test.status == TestStatus::Passing);
        if !tests.is_empty() {
            batches.push(Batch {
                owner,
                tests,
                attempt: None,
                regression: true,
            });
        }
    }
    Ok(batches)
}

/// Blocks a task that a regression has just reopened, if that happened too often since a person last looked at it.
pub(crate) fn settle(unit: &mut Unit<'_>, test: &TestCase) -> Result<(), AppError> {
    let TestOwner::Task(id) = &test.owner else {
        return Ok(());
    };
    let before = unit.task(id)?.task;
    if before.status != Status::Pending {
        return Ok(());
    }
    let times = regressions(unit.tx, id)?;
    if times <= life::REGRESSIONS_ALLOWED {
        return Ok(());
    }
    let text = format!(
        "broken again after {} repairs: {} ({})",
        times - 1,
        test.id,
        test.description.title()
    );
    let why = Reason::lossy(&text).unwrap_or_else(|| Reason::new("broken").expect("a reason"));
    let writer = Writer::Person {
        actor: unit.actor().clone(),
        force: false,
    };
    let data = data!({ "reason": why.as_str() });
    let step = life::block(&before, &writer, why, unit.now())
        .map_err(|refused| AppError::refused(id, refused))?;
    unit.step(&before, &step, data)
}

/// How often regressions reopened a task since a person last decided something about it.
fn regressions(tx: &mut dyn Tx, task: &TaskId) -> Result<u32, AppError> {
    let filter = EventFilter {
        entity: Some(AnyId::from(task)),
        after: 0,
        limit: u32::MAX,
    };
    let mut times = 0;
    for event in tx.events(&filter)? {
        let data: Value = serde_json::from_str(event.data.as_str()).unwrap_or_default();
        match event.kind {
            EventKind::Reopened if data["regression"].is_string() => times += 1,
            EventKind::Reopened | EventKind::Unblocked | EventKind::Retried => times = 0,
            _ => {}
        }
    }
    Ok(times)
}
