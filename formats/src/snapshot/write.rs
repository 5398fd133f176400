//! From a queue to its text.

use std::borrow::Cow;
use std::collections::HashMap;

use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Answer, AnyId, CancelRequest, Claim, Contents, Epic, Feature, Hold, Process, Proof, Question,
    Settings, Source, Status, Task, TaskId, TestCase, TestOwner, TestResult,
};

use super::fields::{
    CANCEL, CLAIM, FieldError, HOLD, ITEM_DEPTH, Inside, Json, LAST, LAYOUT, PROCESS, QUESTIONS,
    SOURCE, Writer, key, secs, time_text, write_back,
};
use super::{Extra, MARK, Tree, VERSION};
use crate::json::{Object, Value, push_line, push_quoted, push_value};

/// The keys of the whole.
const TOP: [&str; 7] = [
    MARK, "store", "settings", "epics", "features", "tasks", "tests",
];

/// What an item takes in the text, about.
const BYTES_PER_ITEM: usize = 320;

pub(super) fn snapshot(tree: &Tree<'_>, extra: &Extra) -> Result<String, FieldError> {
    let Tree {
        settings,
        epics,
        features,
        tasks,
        tests,
        dependencies,
        questions,
    } = tree;
    let around = Around::new(dependencies.iter().copied(), questions.iter().copied());
    let mut text = Text::begin(tasks.len() + tests.len());
    text.head(settings, extra);
    text.section("epics", epics, extra, epic)?;
    text.section("features", features, extra, feature)?;
    text.section("tasks", tasks, extra, |out, one| {
        around.task(out, one, extra)
    })?;
    text.section("tests", tests, extra, test)?;
    for (key, value) in extra.top.iter().filter(|(key, _)| !TOP.contains(key)) {
        text.key(key, value);
    }
    Ok(text.end())
}

/// The text but for its tasks: what comes before and what comes after the object that they stand in.
pub(super) fn around_tasks(contents: &Contents) -> Result<(String, String), FieldError> {
    let extra = Extra::default();
    let refs = Tree::from(contents);
    let mut text = Text::begin(refs.epics.len() + refs.features.len() + refs.tests.len());
    text.head(refs.settings, &extra);
    text.section("epics", &refs.epics, &extra, epic)?;
    text.section("features", &refs.features, &extra, feature)?;
    text.name("tasks");
    let before = std::mem::take(&mut text.out);
    text.section("tests", &refs.tests, &extra, test)?;
    Ok((before, text.end()))
}

/// What is written with a task and lies elsewhere.
#[derive(Debug)]
pub(super) struct Around<'a> {
    waits_for: HashMap<&'a TaskId, Vec<&'a TaskId>>,
    asked: HashMap<&'a TaskId, Vec<&'a Question>>,
}

impl<'a> Around<'a> {
    pub(super) fn new(
        dependencies: impl Iterator<Item = (&'a TaskId, &'a TaskId)>,
        questions: impl Iterator<Item = &'a Question>,
    ) -> Self {
        let mut waits_for: HashMap<&TaskId, Vec<&TaskId>> = HashMap::new();
        for (task, on) in dependencies {
            waits_for.entry(task).or_default().push(on);
        }
        for on in waits_for.values_mut() {
            on.sort_unstable();
            on.dedup();
        }
        let mut asked: HashMap<&TaskId, Vec<&Question>> = HashMap::new();
        for question in questions {
            asked.entry(&question.task).or_default().push(question);
        }
        Self { waits_for, asked }
    }

    pub(super) fn task<'t>(
        &self,
        out: &mut Writer<'t>,
        one: &'t Task,
        extra: &Extra,
    ) -> Result<(), FieldError> {
        // Most queues have few of either, and some have none.
        let on = if self.waits_for.is_empty() {
            None
        } else {
            self.waits_for.get(&one.id)
        };
        let asked = if self.asked.is_empty() {
            None
        } else {
            self.asked.get(&one.id)
        };
        let asked = asked.map(|asked| questions(asked, extra));
        task(out, one, on.map_or(&[], Vec::as_slice), asked)
    }
}

/// What has an id of its own.
trait Item {
    /// The objects inside it.
    const INSIDE: Inside;

