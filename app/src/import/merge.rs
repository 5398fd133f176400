//! Items that were imported before.

use std::collections::HashSet;

use tasq_domain::life::import_budget;
use tasq_domain::{
    AnyId, Dependency, Epic, Feature, JsonObject, Proof, Source, Status, Task, TaskId, TestOwner,
};
use tasq_formats::import::{
    Changes, Key, StateDraft, TaskDraft, changes, merged_metadata, original_dependencies,
    original_tests,
};

use super::Import;
use crate::data::data;
use crate::error::AppError;

impl Import<'_, '_> {
    /// Merges epics and features that their source changed.
    pub(super) fn merge_parents(&mut self) -> Result<(), AppError> {
        for at in 0..self.draft.epics.len() {
            if let Some(stored) = self.epics[at].known().cloned() {
                self.merge_epic(at, stored)?;
            }
        }
        for at in 0..self.draft.features.len() {
            if let Some(stored) = self.features[at].known().cloned() {
                self.merge_feature(at, stored)?;
            }
        }
        Ok(())
    }

    fn merge_epic(&mut self, at: usize, stored: Epic) -> Result<(), AppError> {
        let draft = &self.draft.epics[at];
        if is_same(stored.source.as_ref(), &draft.digest) {
            self.report.epics.unchanged += 1;
            return Ok(());
        }
        let changes = changes(&stored.metadata, &draft.metadata);
        let id = AnyId::from(&stored.id);
        let mut epic = Epic {
            metadata: self.metadata(
                &id,
                &stored.metadata,
                stored.source.as_ref(),
                &draft.metadata,
            )?,
            source: self.source(&draft.digest),
            updated_at: self.now.not_before(stored.updated_at),
            ..stored
        };
        if changes.name {
            epic.name = draft.name.clone();
        }
        if changes.description {
            epic.description.clone_from(&draft.description);
        }
        self.unit.tx.update_epic(&epic)?;
        self.report.epics.updated += 1;
        self.event(&id, data!({ "updated": true }))
    }

    fn merge_feature(&mut self, at: usize, stored: Feature) -> Result<(), AppError> {
        let draft = &self.draft.features[at];
        if is_same(stored.source.as_ref(), &draft.digest) {
            self.report.features.unchanged += 1;
            return Ok(());
        }
        let changes = changes(&stored.metadata, &draft.metadata);
        let id = AnyId::from(&stored.id);
        if let Some(epic) = &stored.epic {
            self.unit.watch_epic(epic)?;
        }
        let mut feature = Feature {
            metadata: self.metadata(
                &id,
                &stored.metadata,
                stored.source.as_ref(),
                &draft.metadata,
            )?,
            source: self.source(&draft.digest),
            updated_at: self.now.not_before(stored.updated_at),
            ..stored
        };
        if changes.description {
            feature.name = draft.name.clone();
            feature.description.clone_from(&draft.description);
        }
        if changes.priority {
            feature.priority = draft.priority.unwrap_or_default();
        }
        if changes.status {
            feature.own_status = draft.own_status;
        }
        if changes.depends_on {
            self.waits_anew.insert(at);
        }
        self.unit.tx.update_feature(&feature)?;
        self.report.features.updated += 1;
        self.event(&id, data!({ "updated": true }))
    }

    /// Merges a task that was imported before.
    pub(super) fn merge_task(&mut self, at: usize, on: &[TaskId]) -> Result<(), AppError> {
        let draft = &self.draft.tasks[at];
        let Some(stored) = self.tasks[at].known().cloned() else {
            return Ok(());
        };
        if is_same(stored.source.as_ref(), &draft.digest) {
            self.report.tasks.unchanged += 1;
            self.report.tests.unchanged += draft.tests.len() as u64;
            if self.waits_anew.contains(&draft.feature) {
                self.merge_dependencies(&stored, draft.feature, on)?;
            }
            return Ok(());
        }
        let changes = changes(&stored.metadata, &draft.metadata);
        let id = AnyId::from(&stored.id);
        let metadata = self.metadata(
            &id,
            &stored.metadata,
            stored.source.as_ref(),
            &draft.metadata,
        )?;
        let mut task = self.merged(&stored, draft, changes);
        task.metadata = metadata;
        task.source = self.source(&draft.digest);
        self.unit.watch_feature(&stored.feature)?;
        if task.feature != stored.feature {
            self.unit.watch_feature(&task.feature)?;
        }
        self.unit.tx.update_task(&task)?;
        if changes.depends_on || self.waits_anew.contains(&draft.feature) {
            self.merge_dependencies(&stored, draft.feature, on)?;
        }
        if changes.tests {
            self.merge_tests(&stored, draft)?;
        }
        self.report.tasks.updated += 1;
        self.event(
            &id,
            data!({ "updated": true, "status": task.status.as_str() }),
        )
    }

    /// Whether a known task goes to another feature, because the source moved it.
    pub(super) fn moves(&self, known: &Task, draft: &TaskDraft) -> bool {
        self.options.update
            && !is_same(known.source.as_ref(), &draft.digest)
            && changes(&known.metadata, &draft.metadata).group
            && known.claim.is_none()
    }

