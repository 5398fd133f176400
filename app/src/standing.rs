//! What comes of a task's change for the test cases around it.

use serde_json::json;
use tasq_domain::life::reset_test;
use tasq_domain::{EventKind, FeatureId, Status, TaskId, TestOwner, TestStatus};

use crate::error::AppError;
use crate::unit::Unit;

impl Unit<'_> {
    /// Sets a reopened task's test cases back to pending.
    pub(crate) fn reset_task_tests(&mut self, task: &TaskId) -> Result<(), AppError> {
        self.reset_tests(&TestOwner::Task(task.clone()), |_| true)
    }

    /// Sets a feature's passing test cases back to pending, because a task of it is no longer completed.
    pub(crate) fn reset_feature_tests(&mut self, feature: &FeatureId) -> Result<(), AppError> {
        self.reset_tests(&TestOwner::Feature(feature.clone()), |status| {
            status == TestStatus::Passing
        })
    }

    /// Sets a completed feature's passing test cases back to pending, because it is about to get another task: what
    /// passed before says nothing about that. The feature must exist.
    pub(crate) fn reopen_feature(&mut self, id: &FeatureId) -> Result<(), AppError> {
        let standing = self.tx.standing(id)?;
        let standing = standing.ok_or_else(|| AppError::not_found(&id.into()))?;
        if standing.status == Status::Completed {
            self.reset_feature_tests(id)?;
        }
        Ok(())
    }

    fn reset_tests(
        &mut self,
        owner: &TestOwner,
        which: impl Fn(TestStatus) -> bool,
    ) -> Result<(), AppError> {
        let now = self.now();
        for test in self.tx.tests_of(owner)? {
            if which(test.status)
                && let Some(reset) = reset_test(&test, now)
            {
                self.tx.update_test(&reset)?;
                let data = json!({ "from": test.status.as_str(), "status": reset.status.as_str() });
                self.event_at(EventKind::TestReset, &test.id, reset.updated_at, &data)?;
            }
        }
        Ok(())
    }
}
