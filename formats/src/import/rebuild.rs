//! From a store back to a queue file.

use std::collections::{BTreeMap, HashMap};

use tasq_domain::life::import_budget;
use tasq_domain::{
    Contents, Epic, EpicId, Feature, FeatureId, Source, Status, Task, TaskId, TestOwner, Timestamp,
};

use super::kept::{Kept, SOURCE_KEY};
use super::queue::fields;
use super::queue::{LISTS, cut_name, words};
use crate::json::{Object, Value};
use crate::time::to_rfc3339_clamped;

/// The queue file that an imported epic came from, as it stands now: what nobody changed here is as it was in the
/// source to the last key and number, what was changed is in the source's own keys. Tasks that were added here under
/// the epic follow at the end.
///
/// `None` if there is no such epic or it was not imported from a queue file.
#[must_use]
pub fn rebuild(contents: &Contents, epic: &EpicId) -> Option<Value> {
    let epic = contents
        .epics
        .iter()
        .find(|candidate| candidate.id == *epic)?;
    let kept = Kept::read(&epic.metadata)?;
    let store = Stored::of(contents);
    let mut lists = store.lists(epic);
    let mut file = Object::new();
    for key in &kept.keys {
        let value = match key.as_str() {
            "project" => renamed(&kept, epic),
            "description" => described(&kept, epic),
            list if LISTS.contains(&list) && !kept.record.contains_key(list) => {
                lists.remove(list).unwrap_or_default().into_iter().collect()
            }
            key => match kept.record.get(key).or_else(|| kept.rest.get(key)) {
                Some(value) => value.clone(),
                None => continue,
            },
        };
        file.insert(key.as_str(), value);
    }
    for (key, value) in added(&kept) {
        file.insert(key, value.clone());
    }
    // What was added here has a list of its own only if the source has none.
    for (list, records) in lists {
        match file.get(list).and_then(Value::as_array) {
            Some(present) => file.insert(
                list,
                present.iter().cloned().chain(records).collect::<Value>(),
            ),
            None => file.insert(list, records),
        };
    }
    Some(Value::Object(file))
}

/// What is stored, by what it belongs to.
struct Stored<'c> {
    contents: &'c Contents,
    features: HashMap<&'c FeatureId, &'c Feature>,
    tasks: HashMap<&'c TaskId, &'c Task>,
    waits_for: HashMap<&'c TaskId, Vec<&'c TaskId>>,
    tests: HashMap<&'c TaskId, Vec<&'c str>>,
}

impl<'c> Stored<'c> {
    fn of(contents: &'c Contents) -> Self {
        let mut waits_for: HashMap<_, Vec<_>> = HashMap::new();
        for dependency in &contents.dependencies {
            waits_for
                .entry(&dependency.task)
                .or_default()
                .push(&dependency.on);
        }
        let mut tests: HashMap<_, Vec<_>> = HashMap::new();
        for test in &contents.tests {
            if let (TestOwner::Task(task), Some(_)) = (&test.owner, &test.source) {
                tests
                    .entry(task)
                    .or_default()
                    .push(test.description.as_str());
            }
        }
        Self {
            contents,
            features: contents
                .features
                .iter()
                .map(|feature| (&feature.id, feature))
                .collect(),
            tasks: contents.tasks.iter().map(|task| (&task.id, task)).collect(),
            waits_for,
            tests,
        }
    }

    /// The records of an epic's source, by list and in order.
    fn lists(&self, epic: &Epic) -> BTreeMap<&'static str, Vec<Value>> {
        let origin = epic.source.as_ref().map(|source| source.origin.as_str());
        let ours = |source: &Option<Source>| {
            source.as_ref().map(|source| source.origin.as_str()) == origin
        };
        let mut placed: Vec<(&'static str, u64, i64, Value)> = Vec::new();
        for feature in self
            .contents
            .features
            .iter()
            .filter(|feature| ours(&feature.source))
        {
            if let Some(kept) = Kept::read(&feature.metadata) {
                let value = self.feature_record(feature, &kept);
                placed.push((list_of(&kept), kept.at, feature.seq, value));
            }
        }
        for task in &self.contents.tasks {
            let below = self
                .features
                .get(&task.feature)
                .is_some_and(|feature| feature.epic.as_ref() == Some(&epic.id));
            match Kept::read(&task.metadata) {
                Some(kept) if ours(&task.source) => {
                    let value = self.task_record(task, &kept);
                    placed.push((list_of(&kept), kept.at, task.seq, value));
                }
                None if below => {
                    placed.push((LISTS[0], u64::MAX, task.seq, self.new_record(task)));
                }
                _ => (),
            }
        }
        let only_list = placed
            .iter()
            .find(|(_, at, ..)| *at != u64::MAX)
            .map(|(list, ..)| *list);
        placed.sort_by_key(|(_, at, seq, _)| (*at, *seq));
        let mut lists: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (list, at, _, record) in placed {
            let list = if at == u64::MAX {
                only_list.unwrap_or(list)
            } else {
                list
            };
            lists.entry(list).or_default().push(record);
        }
        lists
    }

