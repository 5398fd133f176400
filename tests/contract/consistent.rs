//! Everything a store derives, derived once more from what it holds, by the plainest code there is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use tasq_domain::ready::{Scope, claim_order, is_ready};
use tasq_domain::rollup::roll_up;
use tasq_domain::{
    Contents, EntityKind, Epic, EpicId, Feature, FeatureId, Lane, Place, Present, Process, Status,
    StatusCounts, Task, TaskId, TaskRecord, TestOwner, TestStatus, Timestamp,
};
use tasq_ports::{Page, Sort, Store, StoreError, StoreExt, TaskBatch, TaskFilter, Tx};

/// Fails unless every derived value, list and count of the store follows from its contents.
#[track_caller]
pub(crate) fn assert_consistent(store: &dyn Store) {
    if let Err(error) = store.read(|tx| {
        check(tx);
        Ok::<_, StoreError>(())
    }) {
        panic!("the store cannot be read: {error}");
    }
}

/// The same within a unit of work, where what was written a moment ago counts as well.
pub(crate) fn check(tx: &mut dyn Tx) {
    let now = tx.now();
    let contents = tx.contents().unwrap();
    assert_ordered(&contents);
    let tree = Contents {
        attempts: Vec::new(),
        checkpoints: Vec::new(),
        events: Vec::new(),
        operations: Vec::new(),
        ..contents.clone()
    };
    assert_eq!(
        tx.tree().unwrap(),
        tree,
        "what is there without its history"
    );
    check_batches(tx, &tree.tasks);
    let around = Contents {
        tasks: Vec::new(),
        ..tree
    };
    assert_eq!(tx.tree_without_tasks().unwrap(), around);
    assert_resolved(&contents);
    let statuses = parents(&contents);
    let records = records(&contents);
    check_items(tx, &contents, &statuses, &records);
    check_relations(tx, &contents);
    for scope in scopes(&contents, &records) {
        check_scope(tx, &scope, &records, now);
    }
    check_expired(tx, &records, now);
    check_processes(tx, &contents);
}

/// All that a batch shows.
pub(crate) fn tasks_of(batch: Box<dyn TaskBatch>) -> Vec<Task> {
    let mut shown = Vec::new();
    batch
        .show(&mut |task: Task| {
            shown.push(task);
            ControlFlow::Continue(())
        })
        .unwrap();
    shown
}

/// Each task is given once, and none after somebody breaks off.
fn check_batches(tx: &mut dyn Tx, tasks: &[Task]) {
    let mut shown = Vec::new();
    tx.task_batches(&mut |batch: Box<dyn TaskBatch>| {
        let tasks = tasks_of(batch);
        assert!(!tasks.is_empty(), "no batch is empty");
        shown.extend(tasks);
        ControlFlow::Continue(())
    })
    .unwrap();
    shown.sort_by_key(|task| task.seq);
    assert_eq!(shown, tasks, "each task is given once");
    let (mut batches, mut shown) = (0, 0);
    tx.task_batches(&mut |batch: Box<dyn TaskBatch>| {
        batches += 1;
        batch
            .show(&mut |_: Task| {
                shown += 1;
                ControlFlow::Break(())
            })
            .unwrap();
        ControlFlow::Break(())
    })
    .unwrap();
    let some = tasks.len().min(1);
    assert_eq!((batches, shown), (some, some), "none after breaking off");
}

struct Parents {
    features: BTreeMap<FeatureId, Status>,
    epics: BTreeMap<EpicId, Status>,
}

fn parents(contents: &Contents) -> Parents {
    let mut features = BTreeMap::new();
    for feature in &contents.features {
        let tasks = contents
            .tasks
            .iter()
            .filter(|task| task.feature == feature.id);
        let gate_open = contents.tests.iter().any(|test| {
            test.owner == TestOwner::Feature(feature.id.clone())
                && test.gates()
                && test.status != TestStatus::Passing
        });
        let derived = roll_up(
            present(tasks.map(|task| task.status)),
            gate_open,
            feature.hold.is_some(),
        );
        features.insert(feature.id.clone(), derived.unwrap_or(feature.own_status));
    }
    let mut epics = BTreeMap::new();
    for epic in &contents.epics {
        let children = contents
            .features
            .iter()
            .filter(|feature| feature.epic.as_ref() == Some(&epic.id));
        let derived = roll_up(
            present(children.map(|feature| features[&feature.id])),
            false,
            epic.hold.is_some(),
        );
        epics.insert(epic.id.clone(), derived.unwrap_or(epic.own_status));
    }
    Parents { features, epics }
}

