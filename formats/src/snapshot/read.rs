//! From a text to a queue.

use std::collections::BTreeMap;

use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, Answer, AnyId, CancelRequest, Claim, CommandLine, Contents, Dependency, Description,
    Epic, EpicId, Feature, FeatureId, Hold, Name, Priority, Process, Proof, Question, Reason,
    RetryBudget, Settings, Source, Status, StoreId, Task, TaskId, TestCase, TestId, TestOwner,
    TestResult, TestStatus, Timestamp, Token, Worker, graph,
};

use super::fields::{CANCEL, CLAIM, HOLD, Json, LAST, PROCESS, QUESTIONS, Reader, SOURCE};
use super::mend::{self, Seq};
use super::own;
use super::{Extra, Fallback, MARK, MAX_FAULTS, Snapshot, SnapshotError, VERSION};
use crate::json::{Document, JsonError, Limits, Node, Object, ObjectNode, quoted};

const SECTIONS: [&str; 4] = ["epics", "features", "tasks", "tests"];

/// How many ids of a cycle a message names.
const MAX_CYCLE_SHOWN: usize = 12;

/// Whether what is read fits together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Our own writer saw to it.
    Encoder,
    /// A person, another program or a merge may have touched it.
    Nobody,
}

pub(super) fn snapshot(
    bytes: &[u8],
    limits: Limits,
    fallback: &Fallback,
    trust: Trust,
) -> Result<Snapshot, SnapshotError> {
    after(own::snapshot(bytes, limits), bytes, limits, fallback, trust)
}

/// [`snapshot`], where the quick way has been tried.
pub(super) fn after(
    quickly: Option<Snapshot>,
    bytes: &[u8],
    limits: Limits,
    fallback: &Fallback,
    trust: Trust,
) -> Result<Snapshot, SnapshotError> {
    match quickly.and_then(|snapshot| fits_together(snapshot, trust)) {
        Some(snapshot) => Ok(snapshot),
        None => thoroughly(bytes, limits, fallback, trust),
    }
}

/// The snapshot if there is nothing to mend in it and no task waits for itself; else the thorough way says so.
fn fits_together(mut snapshot: Snapshot, trust: Trust) -> Option<Snapshot> {
    if trust == Trust::Encoder {
        return Some(snapshot);
    }
    let contents = &mut snapshot.contents;
    let mut mended = Vec::new();
    for task in &mut contents.tasks {
        mend::task(task, &mut mended);
    }
    let edges = contents.dependencies.iter().map(|it| (&it.task, &it.on));
    let sound = mended.is_empty() && graph::any_cycle(edges).is_none();
    sound.then_some(snapshot)
}

/// The way for every text, ours or not.
pub(super) fn thoroughly(
    bytes: &[u8],
    limits: Limits,
    fallback: &Fallback,
    trust: Trust,
) -> Result<Snapshot, SnapshotError> {
    let document = Document::parse_within(bytes, limits).map_err(SnapshotError::Text)?;
    let object = check_version(document.root())?;
    let mut reading = Reading {
        fallback,
        trust,
        extra: Extra::default(),
        faults: Vec::new(),
    };
    let parts = reading.whole(object);
    if reading.faults.is_empty() {
        Ok(parts.finish(reading.extra, trust))
    } else {
        Err(SnapshotError::Invalid(reading.faults))
    }
}

fn check_version(root: Node<'_>) -> Result<ObjectNode<'_>, SnapshotError> {
    let invalid = |error: JsonError| SnapshotError::Invalid(vec![error]);
    let object = root.object().map_err(|_| SnapshotError::NotASnapshot)?;
    let mark = object.get(MARK).ok_or(SnapshotError::NotASnapshot)?;
    let found = mark.u64_in(1..=u64::MAX).map_err(invalid)?;
    if found > VERSION {
        return Err(SnapshotError::TooNew {
            found,
            known: VERSION,
        });
    }
    Ok(object)
}

/// Reads on after a fault, so that several are told at once.
struct Reading<'f> {
    fallback: &'f Fallback,
    trust: Trust,
    extra: Extra,
    faults: Vec<JsonError>,
}

/// An item as it was read, with where it stands.
struct Read<'a, T> {
    node: Node<'a>,
    seq: Option<i64>,
    item: T,
}

type Section<'a, K, T> = BTreeMap<K, Read<'a, T>>;

/// A task, and the tasks it waits for.
struct Waiting<'a> {
    task: Task,
    on: Vec<(TaskId, Node<'a>)>,
    /// What was asked about it, each with its unknown keys.
    questions: Vec<(Question, Object)>,
}