    fn id(&self) -> AnyId;
    fn id_text(&self) -> &str;
}

macro_rules! item {
    ($($item:ident: $($key:ident $inside:ident),*;)*) => {$(
        impl Item for $item {
            const INSIDE: Inside = Inside(&[$(($key, Inside::$inside)),*]);

            fn id(&self) -> AnyId {
                AnyId::from(&self.id)
            }

            fn id_text(&self) -> &str {
                self.id.as_str()
            }
        }
    )*};
}

item! {
    Epic: HOLD NOTHING, SOURCE NOTHING;
    Feature: HOLD NOTHING, SOURCE NOTHING;
    Task: HOLD NOTHING, SOURCE NOTHING, CLAIM CLAIM;
    TestCase: SOURCE NOTHING, LAST NOTHING;
}

/// The text as it grows. What is written is never a tree of values before, but where unknown keys are written back.
struct Text {
    out: String,
    keys: usize,
}

impl Text {
    fn begin(items: usize) -> Self {
        let mut out = String::with_capacity(items.saturating_mul(BYTES_PER_ITEM));
        out.push('{');
        Self { out, keys: 0 }
    }

    /// The mark, the store and the settings.
    fn head(&mut self, settings: &Settings, extra: &Extra) {
        self.key(MARK, &VERSION.into());
        self.key("store", &settings.store.as_str().into());
        let own = write_back(self::settings(settings), &extra.settings, Inside::NOTHING);
        self.key("settings", &own.into());
    }

    fn name(&mut self, key: &str) {
        push_line(&mut self.out, self.keys, 1);
        self.keys += 1;
        push_quoted(&mut self.out, key);
        self.out.push_str(": ");
    }

    fn key(&mut self, key: &str, value: &Value) {
        self.name(key);
        push_value(&mut self.out, value, LAYOUT, 1);
    }

    /// Items under their ids, sorted.
    fn section<'a, T: Item>(
        &mut self,
        key: &str,
        items: &[&'a T],
        extra: &Extra,
        write: impl Fn(&mut Writer<'a>, &'a T) -> Result<(), FieldError>,
    ) -> Result<(), FieldError> {
        self.name(key);
        if items.is_empty() {
            self.out.push_str("{}");
            return Ok(());
        }
        let mut items = Cow::Borrowed(items);
        if !items.is_sorted_by(|a, b| a.id_text() <= b.id_text()) {
            items = Cow::Owned(by_id(&items));
        }
        self.out.push('{');
        let mut fields = Writer::into_lines();
        for (at, &item) in items.iter().enumerate() {
            push_line(&mut self.out, at, ITEM_DEPTH);
            push_quoted(&mut self.out, item.id_text());
            self.out.push_str(": ");
            let unknown = if extra.items.is_empty() {
                None
            } else {
                extra.items.get(&item.id())
            };
            match unknown {
                None => fields.object_into(&mut self.out, |out| write(out, item))?,
                Some(unknown) => {
                    let mut own = Writer::default();
                    write(&mut own, item)?;
                    let all = write_back(own.done(), unknown, T::INSIDE).into();
                    push_value(&mut self.out, &all, LAYOUT, ITEM_DEPTH);
                }
            }
        }
        push_line(&mut self.out, 0, 1);
        self.out.push('}');
        Ok(())
    }

    fn end(mut self) -> String {
        self.out.push_str("\n}\n");
        self.out
    }
}

/// Items in the order of their ids. What an id begins with is carried along, so that a sort of a million does not look
/// for each of them whenever it compares two.
fn by_id<'a, T: Item>(items: &[&'a T]) -> Vec<&'a T> {
    let mut keyed: Vec<(u128, &T)> = items
        .iter()
        .map(|&item| (beginning(item.id_text()), item))
        .collect();
    keyed.sort_unstable_by(|(a, one), (b, other)| {
        a.cmp(b).then_with(|| one.id_text().cmp(other.id_text()))
    });
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// How much of an id is compared first.
pub(super) const BEGINNING: usize = 16;

/// What an id begins with, as one number, which is quick to compare. No id has a byte of 0, so a shorter one comes first,
/// as it should.
pub(super) fn beginning(id: &str) -> u128 {
    let mut beginning = [0; BEGINNING];
    let id = id.as_bytes();
    let len = id.len().min(BEGINNING);
    beginning[..len].copy_from_slice(&id[..len]);
    u128::from_be_bytes(beginning)
}