fn present(statuses: impl Iterator<Item = Status>) -> Present {
    statuses.collect::<StatusCounts>().present()
}

fn records(contents: &Contents) -> Vec<TaskRecord> {
    let features: BTreeMap<&FeatureId, &Feature> =
        contents.features.iter().map(|it| (&it.id, it)).collect();
    let epics: BTreeMap<&EpicId, &Epic> = contents.epics.iter().map(|it| (&it.id, it)).collect();
    let tasks: BTreeMap<&TaskId, &Task> = contents.tasks.iter().map(|it| (&it.id, it)).collect();
    let record = |task: &Task| {
        let feature = features[&task.feature];
        let epic_held = feature
            .epic
            .as_ref()
            .is_some_and(|epic| epics[epic].hold.is_some());
        let open = contents
            .dependencies
            .iter()
            .filter(|it| it.task == task.id && tasks[&it.on].status != Status::Completed)
            .count();
        TaskRecord {
            task: task.clone(),
            epic: feature.epic.clone(),
            priority: task.own_priority.unwrap_or(feature.priority),
            open_dependencies: u32::try_from(open).unwrap(),
            held_above: feature.hold.is_some() || epic_held,
        }
    };
    contents.tasks.iter().map(record).collect()
}

fn assert_ordered(contents: &Contents) {
    fn rising<T: Ord + std::fmt::Debug>(what: &str, keys: impl Iterator<Item = T>) {
        let keys: Vec<T> = keys.collect();
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1], "{what} are not in order: {pair:?}");
        }
    }
    fn different<'a>(what: &str, ids: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for id in ids {
            assert!(seen.insert(id), "two {what} have the id {id}");
        }
    }
    rising("epics", contents.epics.iter().map(|it| it.seq));
    rising("features", contents.features.iter().map(|it| it.seq));
    rising("tasks", contents.tasks.iter().map(|it| it.seq));
    rising("tests", contents.tests.iter().map(|it| it.seq));
    rising("dependencies", contents.dependencies.iter());
    rising(
        "attempts",
        contents
            .attempts
            .iter()
            .map(|it| (&it.task, it.token.attempt)),
    );
    rising(
        "questions",
        contents.questions.iter().map(|it| (&it.task, it.attempt)),
    );
    rising("checkpoints", contents.checkpoints.iter().map(|it| it.seq));
    rising("events", contents.events.iter().map(|it| it.seq));
    different("epics", contents.epics.iter().map(|it| it.id.as_str()));
    different(
        "features",
        contents.features.iter().map(|it| it.id.as_str()),
    );
    different("tasks", contents.tasks.iter().map(|it| it.id.as_str()));
    different("tests", contents.tests.iter().map(|it| it.id.as_str()));
    different(
        "operations",
        contents.operations.iter().map(|it| it.id.as_str()),
    );
}

fn assert_resolved(contents: &Contents) {
    let epics: BTreeSet<&EpicId> = contents.epics.iter().map(|it| &it.id).collect();
    let features: BTreeSet<&FeatureId> = contents.features.iter().map(|it| &it.id).collect();
    let tasks: BTreeSet<&TaskId> = contents.tasks.iter().map(|it| &it.id).collect();
    for feature in &contents.features {
        assert!(
            feature
                .epic
                .as_ref()
                .is_none_or(|epic| epics.contains(epic)),
            "{} is in an epic that has gone",
            feature.id
        );
    }
    for task in &contents.tasks {
        assert!(
            features.contains(&task.feature),
            "{} is in a feature that has gone",
            task.id
        );
    }
    for test in &contents.tests {
        let found = match &test.owner {
            TestOwner::Task(task) => tasks.contains(task),
            TestOwner::Feature(feature) => features.contains(feature),
        };
        assert!(found, "{} belongs to an item that has gone", test.id);
    }
    let of_tasks = contents
        .dependencies
        .iter()
        .flat_map(|it| [&it.task, &it.on])
        .chain(contents.questions.iter().map(|it| &it.task))
        .chain(contents.attempts.iter().map(|it| &it.task))
        .chain(contents.checkpoints.iter().map(|it| &it.task));
    for task in of_tasks {
        assert!(tasks.contains(task), "something is left of {task}");
    }
}