struct Parts<'a> {
    settings: Settings,
    epics: Section<'a, EpicId, Epic>,
    features: Section<'a, FeatureId, Feature>,
    tasks: Section<'a, TaskId, Waiting<'a>>,
    tests: Section<'a, TestId, TestCase>,
}

impl Reading<'_> {
    fn whole<'a>(&mut self, object: ObjectNode<'a>) -> Parts<'a> {
        let known: Vec<&str> = [MARK, "store", "settings"]
            .into_iter()
            .chain(SECTIONS)
            .collect();
        self.extra.top = object.unknown(&known);
        let settings = self.settings(object.opt("store"), object.opt("settings"));
        let [epics, features, tasks, tests] = SECTIONS.map(|section| object.opt(section));
        let parts = Parts {
            settings,
            epics: self.section(epics, EpicId::new, epic),
            features: self.section(features, FeatureId::new, feature),
            tasks: self.section(tasks, TaskId::new, task),
            tests: self.section(tests, TestId::new, test),
        };
        // References into a section that was not read whole would be told as missing.
        if self.faults.is_empty() {
            self.check_references(&parts);
        }
        if self.faults.is_empty() && self.trust == Trust::Nobody {
            self.check_cycles(&parts);
        }
        parts
    }

    fn fault(&mut self, fault: JsonError) {
        if !self.full() {
            self.faults.push(fault);
        }
    }

    fn full(&self) -> bool {
        self.faults.len() >= MAX_FAULTS
    }

    fn settings(&mut self, store: Option<Node<'_>>, node: Option<Node<'_>>) -> Settings {
        let fallback = &self.fallback.settings;
        let read = || -> Result<_, JsonError> {
            let store = match store {
                Some(store) => store.parsed(StoreId::new)?,
                None => fallback.store.clone(),
            };
            let Some(node) = node else {
                let settings = Settings {
                    store,
                    ..fallback.clone()
                };
                return Ok((settings, Object::new()));
            };
            let mut from = Reader::new(node)?;
            let name = from.opt_text("name")?;
            let require_tests = from.flag("require_tests")?;
            let base = from.opt_secs("backoff_base_secs")?;
            let cap = from.opt_secs("backoff_cap_secs")?;
            let settings = Settings {
                store,
                name: name.unwrap_or_else(|| fallback.name.clone()),
                require_tests,
                backoff: Backoff {
                    base: base.unwrap_or(fallback.backoff.base),
                    cap: cap.unwrap_or(fallback.backoff.cap),
                },
            };
            Ok((settings, from.unknown()))
        };
        match read() {
            Ok((settings, unknown)) => {
                self.extra.settings = unknown;
                settings
            }
            Err(fault) => {
                self.fault(fault);
                fallback.clone()
            }
        }
    }

    fn section<'a, K, T, E>(
        &mut self,
        node: Option<Node<'a>>,
        id: impl Fn(String) -> Result<K, E>,
        read: impl Fn(&K, &mut Reader<'a>, Timestamp) -> Result<T, JsonError>,
    ) -> Section<'a, K, T>
    where
        K: Ord + Clone + Into<AnyId>,
        E: std::fmt::Display,
    {
        let mut section = Section::new();
        let Some(node) = node else { return section };
        let object = match node.object() {
            Ok(object) => object,
            Err(fault) => {
                self.fault(fault);
                return section;
            }
        };
        for (key, node) in object.iter() {
            if self.full() {
                break;
            }
            let one = || -> Result<_, JsonError> {
                let id = id(key.to_owned()).map_err(|error| node.shape(error.to_string()))?;
                let mut from = Reader::new(node)?;
                let seq = from.opt("seq");
                let seq = seq.map(|seq| seq.i64_in(1..=mend::MAX_SEQ)).transpose()?;
                let item = read(&id, &mut from, self.fallback.at)?;
                Ok((id, Read { node, seq, item }, from.unknown()))
            };
            match one() {
                Ok((id, item, unknown)) => {
                    if !unknown.is_empty() {
                        self.extra.items.insert(id.clone().into(), unknown);
                    }
                    section.insert(id, item);
                }
                Err(fault) => self.fault(fault),
            }
        }
        section
    }

    fn check_references(&mut self, parts: &Parts<'_>) {
        let mut dangling = |node: Node<'_>, key: &str, kind: &str, id: &str| {
            if self.faults.len() < MAX_FAULTS {
                let object = node.object().ok();
                let place = object.and_then(|object| object.get(key)).unwrap_or(node);
                self.faults
                    .push(place.shape(format!("there is no {kind} {}", quoted(id))));
            }
        };
        for Read { node, item, .. } in parts.features.values() {
            if let Some(epic) = item
                .epic
                .as_ref()
                .filter(|id| !parts.epics.contains_key(id))
            {
                dangling(*node, "epic", "epic", epic.as_str());
            }
        }
        for Read { node, item, .. } in parts.tasks.values() {
            let feature = &item.task.feature;
            if !parts.features.contains_key(feature) {
                dangling(*node, "feature", "feature", feature.as_str());
            }
            for (on, place) in &item.on {
                if !parts.tasks.contains_key(on) {
                    dangling(*place, "", "task", on.as_str());
                }
            }
        }
        for Read { node, item, .. } in parts.tests.values() {
            match &item.owner {
                TestOwner::Task(task) if !parts.tasks.contains_key(task) => {
                    dangling(*node, "task", "task", task.as_str());
                }
                TestOwner::Feature(feature) if !parts.features.contains_key(feature) => {
                    dangling(*node, "feature", "feature", feature.as_str());
                }
                TestOwner::Task(_) | TestOwner::Feature(_) => {}
            }
        }
    }

    fn check_cycles(&mut self, parts: &Parts<'_>) {
        let edges = parts
            .tasks
            .iter()
            .flat_map(|(task, read)| read.item.on.iter().map(move |(on, _)| (task, on)));
        let Some(cycle) = graph::any_cycle(edges) else {
            return;
        };
        let mut names: Vec<&str> = cycle.iter().map(TaskId::as_str).collect();
        if names.len() > MAX_CYCLE_SHOWN {
            names.splice(MAX_CYCLE_SHOWN - 1..names.len() - 1, ["…"]);
        }
        let place = cycle.first().and_then(|task| parts.tasks.get(task));
        if let Some(place) = place {
            let message = format!("tasks wait for each other: {}", quoted(&names.join(" → ")));
            self.fault(place.node.shape(message));
        }
    }
}