    /// `stored` with the fields that the source changed.
    fn merged(&mut self, stored: &Task, draft: &TaskDraft, changes: Changes) -> Task {
        let mut task = stored.clone();
        task.updated_at = self.now.not_before(stored.updated_at);
        if changes.description {
            task.description = draft.description.clone();
        }
        if changes.priority {
            task.own_priority = draft.priority;
        }
        if changes.group {
            if task.claim.is_none() {
                task.feature = self.features[draft.feature].id().clone();
            } else {
                self.notes.warn(format!(
                    "{}: it is claimed, so it stays in its feature",
                    task.id
                ));
            }
        }
        if changes.budget {
            task.retry_budget = draft.retry_budget;
            task.retries_used = task.retries_used.min(draft.retry_budget.number());
        }
        if changes.status {
            self.merge_state(&mut task, &draft.state);
        }
        let is_open = stored.claim.is_none() && stored.status != Status::Completed;
        if changes.used && is_open {
            task.retries_used = draft.retries_used;
        }
        if is_open {
            let (used, _) =
                import_budget(u64::from(task.retries_used), task.retry_budget, task.status);
            task.retries_used = used;
        }
        task
    }

    /// The state that the source changed to, unless the task has one here that must stay.
    fn merge_state(&mut self, task: &mut Task, state: &StateDraft) {
        if task.claim.is_some() {
            self.notes
                .warn(format!("{}: it is claimed, so its status stays", task.id));
            return;
        }
        if task.status == Status::Completed {
            if state.status() != Status::Completed {
                self.notes.warn(format!(
                    "{}: it is completed here, so it stays completed",
                    task.id
                ));
            }
            return;
        }
        task.status = state.status();
        task.not_before = None;
        task.blocked_reason = None;
        match state {
            StateDraft::Completed { at } => {
                task.completed_at = Some(at.unwrap_or(self.now));
                task.proof = Some(Proof::Imported);
            }
            StateDraft::Blocked { reason } => task.blocked_reason = Some(reason.clone()),
            StateDraft::Pending | StateDraft::InProgress => task.lost_in_a_row = 0,
        }
    }

    /// Adds the dependencies that the source added, and removes those that it removed; others stay.
    fn merge_dependencies(
        &mut self,
        stored: &Task,
        feature: usize,
        on: &[TaskId],
    ) -> Result<(), AppError> {
        if stored.claim.is_some() || stored.status == Status::Completed {
            self.notes.warn(format!(
                "{}: it is claimed or completed, so what it waits for stays",
                stored.id
            ));
            return Ok(());
        }
        let mut names = original_dependencies(&stored.metadata);
        // What holds the task may have waited too.
        if let Some(holder) = self.features[feature].known() {
            names.extend(original_dependencies(&holder.metadata));
        }
        let before: HashSet<TaskId> = names.iter().flat_map(|name| self.meaning(name)).collect();
        let added = on
            .iter()
            .filter(|on| !before.contains(on))
            .cloned()
            .collect();
        self.additions.push((stored.id.clone(), added));
        for gone in before.iter().filter(|gone| !on.contains(gone)) {
            let dependency = Dependency {
                task: stored.id.clone(),
                on: gone.clone(),
            };
            self.unit.tx.remove_dependency(&dependency)?;
        }
        Ok(())
    }

    /// The tasks that an id of the source means: one, or those that a record holds.
    fn meaning(&self, name: &str) -> Vec<TaskId> {
        let is_named = |key: &Key| key.as_str() == name;
        if let Some(at) = self.by_name.get(name) {
            return vec![self.tasks[*at].id().clone()];
        }
        let holder = self
            .draft
            .features
            .iter()
            .position(|feature| feature.is_record && is_named(&feature.key));
        match holder {
            Some(holder) => {
                let held = self
                    .draft
                    .tasks
                    .iter()
                    .zip(&self.tasks)
                    .filter(|(task, _)| task.feature == holder);
                held.map(|(_, target)| target.id().clone()).collect()
            }
            None => TaskId::new(name).into_iter().collect(),
        }
    }

    /// Adds the tests that the source added, and removes those that it removed and that nobody has run.
    fn merge_tests(&mut self, stored: &Task, draft: &TaskDraft) -> Result<(), AppError> {
        let before = original_tests(&stored.metadata);
        for test in draft
            .tests
            .iter()
            .filter(|test| !before.contains(&test.key))
        {
            self.create_test(&stored.id, test, &draft.digest)?;
        }
        for test in self.unit.tx.tests_of(&TestOwner::Task(stored.id.clone()))? {
            let name = test.description.as_str();
            let is_ours = test
                .source
                .as_ref()
                .is_some_and(|source| source.origin == self.origin);
            let is_gone = is_ours
                && before.iter().any(|key| key == name)
                && !draft.tests.iter().any(|test| test.key == name);
            if is_gone && test.last.is_some() {
                self.notes.warn(format!(
                    "{}: the test {} has a result, so it stays",
                    stored.id, test.id
                ));
            } else if is_gone {
                self.unit.tx.remove_test(&test.id)?;
                self.unit.event(
                    tasq_domain::EventKind::Removed,
                    &test.id,
                    data!({ "origin": self.origin }),
                )?;
            }
        }
        Ok(())
    }

    fn metadata(
        &mut self,
        id: &AnyId,
        stored: &JsonObject,
        source: Option<&Source>,
        incoming: &JsonObject,
    ) -> Result<JsonObject, AppError> {
        let digest = source.map_or("", |source| source.digest.as_str());
        let (merged, conflicts) = merged_metadata(stored, digest, incoming)?;
        for key in conflicts {
            let key = tasq_formats::json::quoted(&key);
            self.notes.warn(format!("{id}: {key} of its metadata was changed here and in the file; it stays as it is here"));
        }
        Ok(merged)
    }
}

fn is_same(source: Option<&Source>, digest: &str) -> bool {
    source.is_some_and(|source| source.digest == digest)
}