fn settings(settings: &Settings) -> Object {
    let Settings {
        store: _,
        name,
        require_tests,
        backoff: Backoff { base, cap },
    } = settings;
    Object::new()
        .with("name", name.as_str())
        .with("require_tests", *require_tests)
        .with("backoff_base_secs", secs(*base))
        .with("backoff_cap_secs", secs(*cap))
}

fn epic<'a>(out: &mut Writer<'a>, epic: &'a Epic) -> Result<(), FieldError> {
    let Epic {
        seq,
        id,
        name,
        description,
        own_status,
        status,
        hold,
        source,
        created_at,
        updated_at,
        metadata,
    } = epic;
    out.put("seq", *seq);
    out.put("name", name.as_str());
    out.opt("description", description.as_ref().map(|it| it.as_str()));
    statuses(out, *status, *own_status);
    out.opt(HOLD, hold.as_ref().map(self::hold));
    out.opt(SOURCE, source.as_ref().map(self::source));
    out.put("created_at", *created_at);
    out.put("updated_at", *updated_at);
    out.json(Json::METADATA, metadata, || AnyId::from(id))
}

fn feature<'a>(out: &mut Writer<'a>, feature: &'a Feature) -> Result<(), FieldError> {
    let Feature {
        seq,
        id,
        epic,
        name,
        description,
        priority,
        own_status,
        status,
        hold,
        source,
        created_at,
        updated_at,
        metadata,
    } = feature;
    out.put("seq", *seq);
    out.opt("epic", epic.as_ref().map(|it| it.as_str()));
    out.put("name", name.as_str());
    out.opt("description", description.as_ref().map(|it| it.as_str()));
    out.put("priority", priority.number());
    statuses(out, *status, *own_status);
    out.opt(HOLD, hold.as_ref().map(self::hold));
    out.opt(SOURCE, source.as_ref().map(self::source));
    out.put("created_at", *created_at);
    out.put("updated_at", *updated_at);
    out.json(Json::METADATA, metadata, || AnyId::from(id))
}

fn task<'a>(
    out: &mut Writer<'a>,
    task: &'a Task,
    depends_on: &[&TaskId],
    asked: Option<Object>,
) -> Result<(), FieldError> {
    let Task {
        seq,
        id,
        feature,
        description,
        own_priority,
        retry_budget,
        hold,
        source,
        metadata,
        created_at,
        updated_at,
        status,
        blocked_reason,
        retries_used,
        not_before,
        attempts,
        lost_in_a_row,
        claim,
        completed_at,
        proof,
    } = task;
    out.put_key(key!("seq"), *seq);
    out.put_key(key!("feature"), feature.as_str());
    out.put_key(key!("description"), description.as_str());
    out.opt("priority", own_priority.map(|it| it.number()));
    if !depends_on.is_empty() {
        out.put(
            "depends_on",
            depends_on.iter().map(|on| on.as_str()).collect::<Value>(),
        );
    }
    out.put_key(key!("status"), status.as_str());
    out.opt(
        "blocked_reason",
        blocked_reason.as_ref().map(|it| it.as_str()),
    );
    out.put_key(key!("retry_budget"), retry_budget.number());
    out.count("retries_used", *retries_used);
    out.count("attempts", *attempts);
    out.count("lost_in_a_row", *lost_in_a_row);
    out.opt("not_before", *not_before);
    out.opt(CLAIM, claim.as_ref().map(self::claim));
    out.opt("completed_at", *completed_at);
    out.opt("proof", proof.as_ref().map(Proof::as_str));
    if let Some(Proof::Override { by, reason }) = proof {
        out.put("proof_by", by.as_str());
        out.put("proof_reason", reason.as_str());
    }
    out.opt(QUESTIONS, asked);
    out.opt(HOLD, hold.as_ref().map(self::hold));
    out.opt(SOURCE, source.as_ref().map(self::source));
    out.put_key(key!("created_at"), *created_at);
    out.put_key(key!("updated_at"), *updated_at);
    out.json(Json::METADATA, metadata, || AnyId::from(id))
}

