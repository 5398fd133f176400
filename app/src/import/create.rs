//! New items.

use tasq_domain::{
    AnyId, Attempt, AttemptEnd, Dependency, EntityKind, Epic, EventKind, Feature, Outcome, Proof,
    Source, Status, Task, TaskId, TestCase, TestId, TestOwner, TestStatus, Token, graph,
};
use tasq_formats::import::{FailureDraft, Key, StateDraft, TaskDraft, TestDraft};
use tasq_ports::{Inserted, StoreError};

use super::Import;
use crate::data::{Data, data};
use crate::error::AppError;

impl Import<'_, '_> {
    pub(super) fn source(&self, digest: &str) -> Option<Source> {
        Some(Source {
            origin: self.origin.clone(),
            digest: digest.to_owned(),
        })
    }

    /// Creates the epics that are new, and the features that are new and that something needs.
    pub(super) fn create_parents(&mut self) -> Result<(), AppError> {
        let draft = self.draft;
        for (at, epic) in draft.epics.iter().enumerate() {
            if self.epics[at].known().is_some() {
                continue;
            }
            let item = Epic {
                seq: 0,
                id: self.epics[at].id().clone(),
                name: epic.name.clone(),
                description: epic.description.clone(),
                own_status: Status::Pending,
                status: Status::Pending,
                hold: None,
                source: self.source(&epic.digest),
                created_at: self.now,
                updated_at: self.now,
                metadata: epic.metadata.clone(),
            };
            let inserted = self.unit.tx.insert_epic(&item)?;
            self.inserted(inserted, &item.id, data!({}))?;
            self.report.epics.created += 1;
        }
        let needed = self.needed_features();
        for (at, feature) in draft.features.iter().enumerate() {
            if self.features[at].known().is_some() || !needed[at] {
                continue;
            }
            let epic = self.epics[feature.epic].id().clone();
            if self.epics[feature.epic].known().is_some() {
                self.unit.watch_epic(&epic)?;
            }
            let item = Feature {
                seq: 0,
                id: self.features[at].id().clone(),
                epic: Some(epic),
                name: feature.name.clone(),
                description: feature.description.clone(),
                priority: feature.priority.unwrap_or_default(),
                own_status: feature.own_status,
                status: feature.own_status,
                hold: None,
                source: self.source(&feature.digest),
                created_at: self.now,
                updated_at: self.now,
                metadata: feature.metadata.clone(),
            };
            let inserted = self.unit.tx.insert_feature(&item)?;
            self.inserted(inserted, &item.id, data!({}))?;
            self.report.features.created += 1;
        }
        Ok(())
    }

    /// Groups are made for the tasks that go there; what has a record of its own is made anyway.
    fn needed_features(&self) -> Vec<bool> {
        let mut needed: Vec<bool> = self
            .draft
            .features
            .iter()
            .map(|feature| feature.is_record)
            .collect();
        for (at, task) in self.draft.tasks.iter().enumerate() {
            needed[task.feature] |= self.tasks[at]
                .known()
                .is_none_or(|known| self.moves(known, task));
        }
        needed
    }

    /// Creates the tasks that are new, with their test cases and their last failures.
    pub(super) fn create_tasks(&mut self) -> Result<(), AppError> {
        let draft = self.draft;
        for (at, task) in draft.tasks.iter().enumerate() {
            if self.tasks[at].known().is_some() {
                continue;
            }
            let item = self.new_task(self.tasks[at].id().clone(), task);
            if self.features[task.feature].known().is_some() {
                self.unit.watch_feature(&item.feature)?;
            }
            let inserted = self.unit.tx.insert_task(&item)?;
            self.inserted(
                inserted,
                &item.id,
                data!({ "status": item.status.as_str() }),
            )?;
            self.report.tasks.created += 1;
            if let Some(failure) = &task.failure {
                let attempt = self.failed_attempt(&item, failure);
                self.unit.tx.insert_attempt(&attempt)?;
            }
            for test in &task.tests {
                self.create_test(&item.id, test, &task.digest)?;
            }
        }
        Ok(())
    }

