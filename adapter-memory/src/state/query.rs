//! Questions about tasks: what is next, what is listed, how many there are.

use std::cmp::Reverse;
use std::sync::Arc;

use tasq_domain::ready::{self, Scope};
use tasq_domain::{
    AnyId, EntityKind, Epic, EpicId, Feature, FeatureId, IdError, Place, Priority, Process, Status,
    StatusCounts, Task, TaskId, TaskRecord, TestCase, TestId, TestOwner, Timestamp,
};
use tasq_ports::{Cursor, Page, Sort, TaskFilter, TaskPage};

use super::State;

impl State {
    pub(crate) fn record(&self, id: &TaskId) -> Option<TaskRecord> {
        self.tasks.find(id).map(|task| self.record_of(task))
    }

    pub(crate) fn has_task(&self, id: &TaskId) -> bool {
        self.tasks.find(id).is_some()
    }

    /// The first of [`State::ready`], without putting all of them in order.
    pub(crate) fn next_ready(&self, scope: &Scope, now: Timestamp) -> Option<TaskRecord> {
        let mut best: Option<TaskRecord> = None;
        for seq in self.tasks_in(scope) {
            let task = self.tasks.at(seq);
            // Cheap tests first; the rule itself decides.
            let place = (self.priority(task), task.seq);
            let later = best
                .as_ref()
                .is_some_and(|best| ready::claim_order(best) <= place);
            if task.status != Status::Pending || later {
                continue;
            }
            let record = self.record_of(task);
            if ready::is_ready(&record, now) {
                best = Some(record);
            }
        }
        best
    }

    pub(crate) fn ready(&self, scope: &Scope, now: Timestamp, limit: u32) -> Vec<TaskRecord> {
        let mut places: Vec<(Priority, i64)> = self
            .tasks_in(scope)
            .into_iter()
            .map(|seq| self.tasks.at(seq))
            .filter(|task| task.status == Status::Pending)
            .map(|task| (self.priority(task), task.seq))
            .collect();
        places.sort_unstable();
        places
            .into_iter()
            .map(|(_, seq)| self.record_of(self.tasks.at(seq)))
            .filter(|record| ready::is_ready(record, now))
            .take(limit as usize)
            .collect()
    }

    pub(crate) fn expired(&self, now: Timestamp, limit: u32) -> Vec<TaskRecord> {
        let mut found: Vec<(Timestamp, &Arc<Task>)> = self
            .tasks
            .iter()
            .filter_map(|task| Some((task.claim.as_ref()?.lease_expires_at, task)))
            .filter(|&(end, _)| end <= now)
            .collect();
        found.sort_by_key(|&(end, task)| (end, task.seq));
        found
            .into_iter()
            .take(limit as usize)
            .map(|(_, task)| self.record_of(task))
            .collect()
    }

    pub(crate) fn any_process(&self) -> bool {
        self.tasks
            .iter()
            .any(|task| task.claim.as_ref().is_some_and(|it| it.process.is_some()))
    }

    pub(crate) fn processes_at(&self, place: &Place) -> Vec<(TaskId, Process)> {
        let claims = self.tasks.iter().filter_map(|task| {
            let process = task.claim.as_ref()?.process?;
            (process.place == *place).then(|| (task.id.clone(), process))
        });
        claims.collect()
    }

    pub(crate) fn list(&self, filter: &TaskFilter, page: &Page, now: Timestamp) -> TaskPage {
        let TaskFilter {
            scope,
            statuses,
            ready,
            words,
        } = filter;
        let fits = |task: &Task| {
            (statuses.is_empty() || statuses.contains(&task.status))
                && (words.is_empty() || task.description.has_words(words))
                && (!ready || ready::is_ready(&self.record_of(task), now))
        };
        let mut places: Vec<Cursor> = self
            .tasks_in(scope)
            .into_iter()
            .map(|seq| self.tasks.at(seq))
            .map(|task| (self.place(task, page.sort), task))
            .filter(|&(place, task)| {
                page.after
                    .is_none_or(|after| rank(place, page.sort) > rank(after, page.sort))
                    && fits(task)
            })
            .map(|(place, _)| place)
            .collect();
        places.sort_by_key(|&place| rank(place, page.sort));
        let limit = page.limit.max(1) as usize;
        let more = places.len() > limit;
        places.truncate(limit);
        TaskPage {
            next: places.last().copied().filter(|_| more),
            tasks: places
                .iter()
                .map(|place| self.record_of(self.tasks.at(place.seq)))
                .collect(),
        }
    }