/// Questions under the numbers of the attempts that asked them.
fn questions(asked: &[&Question], extra: &Extra) -> Object {
    let one = |question: &&Question| {
        let Question {
            task,
            attempt,
            at,
            by,
            text,
            choices,
            answer,
        } = question;
        let mut out = Writer::default();
        out.put("at", time_text(*at));
        out.put("by", by.as_str());
        out.put("text", text.as_str());
        if !choices.is_empty() {
            let choices = choices.iter().map(|it| it.as_str()).collect::<Value>();
            out.put("choices", choices);
        }
        if let Some(Answer { at, by, text }) = answer {
            out.put("answer", text.as_str());
            out.put("answered_at", time_text(*at));
            out.put("answered_by", by.as_str());
        }
        let object = match extra.questions.get(&(task.clone(), *attempt)) {
            Some(extra) => write_back(out.done(), extra, Inside::NOTHING),
            None => out.done(),
        };
        (attempt.to_string(), object)
    };
    let mut asked = asked.to_vec();
    asked.sort_by_key(|question| question.attempt);
    asked.iter().map(one).collect()
}

fn test<'a>(out: &mut Writer<'a>, test: &'a TestCase) -> Result<(), FieldError> {
    let TestCase {
        seq,
        id,
        owner,
        description,
        command,
        required,
        status,
        last,
        source,
        created_at,
        updated_at,
        metadata,
    } = test;
    out.put("seq", *seq);
    match owner {
        TestOwner::Task(task) => out.put("task", task.as_str()),
        TestOwner::Feature(feature) => out.put("feature", feature.as_str()),
    }
    out.put("description", description.as_str());
    out.opt("command", command.as_ref().map(|it| it.as_str()));
    out.opt("required", required.then_some(true));
    out.put("status", status.as_str());
    out.opt(LAST, last.as_ref().map(result));
    out.opt(SOURCE, source.as_ref().map(self::source));
    out.put("created_at", *created_at);
    out.put("updated_at", *updated_at);
    out.json(Json::METADATA, metadata, || AnyId::from(id))
}

fn statuses(out: &mut Writer<'_>, status: Status, own_status: Status) {
    out.put("status", status.as_str());
    let own = (own_status != status).then_some(own_status);
    out.opt("own_status", own.map(Status::as_str));
}

fn hold(hold: &Hold) -> Object {
    let Hold { by, reason, at } = hold;
    Object::new()
        .with("by", by.as_str())
        .with("reason", reason.as_str())
        .with("at", time_text(*at))
}

fn source(source: &Source) -> Object {
    let Source { origin, digest } = source;
    Object::new()
        .with("origin", origin.as_str())
        .with("digest", digest.as_str())
}

fn claim(claim: &Claim) -> Object {
    let Claim {
        worker,
        token,
        started_at,
        lease,
        lease_expires_at,
        cancel,
        process,
    } = claim;
    let mut out = Writer::default();
    out.put("worker", worker.as_str());
    out.put("token", token.to_string());
    out.put("started_at", time_text(*started_at));
    out.put("lease_secs", secs(*lease));
    out.put("lease_expires_at", time_text(*lease_expires_at));
    let cancel = cancel.as_ref().map(|CancelRequest { by, at }| {
        Object::new()
            .with("by", by.as_str())
            .with("at", time_text(*at))
    });
    out.opt(CANCEL, cancel);
    out.opt(PROCESS, process.as_ref().map(process_object));
    out.done()
}

fn process_object(process: &Process) -> Object {
    let Process {
        place,
        pid,
        started_ticks,
    } = process;
    Object::new()
        .with("place", place.to_string())
        .with("pid", *pid)
        .with("started_ticks", *started_ticks)
}

fn result(result: &TestResult) -> Object {
    let TestResult {
        at,
        attempt,
        exit_code,
        duration_ms,
        output_tail,
        by,
    } = result;
    let mut out = Writer::default();
    out.put("at", time_text(*at));
    out.put("by", by.as_str());
    out.opt("attempt", *attempt);
    out.opt("exit_code", *exit_code);
    out.opt("duration_ms", *duration_ms);
    out.opt("output_tail", output_tail.as_deref());
    out.done()
}
