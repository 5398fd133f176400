//! What comes of a task's change for the test cases around it.

use tasq_domain::life::reset_test;
use tasq_domain::{EventKind, FeatureId, Status, TaskId, TestOwner, TestStatus};

use crate::data::data;
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
                let data = data!({ "from": test.status.as_str(), "status": reset.status.as_str() });
                self.event_at(EventKind::TestReset, &test.id, reset.updated_at, data)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tasq_adapter_memory::MemoryStore;
    use tasq_domain::backoff::Backoff;
    use tasq_domain::{Actor, Settings, StoreId, Timestamp};
    use tasq_ports::{MockClock, MockIds};

    use super::*;
    use crate::context::{App, Caller};
    use crate::error::Code;

    #[test]
    fn a_feature_that_is_gone_is_not_found_when_it_is_to_be_reopened() {
        let settings = Settings {
            store: StoreId::new("S").unwrap(),
            name: "s".to_owned(),
            require_tests: false,
            backoff: Backoff::default(),
        };
        let mut clock = MockClock::new();
        clock.expect_now().return_const(Timestamp::from_micros(0));
        let store = MemoryStore::new(&settings, Arc::new(clock));
        let ids = MockIds::new();
        let actor = Actor::new("ada").unwrap();
        let app = App::new(&store, &ids, Caller::Person { actor });
        let gone = FeatureId::new("FEAT-GONE").unwrap();
        let error = app.write(|unit| unit.reopen_feature(&gone)).unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
    }
}