fn check_items(tx: &mut dyn Tx, contents: &Contents, statuses: &Parents, records: &[TaskRecord]) {
    for epic in &contents.epics {
        assert_eq!(
            epic.status, statuses.epics[&epic.id],
            "the status of {} does not follow from its features",
            epic.id
        );
        assert_eq!(tx.epic(&epic.id).unwrap().as_ref(), Some(epic));
    }
    for feature in &contents.features {
        assert_eq!(
            feature.status, statuses.features[&feature.id],
            "the status of {} does not follow from its tasks",
            feature.id
        );
        assert_eq!(tx.feature(&feature.id).unwrap().as_ref(), Some(feature));
    }
    for record in records {
        assert_eq!(tx.task(&record.task.id).unwrap().as_ref(), Some(record));
    }
    for test in &contents.tests {
        assert_eq!(tx.test(&test.id).unwrap().as_ref(), Some(test));
    }
    assert_eq!(tx.epics().unwrap(), contents.epics);
    assert_eq!(tx.features().unwrap(), contents.features);
    assert_eq!(tx.tests(i64::MIN, u32::MAX).unwrap(), contents.tests);
    assert_eq!(tx.settings().unwrap(), contents.settings);
    for (kind, found) in [
        (EntityKind::Epic, contents.epics.len()),
        (EntityKind::Feature, contents.features.len()),
        (EntityKind::Task, contents.tasks.len()),
        (EntityKind::Test, contents.tests.len()),
    ] {
        assert_eq!(tx.count(kind).unwrap(), found as u64, "count of {kind}");
    }
}

fn check_relations(tx: &mut dyn Tx, contents: &Contents) {
    for epic in contents.epics.iter().map(|it| Some(&it.id)).chain([None]) {
        let expected: Vec<&Feature> = contents
            .features
            .iter()
            .filter(|it| it.epic.as_ref() == epic)
            .collect();
        let found = tx.features_of(epic).unwrap();
        assert!(found.iter().eq(expected), "features of {epic:?}");
    }
    check_counted(tx, contents);
    let owners = (contents
        .tasks
        .iter()
        .map(|it| TestOwner::Task(it.id.clone())))
    .chain((contents.features.iter()).map(|it| TestOwner::Feature(it.id.clone())));
    for owner in owners {
        let found = tx.tests_of(&owner).unwrap();
        let expected = contents.tests.iter().filter(|it| it.owner == owner);
        assert!(found.iter().eq(expected), "tests of {owner:?}");
    }
    for task in contents.tasks.iter().map(|it| &it.id) {
        let on = (contents.dependencies.iter()).filter(|it| it.task == *task);
        let expected: Vec<&TaskId> = on.map(|it| &it.on).collect();
        assert!(tx.dependencies_of(task).unwrap().iter().eq(expected));
        let by = (contents.dependencies.iter()).filter(|it| it.on == *task);
        let mut expected: Vec<&TaskId> = by.map(|it| &it.task).collect();
        expected.sort();
        assert!(tx.dependents_of(task).unwrap().iter().eq(expected));
        let expected = contents.attempts.iter().filter(|it| it.task == *task);
        assert!(tx.attempts_of(task).unwrap().iter().eq(expected));
        let expected = contents.checkpoints.iter().filter(|it| it.task == *task);
        assert!(tx.checkpoints_of(task).unwrap().iter().eq(expected));
        let expected = contents.questions.iter().filter(|it| it.task == *task);
        assert!(tx.questions_of(task).unwrap().iter().eq(expected));
    }
}

/// What one read tells of many parents is what is told of each.
fn check_counted(tx: &mut dyn Tx, contents: &Contents) {
    let of_tasks = |inside: &dyn Fn(&FeatureId) -> bool| -> StatusCounts {
        let below = contents.tasks.iter().filter(|it| inside(&it.feature));
        below.map(|it| it.status).collect()
    };
    let counted = |it: &Feature| (it.clone(), of_tasks(&|feature| *feature == it.id));
    let all: Vec<_> = contents.features.iter().map(counted).collect();
    assert_eq!(tx.counted_features(None).unwrap(), all, "every feature");
    let mut epics = Vec::new();
    for epic in &contents.epics {
        let (below, _): (Vec<_>, Vec<_>) =
            (all.iter().cloned()).partition(|(it, _)| it.epic.as_ref() == Some(&epic.id));
        let found = tx.counted_features(Some(&epic.id)).unwrap();
        assert_eq!(found, below, "features of {}", epic.id);
        let inside = |feature: &FeatureId| below.iter().any(|(it, _)| it.id == *feature);
        epics.push((epic.clone(), of_tasks(&inside)));
    }
    assert_eq!(tx.counted_epics().unwrap(), epics, "every epic");
}