impl Parts<'_> {
    fn finish(self, mut extra: Extra, trust: Trust) -> Snapshot {
        let mut questions = Vec::new();
        let mut mended = Vec::new();
        let mut dependencies = Vec::new();
        let mut tasks = Vec::with_capacity(self.tasks.len());
        for (id, read) in self.tasks {
            let Waiting {
                mut task,
                on,
                questions: asked,
            } = read.item;
            for (question, unknown) in asked {
                if !unknown.is_empty() {
                    extra
                        .questions
                        .insert((id.clone(), question.attempt), unknown);
                }
                questions.push(question);
            }
            for (on, _) in on {
                dependencies.push(Dependency {
                    task: id.clone(),
                    on,
                });
            }
            if trust == Trust::Nobody {
                let held = task.claim.is_some();
                mend::task(&mut task, &mut mended);
                if held && task.claim.is_none() {
                    extra.forget(&id, CLAIM);
                }
            }
            tasks.push((read.seq, task));
        }
        dependencies.sort();
        dependencies.dedup();
        let contents = Contents {
            settings: self.settings,
            epics: numbered(plain(self.epics), &mut mended),
            features: numbered(plain(self.features), &mut mended),
            tasks: numbered(tasks, &mut mended),
            tests: numbered(plain(self.tests), &mut mended),
            dependencies,
            questions,
            attempts: Vec::new(),
            checkpoints: Vec::new(),
            events: Vec::new(),
            operations: Vec::new(),
        };
        Snapshot {
            contents,
            extra,
            mended,
        }
    }
}

fn plain<K, T>(section: Section<'_, K, T>) -> Vec<(Option<i64>, T)> {
    section
        .into_values()
        .map(|read| (read.seq, read.item))
        .collect()
}

fn numbered<T: Seq>(items: Vec<(Option<i64>, T)>, mended: &mut Vec<String>) -> Vec<T> {
    mend::number(items, mended)
}

fn epic(id: &EpicId, from: &mut Reader<'_>, at: Timestamp) -> Result<Epic, JsonError> {
    let status = status(from)?;
    let (created_at, updated_at) = times(from, at)?;
    Ok(Epic {
        seq: 0,
        id: id.clone(),
        name: from.parsed("name", Name::new)?,
        description: from.opt_parsed("description", Description::new)?,
        own_status: own_status(from, status)?,
        status,
        hold: hold(from)?,
        source: source(from)?,
        created_at,
        updated_at,
        metadata: from.json(Json::METADATA)?,
    })
}