    fn task_record(&self, task: &Task, kept: &Kept) -> Value {
        let current =
            |key: &str, original: &Value| self.task_value(task, &kept.record, key, original);
        record(kept, &current)
    }

    /// The value of a mapped key: the original while it still means what the task says, else what the task says.
    fn task_value(&self, task: &Task, source: &Object, key: &str, original: &Value) -> Value {
        let keep = |same: bool, now: Value| if same { original.clone() } else { now };
        match key {
            "title" | "description" => self.text_value(task, source, key, original),
            "status" => {
                let then = fields::status(source);
                let same = then == task.status
                    || (then == Status::InProgress && task.status == Status::Pending);
                keep(same, task.status.as_str().into())
            }
            "priority" => {
                let then = words::priority(original).ok().flatten();
                keep(
                    then == task.own_priority,
                    task.own_priority.map(|now| now.number()).into(),
                )
            }
            "retry_budget" | "max_iterations"
                if fields::first(source, &fields::BUDGET_KEYS)
                    .is_none_or(|(first, _)| first == key) =>
            {
                keep(
                    fields::budget(source).0 == task.retry_budget,
                    task.retry_budget.number().into(),
                )
            }
            "retries_used" | "attempts"
                if fields::first(source, &fields::USED_KEYS)
                    .is_none_or(|(first, _)| first == key) =>
            {
                let (budget, _) = fields::budget(source);
                // The status at the import counts, which may have been pending whatever the source says now.
                let then = |status| import_budget(fields::used(source).0, budget, status).0;
                let statuses = [task.status, fields::status(source), Status::Pending];
                let same = statuses
                    .into_iter()
                    .any(|status| then(status) == task.retries_used);
                keep(same, task.retries_used.into())
            }
            "completed_at" => {
                let then = fields::time(source, key).map(|(at, _)| at);
                let same = match (
                    fields::status(source) == Status::Completed,
                    task.completed_at,
                ) {
                    (was_done, Some(_)) => {
                        then == task.completed_at || (was_done && then.is_none())
                    }
                    // A record that is not done may still tell when it once was.
                    (was_done, None) => !was_done,
                };
                keep(same, time_value(task.completed_at))
            }
            "dependencies" | "depends_on" => self.dependency_value(task, source, key, original),
            "tests" => {
                let now = self.tests.get(&task.id).cloned().unwrap_or_default();
                let then = fields::test_paths(source);
                let same =
                    then.len() == now.len() && then.iter().all(|path| now.contains(&path.as_str()));
                keep(same, now.into_iter().collect())
            }
            _ => original.clone(),
        }
    }

    fn text_value(&self, task: &Task, source: &Object, key: &str, original: &Value) -> Value {
        let then = fields::description(source).map(|(then, _)| then);
        let has_both = fields::text(source, "title").is_some()
            && fields::text(source, "description").is_some();
        let now = task.description.as_str();
        match then {
            Some(then) if then == task.description => original.clone(),
            None if now == task.id.as_str() || now.starts_with("(no description)") => {
                original.clone()
            }
            _ if !has_both => {
                if original.is_null() {
                    Value::Null
                } else {
                    now.into()
                }
            }
            _ => match (key, now.split_once("\n\n")) {
                ("title", split) => split.map_or(now, |(title, _)| title).into(),
                (_, Some((_, description))) => description.into(),
                (_, None) => "".into(),
            },
        }
    }

