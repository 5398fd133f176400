//! What a worker is told about its task.

use tasq_domain::{JsonObject, Reason, Status, TaskId, TestCase, TestOwner};
use tasq_ports::{StoreExt, Tx};

use crate::context::App;
use crate::error::AppError;
use crate::view::ClaimView;

/// A claim with everything that its worker should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The claim: the task, the last failure, the newest checkpoint.
    pub claim: ClaimView,
    /// The task's test cases, in the order of creation.
    pub tests: Vec<TestCase>,
    /// The tasks that it depends on, in the order of their ids, and what came of them.
    pub dependencies: Vec<DependencyResult>,
    /// Whether the task's feature has test cases of its own.
    pub(crate) feature_tests: bool,
}

/// What came of a task that another depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyResult {
    /// The task.
    pub task: TaskId,
    /// Its title.
    pub title: String,
    /// How it stands.
    pub status: Status,
    /// What the attempt that completed it said.
    pub summary: Option<Reason>,
    /// What that attempt's worker reported.
    pub result: Option<JsonObject>,
}

impl App<'_> {
    /// What the worker of a claim is told.
    pub(super) fn assignment(&self, claim: ClaimView) -> Result<Assignment, AppError> {
        self.store.read(|tx| {
            let task = &claim.task.record.task;
            let tests = tx.tests_of(&TestOwner::Task(task.id.clone()))?;
            let feature = TestOwner::Feature(task.feature.clone());
            let feature_tests = !tx.tests_of(&feature)?.is_empty();
            let mut dependencies = Vec::new();
            for id in &claim.task.depends_on {
                dependencies.extend(DependencyResult::load(tx, id)?);
            }
            Ok(Assignment {
                claim: claim.clone(),
                tests,
                dependencies,
                feature_tests,
            })
        })
    }
}

impl DependencyResult {
    fn load(tx: &mut dyn Tx, id: &TaskId) -> Result<Option<Self>, AppError> {
        let Some(record) = tx.task(id)? else {
            return Ok(None);
        };
        let task = record.task;
        let last = tx.attempt(id, task.attempts)?;
        let last = last.filter(|_| task.status == Status::Completed);
        Ok(Some(Self {
            task: task.id,
            title: task.description.title().to_owned(),
            status: task.status,
            summary: last
                .as_ref()
                .and_then(|last| last.end.as_ref()?.message.clone()),
            result: last.and_then(|last| last.result),
        }))
    }
}