fn feature(id: &FeatureId, from: &mut Reader<'_>, at: Timestamp) -> Result<Feature, JsonError> {
    let status = status(from)?;
    let (created_at, updated_at) = times(from, at)?;
    Ok(Feature {
        seq: 0,
        id: id.clone(),
        epic: from.opt_parsed("epic", EpicId::new)?,
        name: from.parsed("name", Name::new)?,
        description: from.opt_parsed("description", Description::new)?,
        priority: priority(from)?.unwrap_or_default(),
        own_status: own_status(from, status)?,
        status,
        hold: hold(from)?,
        source: source(from)?,
        created_at,
        updated_at,
        metadata: from.json(Json::METADATA)?,
    })
}

fn task<'a>(id: &TaskId, from: &mut Reader<'a>, at: Timestamp) -> Result<Waiting<'a>, JsonError> {
    let (created_at, updated_at) = times(from, at)?;
    let task = Task {
        seq: 0,
        id: id.clone(),
        feature: from.parsed("feature", FeatureId::new)?,
        description: from.parsed("description", Description::new)?,
        own_priority: priority(from)?,
        retry_budget: retry_budget(from)?,
        hold: hold(from)?,
        source: source(from)?,
        metadata: from.json(Json::METADATA)?,
        created_at,
        updated_at,
        status: status(from)?,
        blocked_reason: from.opt_parsed("blocked_reason", Reason::new)?,
        retries_used: from.count("retries_used")?,
        not_before: from.opt_time("not_before")?,
        attempts: from.count("attempts")?,
        lost_in_a_row: from.count("lost_in_a_row")?,
        claim: from.object(CLAIM, claim)?,
        completed_at: from.opt_time("completed_at")?,
        proof: proof(from)?,
    };
    let mut on = Vec::new();
    if let Some(list) = from.opt("depends_on") {
        for place in list.array()? {
            on.push((place.parsed(TaskId::new)?, place));
        }
    }
    let questions = questions(id, from)?;
    Ok(Waiting {
        task,
        on,
        questions,
    })
}

/// Questions by the numbers of the attempts that asked them, in their order.
pub(super) fn questions(
    task: &TaskId,
    from: &mut Reader<'_>,
) -> Result<Vec<(Question, Object)>, JsonError> {
    let mut questions = Vec::new();
    let Some(list) = from.opt(QUESTIONS) else {
        return Ok(questions);
    };
    for (number, node) in list.object()?.iter() {
        let attempt: u32 = number
            .parse()
            .ok()
            .filter(|attempt: &u32| attempt.to_string() == number)
            .ok_or_else(|| {
                node.shape(format!(
                    "{} is not the number of an attempt",
                    quoted(number)
                ))
            })?;
        let mut from = Reader::new(node)?;
        let mut choices = Vec::new();
        if let Some(list) = from.opt("choices") {
            for choice in list.array()? {
                choices.push(choice.parsed(Name::new)?);
            }
        }
        let answer = match from.opt_parsed("answer", Reason::new)? {
            Some(text) => Some(Answer {
                at: from.time("answered_at")?,
                by: from.parsed("answered_by", Actor::new)?,
                text,
            }),
            None => None,
        };
        let question = Question {
            task: task.clone(),
            attempt,
            at: from.time("at")?,
            by: from.parsed("by", Worker::new)?,
            text: from.parsed("text", Reason::new)?,
            choices,
            answer,
        };
        questions.push((question, from.unknown()));
    }
    questions.sort_by_key(|(question, _)| question.attempt);
    Ok(questions)
}

fn test(id: &TestId, from: &mut Reader<'_>, at: Timestamp) -> Result<TestCase, JsonError> {
    let (created_at, updated_at) = times(from, at)?;
    let feature = from.opt("feature");
    let task = from.required("task");
    let owner = match (feature, task) {
        (None, task) => TestOwner::Task(task?.parsed(TaskId::new)?),
        (Some(feature), Err(_)) => TestOwner::Feature(feature.parsed(FeatureId::new)?),
        (Some(_), Ok(task)) => {
            return Err(task.shape("a test case belongs to a task or to a feature, not to both"));
        }
    };
    Ok(TestCase {
        seq: 0,
        id: id.clone(),
        owner,
        description: from.parsed("description", Description::new)?,
        command: from.opt_parsed("command", CommandLine::new)?,
        required: from.flag("required")?,
        status: from
            .opt_parsed("status", str::parse::<TestStatus>)?
            .unwrap_or(TestStatus::Pending),
        last: from.object(LAST, result)?,
        source: source(from)?,
        created_at,
        updated_at,
        metadata: from.json(Json::METADATA)?,
    })
}