    pub(crate) fn counts(&self, scope: &Scope) -> StatusCounts {
        let mut counts = StatusCounts::default();
        let features: Vec<i64> = match scope {
            Scope::Queue => self.features.iter().map(|feature| feature.seq).collect(),
            Scope::Epic(epic) => self.features_in(self.epics.seq_of(epic)),
            Scope::Feature(feature) => self.features.seq_of(feature).into_iter().collect(),
            Scope::Lane(_) | Scope::Task(_) => {
                let tasks = self.tasks_in(scope);
                return tasks
                    .into_iter()
                    .map(|seq| self.tasks.at(seq).status)
                    .collect();
            }
        };
        for feature in features {
            counts += self.task_counts.of(feature);
        }
        counts
    }

    pub(crate) fn counted_epics(&self) -> Vec<(Epic, StatusCounts)> {
        self.epics
            .iter()
            .map(|epic| {
                let mut counts = StatusCounts::default();
                for feature in self.features_of.of(epic.seq) {
                    counts += self.task_counts.of(feature);
                }
                (Epic::clone(epic), counts)
            })
            .collect()
    }

    pub(crate) fn counted_features(&self, epic: Option<&EpicId>) -> Vec<(Feature, StatusCounts)> {
        let seqs: Vec<i64> = match epic {
            Some(epic) => self.features_in(self.epics.seq_of(epic)),
            None => self.features.iter().map(|feature| feature.seq).collect(),
        };
        seqs.into_iter()
            .map(|seq| {
                let feature = Feature::clone(self.features.at(seq));
                (feature, self.task_counts.of(seq))
            })
            .collect()
    }

    pub(crate) fn features_below(&self, epic: Option<&EpicId>) -> Vec<Feature> {
        let epic = epic.map_or(Some(0), |epic| self.epics.seq_of(epic));
        self.features_in(epic)
            .into_iter()
            .map(|seq| Feature::clone(self.features.at(seq)))
            .collect()
    }

    pub(crate) fn tests_of(&self, owner: &TestOwner) -> Vec<TestCase> {
        let seqs: Vec<i64> = match owner {
            TestOwner::Task(task) => self
                .tasks
                .seq_of(task)
                .map_or_else(Vec::new, |task| self.tests_of_task.of(task).collect()),
            TestOwner::Feature(feature) => self
                .features
                .seq_of(feature)
                .map_or_else(Vec::new, |feature| {
                    self.tests_of_feature.of(feature).collect()
                }),
        };
        seqs.into_iter()
            .map(|seq| TestCase::clone(self.tests.at(seq)))
            .collect()
    }

    pub(crate) fn dependencies_of(&self, task: &TaskId) -> Vec<TaskId> {
        let seqs = self.tasks.seq_of(task).map(|task| self.waits_for.of(task));
        self.ids_of(seqs)
    }

    pub(crate) fn dependents_of(&self, task: &TaskId) -> Vec<TaskId> {
        let seqs = self.tasks.seq_of(task).map(|task| self.waited_by.of(task));
        self.ids_of(seqs)
    }