    fn new_task(&self, id: TaskId, draft: &TaskDraft) -> Task {
        let created_at = draft.created_at.or(draft.updated_at).unwrap_or(self.now);
        let updated_at = draft
            .updated_at
            .unwrap_or(created_at)
            .not_before(created_at);
        let completed_at = match &draft.state {
            StateDraft::Completed { at } => Some(at.unwrap_or(self.now)),
            _ => None,
        };
        Task {
            seq: 0,
            id,
            feature: self.features[draft.feature].id().clone(),
            description: draft.description.clone(),
            own_priority: draft.priority,
            retry_budget: draft.retry_budget,
            hold: None,
            source: self.source(&draft.digest),
            metadata: draft.metadata.clone(),
            created_at,
            updated_at: completed_at.map_or(updated_at, |at| at.not_before(updated_at)),
            status: draft.state.status(),
            blocked_reason: match &draft.state {
                StateDraft::Blocked { reason } => Some(reason.clone()),
                _ => None,
            },
            retries_used: draft.retries_used,
            not_before: None,
            attempts: u32::from(draft.failure.is_some()),
            lost_in_a_row: 0,
            claim: None,
            completed_at,
            proof: completed_at.map(|_| Proof::Imported),
        }
    }

    /// The attempt in which a task last failed elsewhere, so that the next worker sees how.
    fn failed_attempt(&self, task: &Task, failure: &FailureDraft) -> Attempt {
        let at = failure.at.unwrap_or(task.updated_at);
        Attempt {
            task: task.id.clone(),
            token: Token {
                attempt: task.attempts,
                nonce: self.app.ids.random(),
            },
            worker: failure.worker.clone(),
            started_at: at,
            end: Some(AttemptEnd {
                at,
                outcome: Outcome::Failed,
                exit_code: None,
                message: Some(failure.message.clone()),
            }),
            late_message: None,
            log_path: None,
            result: failure.result.clone(),
        }
    }

    pub(super) fn create_test(
        &mut self,
        task: &TaskId,
        test: &TestDraft,
        digest: &str,
    ) -> Result<(), AppError> {
        for round in 0_u32.. {
            let item = TestCase {
                seq: 0,
                id: test_id(&self.origin, task, &test.key, round)?,
                owner: TestOwner::Task(task.clone()),
                description: test.description.clone(),
                command: test.command.clone(),
                required: false,
                status: TestStatus::Pending,
                last: None,
                source: self.source(digest),
                created_at: self.now,
                updated_at: self.now,
                metadata: tasq_domain::JsonObject::default(),
            };
            let inserted = self.unit.tx.insert_test(&item)?;
            if matches!(inserted, Inserted::At(_)) {
                self.inserted(inserted, &item.id, data!({}))?;
                self.report.tests.created += 1;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets a task wait for others, if no cycle comes of it. Nothing stored waits for a task that is new, so what that
    /// waits for closes none; a cycle within the file was refused before.
    pub(super) fn create_dependencies(
        &mut self,
        task: &TaskId,
        on: &[TaskId],
    ) -> Result<(), AppError> {
        let is_known = !self.new_tasks.contains(task);
        for on in on {
            let tx = &mut *self.unit.tx;
            if is_known
                && let Some(cycle) = graph::cycle(task, on, |task| tx.dependencies_of(task))?
            {
                return Err(AppError::Cycle(cycle));
            }
            let dependency = Dependency {
                task: task.clone(),
                on: on.clone(),
            };
            if self.unit.tx.insert_dependency(&dependency)? {
                self.report.dependencies += 1;
            }
        }
        Ok(())
    }

    fn inserted(
        &mut self,
        inserted: Inserted,
        id: &(impl Clone + Into<AnyId>),
        data: Data,
    ) -> Result<(), AppError> {
        let id: AnyId = id.clone().into();
        if inserted == Inserted::Taken {
            // It was free when this unit began.
            return Err(StoreError::Backend {
                what: format!("{id} was taken meanwhile"),
            }
            .into());
        }
        self.event(&id, data)
    }

    /// The event of an item that this import made or changed.
    pub(super) fn event(&mut self, id: &AnyId, data: Data) -> Result<(), AppError> {
        let data = data.with("origin", &self.origin.as_str());
        self.unit.event(EventKind::Imported, id.clone(), data)
    }
}

/// The id of a test case that came with a task.
pub(super) fn test_id(
    origin: &str,
    task: &TaskId,
    key: &str,
    round: u32,
) -> Result<TestId, AppError> {
    let id = Key::made_id(EntityKind::Test, origin, &format!("{task}\0{round}\0{key}"));
    Ok(TestId::new(id)?)
}