fn scopes(contents: &Contents, records: &[TaskRecord]) -> Vec<Scope> {
    let lane = |it: &TaskRecord| Lane {
        feature: it.task.feature.clone(),
        priority: it.priority,
    };
    let mut scopes = vec![Scope::Queue];
    scopes.extend(contents.epics.iter().map(|it| Scope::Epic(it.id.clone())));
    scopes.extend((contents.features.iter()).map(|it| Scope::Feature(it.id.clone())));
    scopes.extend(records.iter().map(|it| Scope::Lane(lane(it))));
    scopes.extend(records.iter().map(|it| Scope::Task(it.task.id.clone())));
    let mut seen = std::collections::HashSet::new();
    scopes.retain(|scope| seen.insert(scope.clone()));
    scopes
}

fn check_scope(tx: &mut dyn Tx, scope: &Scope, records: &[TaskRecord], now: Timestamp) {
    let mut inside: Vec<&TaskRecord> = records.iter().filter(|it| scope.contains(it)).collect();
    let counts: StatusCounts = inside.iter().map(|it| it.task.status).collect();
    assert_eq!(
        tx.task_counts(scope).unwrap(),
        counts,
        "counts of {scope:?}"
    );

    let what = format!("{scope:?} by seq");
    assert_same(&what, &listed(tx, scope, Sort::Seq, false), &inside);
    inside.sort_by_key(|it| claim_order(it));
    let what = format!("{scope:?} in the order of work");
    assert_same(&what, &listed(tx, scope, Sort::Claim, false), &inside);
    let ready: Vec<&TaskRecord> = (inside.iter().copied())
        .filter(|it| is_ready(it, now))
        .collect();
    let what = format!("what is ready in {scope:?} at {now:?}");
    assert_same(&what, &listed(tx, scope, Sort::Claim, true), &ready);
    assert_eq!(
        tx.next_ready(scope).unwrap().as_ref(),
        ready.first().copied(),
        "the first ready task of {scope:?}"
    );
    inside.sort_by_key(|it| std::cmp::Reverse((it.task.updated_at, it.task.seq)));
    let what = format!("{scope:?} by last change");
    assert_same(&what, &listed(tx, scope, Sort::Updated, false), &inside);
}

fn listed(tx: &mut dyn Tx, scope: &Scope, sort: Sort, ready: bool) -> Vec<TaskRecord> {
    let filter = TaskFilter {
        scope: scope.clone(),
        ready,
        ..TaskFilter::default()
    };
    let page = Page {
        sort,
        after: None,
        limit: u32::MAX,
    };
    let page = tx.tasks(&filter, &page).unwrap();
    assert_eq!(page.next, None, "nothing is left after everything");
    page.tasks
}

fn check_expired(tx: &mut dyn Tx, records: &[TaskRecord], now: Timestamp) {
    let end = |it: &&TaskRecord| it.task.claim.as_ref().map(|claim| claim.lease_expires_at);
    let mut expected: Vec<&TaskRecord> = records
        .iter()
        .filter(|it| end(it).is_some_and(|end| end <= now))
        .collect();
    expected.sort_by_key(|it| (end(it), it.task.seq));
    let found = tx.expired(u32::MAX).unwrap();
    assert_same("expired leases", &found, &expected);
}

fn check_processes(tx: &mut dyn Tx, contents: &Contents) {
    let mut expected: BTreeMap<Place, Vec<(TaskId, Process)>> = BTreeMap::new();
    for task in &contents.tasks {
        if let Some(process) = task.claim.as_ref().and_then(|claim| claim.process) {
            let there = expected.entry(process.place).or_default();
            there.push((task.id.clone(), process));
        }
    }
    assert_eq!(tx.any_process().unwrap(), !expected.is_empty());
    for (place, expected) in expected {
        let found = tx.processes_at(&place).unwrap();
        assert_eq!(found, expected, "the processes at {place}");
    }
}

fn assert_same(what: &str, found: &[TaskRecord], expected: &[&TaskRecord]) {
    let ids = |records: &mut dyn Iterator<Item = &TaskRecord>| {
        records
            .map(|it| it.task.id.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    let found_ids = ids(&mut found.iter());
    assert_eq!(found_ids, ids(&mut expected.iter().copied()), "{what}");
    for (found, &expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
}