fn status(from: &mut Reader<'_>) -> Result<Status, JsonError> {
    let status = from.opt_parsed("status", str::parse)?;
    Ok(status.unwrap_or(Status::Pending))
}

fn own_status(from: &mut Reader<'_>, status: Status) -> Result<Status, JsonError> {
    let own = from.opt_parsed("own_status", str::parse)?;
    Ok(own.unwrap_or(status))
}

fn times(from: &mut Reader<'_>, at: Timestamp) -> Result<(Timestamp, Timestamp), JsonError> {
    let created_at = from.opt_time("created_at")?.unwrap_or(at);
    let updated_at = from.opt_time("updated_at")?.unwrap_or(created_at);
    Ok((created_at, updated_at))
}

fn priority(from: &mut Reader<'_>) -> Result<Option<Priority>, JsonError> {
    let Some(node) = from.opt("priority") else {
        return Ok(None);
    };
    let number = node.i64_in(0..=Priority::MAX.number().into())?;
    let priority = Priority::new(number).map_err(|error| node.shape(error.to_string()))?;
    Ok(Some(priority))
}

fn retry_budget(from: &mut Reader<'_>) -> Result<RetryBudget, JsonError> {
    let Some(node) = from.opt("retry_budget") else {
        return Ok(RetryBudget::default());
    };
    let number = node.i64_in(0..=tasq_domain::MAX_RETRY_BUDGET.into())?;
    RetryBudget::new(number).map_err(|error| node.shape(error.to_string()))
}

fn hold(from: &mut Reader<'_>) -> Result<Option<Hold>, JsonError> {
    from.object(HOLD, |from| {
        Ok(Hold {
            by: from.parsed("by", Actor::new)?,
            reason: from.parsed("reason", Reason::new)?,
            at: from.time("at")?,
        })
    })
}

fn source(from: &mut Reader<'_>) -> Result<Option<Source>, JsonError> {
    from.object(SOURCE, |from| {
        Ok(Source {
            origin: from.text("origin")?,
            digest: from.text("digest")?,
        })
    })
}

/// As many ticks as every store can keep.
pub(super) const MAX_TICKS: u64 = i64::MAX.unsigned_abs();

fn claim(from: &mut Reader<'_>) -> Result<Claim, JsonError> {
    Ok(Claim {
        worker: from.parsed("worker", Worker::new)?,
        token: from.parsed("token", str::parse::<Token>)?,
        started_at: from.time("started_at")?,
        lease: from.secs("lease_secs")?,
        lease_expires_at: from.time("lease_expires_at")?,
        cancel: from.object(CANCEL, |from| {
            Ok(CancelRequest {
                by: from.parsed("by", Actor::new)?,
                at: from.time("at")?,
            })
        })?,
        process: from.object(PROCESS, |from| {
            let pid = from.required("pid")?.u32_in(0..=u32::MAX)?;
            let started_ticks = from.required("started_ticks")?;
            Ok(Process {
                place: from.parsed("place", str::parse)?,
                pid,
                started_ticks: started_ticks.u64_in(0..=MAX_TICKS)?,
            })
        })?,
    })
}

fn result(from: &mut Reader<'_>) -> Result<TestResult, JsonError> {
    let attempt = from.opt("attempt");
    let duration_ms = from.opt("duration_ms");
    Ok(TestResult {
        at: from.time("at")?,
        by: from.parsed("by", Actor::new)?,
        attempt: attempt.map(|node| node.u32_in(0..=u32::MAX)).transpose()?,
        exit_code: from.opt_i32("exit_code")?,
        duration_ms: duration_ms
            .map(|node| node.u64_in(0..=u64::MAX))
            .transpose()?,
        output_tail: from.opt_text("output_tail")?,
    })
}

fn proof(from: &mut Reader<'_>) -> Result<Option<Proof>, JsonError> {
    let by = from.opt("proof_by");
    let reason = from.opt("proof_reason");
    let Some(node) = from.opt("proof") else {
        return Ok(None);
    };
    let proof = match node.str()? {
        "tests" => Proof::Tests,
        "none" => Proof::Unproven,
        "imported" => Proof::Imported,
        "override" => {
            let (Some(by), Some(reason)) = (by, reason) else {
                return Err(node.shape("an override needs \"proof_by\" and \"proof_reason\""));
            };
            Proof::Override {
                by: by.parsed(Actor::new)?,
                reason: reason.parsed(Reason::new)?,
            }
        }
        other => {
            return Err(node.shape(format!(
                "{} is not a proof: it is one of tests, none, override, imported",
                quoted(other)
            )));
        }
    };
    Ok(Some(proof))
}