    fn dependency_value(&self, task: &Task, source: &Object, key: &str, original: &Value) -> Value {
        let now = self.waits_for.get(&task.id).map_or(&[][..], Vec::as_slice);
        // Each is told by the name that its own source gave it.
        let name = |on: &&TaskId| {
            let kept = self
                .tasks
                .get(on)
                .and_then(|task| Kept::read(&task.metadata));
            kept.and_then(|kept| fields::id_text(&kept.record))
                .unwrap_or_else(|| on.to_string())
        };
        let now: Vec<String> = now.iter().map(name).collect();
        let listed = |source: &Object| {
            fields::DEPENDENCY_KEYS
                .map(|key| fields::listed(source, key))
                .concat()
        };
        let then = listed(source);
        // What holds a task may wait too, and the task with it.
        let holder = self
            .features
            .get(&task.feature)
            .and_then(|feature| Kept::read(&feature.metadata));
        let inherited = holder
            .map(|holder| listed(&holder.record))
            .unwrap_or_default();
        let known = [then.clone(), inherited].concat();
        let gone = then.iter().any(|id| !now.contains(id) && self.is_task(id));
        let come = now
            .iter()
            .filter(|id| !known.contains(id) && !self.is_implied(&known, id));
        let come: Vec<&String> = come.collect();
        if !gone && come.is_empty() {
            return original.clone();
        }
        let own = fields::listed(source, key);
        let left = own
            .into_iter()
            .filter(|id| now.contains(id) || !self.is_task(id));
        let is_first = fields::DEPENDENCY_KEYS
            .iter()
            .find(|key| source.contains_key(key))
            == Some(&key);
        left.chain(come.into_iter().filter(|_| is_first).cloned())
            .collect()
    }

    /// Whether `id` is a task's own id; a record that became a feature is none.
    fn is_task(&self, id: &str) -> bool {
        TaskId::new(id).is_ok_and(|id| self.tasks.contains_key(&id))
    }

    /// Whether a task is waited for because what holds it is one of `then`.
    fn is_implied(&self, then: &[String], id: &str) -> bool {
        let task = TaskId::new(id)
            .ok()
            .and_then(|id| self.tasks.get(&id).copied());
        task.is_some_and(|task| then.iter().any(|holder| holder == task.feature.as_str()))
    }

    fn feature_record(&self, feature: &Feature, kept: &Kept) -> Value {
        let current = |key: &str, original: &Value| {
            let then = match fields::status(&kept.record) {
                Status::InProgress => Status::Pending,
                status => status,
            };
            if key == "status" && then != feature.own_status {
                return feature.own_status.as_str().into();
            }
            original.clone()
        };
        record(kept, &current)
    }

    /// The record of a task that was added here.
    fn new_record(&self, task: &Task) -> Value {
        let rest = Object::new()
            .with("id", task.id.as_str())
            .with("description", task.description.as_str())
            .with("status", task.status.as_str())
            .with(
                "priority",
                task.own_priority.map(tasq_domain::Priority::number),
            )
            .with("retry_budget", task.retry_budget.number())
            .with("retries_used", task.retries_used)
            .with("created_at", time_value(Some(task.created_at)))
            .with("completed_at", time_value(task.completed_at));
        let on = self.waits_for.get(&task.id).into_iter().flatten();
        Value::Object(rest.with("dependencies", on.map(|on| on.as_str()).collect::<Value>()))
    }
}

/// A record in the order of its keys: what became a field from `current`, the rest as it is kept, then what was added.
fn record(kept: &Kept, current: &dyn Fn(&str, &Value) -> Value) -> Value {
    let value = |key: &String| {
        let value = match kept.record.get(key) {
            Some(original) => current(key, original),
            None => kept.rest.get(key)?.clone(),
        };
        Some((key.clone(), value))
    };
    let ours = kept.keys.iter().filter_map(value);
    Value::Object(
        ours.chain(added(kept).map(|(key, value)| (key.to_owned(), value.clone())))
            .collect(),
    )
}

/// The keys of metadata that the source did not have.
fn added(kept: &Kept) -> impl Iterator<Item = (&str, &Value)> {
    kept.rest
        .iter()
        .filter(|(key, _)| *key != SOURCE_KEY && !kept.keys.iter().any(|known| known == key))
}

fn renamed(kept: &Kept, epic: &Epic) -> Value {
    let original = kept.record.get("project").cloned().unwrap_or_default();
    let then = original
        .as_str()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    match then {
        Some(then) if cut_name(then) != epic.name.as_str() => epic.name.as_str().into(),
        _ => original,
    }
}

fn described(kept: &Kept, epic: &Epic) -> Value {
    let original = kept.record.get("description").cloned().unwrap_or_default();
    match &epic.description {
        Some(now) if original.as_str() != Some(now.as_str()) => now.as_str().into(),
        _ => original,
    }
}

fn list_of(kept: &Kept) -> &'static str {
    LISTS
        .into_iter()
        .find(|list| *list == kept.list)
        .unwrap_or(LISTS[0])
}

fn time_value(at: Option<Timestamp>) -> Value {
    at.map(|at| to_rfc3339_clamped(at.micros())).into()
}