    pub(crate) fn ids_with_prefix(
        &self,
        kind: EntityKind,
        prefix: &str,
        limit: u32,
    ) -> Result<Vec<AnyId>, IdError> {
        let texts: Vec<&str> = match kind {
            EntityKind::Epic => begin_with(self.epics.ids().map(EpicId::as_str), prefix),
            EntityKind::Feature => begin_with(self.features.ids().map(FeatureId::as_str), prefix),
            EntityKind::Task => begin_with(self.tasks.ids().map(TaskId::as_str), prefix),
            EntityKind::Test => begin_with(self.tests.ids().map(TestId::as_str), prefix),
        };
        let mut first: Vec<&str> = texts.iter().copied().take(limit as usize).collect();
        if texts.contains(&prefix) && !first.contains(&prefix) {
            // It comes after all that are kept, so in the last place the order holds.
            first.pop();
            first.push(prefix);
        }
        first.into_iter().map(|text| kind.id(text)).collect()
    }

    pub(crate) fn count(&self, kind: EntityKind) -> u64 {
        let count = match kind {
            EntityKind::Epic => self.epics.len(),
            EntityKind::Feature => self.features.len(),
            EntityKind::Task => self.tasks.len(),
            EntityKind::Test => self.tests.len(),
        };
        count as u64
    }

    fn record_of(&self, task: &Task) -> TaskRecord {
        let feature = self.feature_of(task);
        let epic = feature.epic.as_ref().and_then(|epic| self.epics.find(epic));
        let open = self
            .waits_for
            .of(task.seq)
            .filter(|&on| self.tasks.at(on).status != Status::Completed)
            .count();
        TaskRecord {
            task: task.clone(),
            epic: feature.epic.clone(),
            priority: self.priority(task),
            open_dependencies: u32::try_from(open).unwrap_or(u32::MAX),
            held_above: feature.hold.is_some() || epic.is_some_and(|epic| epic.hold.is_some()),
        }
    }

    fn priority(&self, task: &Task) -> Priority {
        task.own_priority
            .unwrap_or_else(|| self.feature_of(task).priority)
    }

    fn feature_of(&self, task: &Task) -> &Arc<Feature> {
        self.features
            .find(&task.feature)
            .expect("a task's feature is checked when the task is written")
    }

    fn place(&self, task: &Task, sort: Sort) -> Cursor {
        let key = match sort {
            Sort::Claim => i64::from(self.priority(task).number()),
            Sort::Seq => 0,
            Sort::Updated => task.updated_at.micros(),
        };
        Cursor { key, seq: task.seq }
    }

    fn tasks_in(&self, scope: &Scope) -> Vec<i64> {
        let of = |feature: &FeatureId| {
            let seq = self.features.seq_of(feature);
            seq.map_or_else(Vec::new, |feature| self.tasks_of.of(feature).collect())
        };
        match scope {
            Scope::Queue => self.tasks.iter().map(|task| task.seq).collect(),
            Scope::Epic(epic) => self
                .features_in(self.epics.seq_of(epic))
                .into_iter()
                .flat_map(|feature| self.tasks_of.of(feature))
                .collect(),
            Scope::Feature(feature) => of(feature),
            Scope::Lane(lane) => of(&lane.feature)
                .into_iter()
                .filter(|&seq| self.priority(self.tasks.at(seq)) == lane.priority)
                .collect(),
            Scope::Task(task) => self.tasks.seq_of(task).into_iter().collect(),
        }
    }

    fn features_in(&self, epic: Option<i64>) -> Vec<i64> {
        epic.map_or_else(Vec::new, |epic| self.features_of.of(epic).collect())
    }

    fn ids_of(&self, seqs: Option<impl Iterator<Item = i64>>) -> Vec<TaskId> {
        let mut ids: Vec<TaskId> = seqs
            .into_iter()
            .flatten()
            .map(|seq| self.tasks.at(seq).id.clone())
            .collect();
        ids.sort();
        ids
    }
}

/// What a listing sorts by, so that smaller comes first.
fn rank(place: Cursor, sort: Sort) -> (Reverse<i64>, i64, i64) {
    match sort {
        Sort::Claim | Sort::Seq => (Reverse(0), place.key, place.seq),
        Sort::Updated => (Reverse(place.key), 0, -place.seq),
    }
}

fn begin_with<'a>(ids: impl Iterator<Item = &'a str>, prefix: &str) -> Vec<&'a str> {
    ids.filter(|id| {
        id.as_bytes()
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    })
    .collect()
}
