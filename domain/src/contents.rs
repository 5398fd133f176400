//! A whole queue, as it moves between stores.

use crate::attempt::{Attempt, AttemptEnd, Checkpoint, Outcome};
use std::collections::HashSet;

use crate::event::Event;
use crate::id::{EpicId, FeatureId};
use crate::life::give_back;
use crate::node::{Epic, Feature};
use crate::operation::Operation;
use crate::settings::Settings;
use crate::status::Status;
use crate::task::{Dependency, Task};
use crate::test_case::TestCase;
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
    /// left. Parents' statuses are for the receiving store to derive.
    pub fn close_open_attempts(&mut self, now: Timestamp) {
        let held_epics: HashSet<&EpicId> = self
            .epics
            .iter()
            .filter(|epic| epic.hold.is_some())
            .map(|epic| &epic.id)
            .collect();
        let above = |feature: &Feature| {
            feature.hold.is_some()
                || feature
                    .epic
                    .as_ref()
                    .is_some_and(|epic| held_epics.contains(epic))
        };
        let held: HashSet<&FeatureId> = self
            .features
            .iter()
            .filter(|feature| above(feature))
            .map(|feature| &feature.id)
            .collect();
        for task in &mut self.tasks {
            let Some(claim) = task.claim.take() else {
                continue;
            };
            task.updated_at = now.not_before(task.updated_at);
            if task.status == Status::InProgress {
                task.not_before = None;
                give_back(task, claim.cancel.as_ref(), held.contains(&task.feature));
            }
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
    }
}
