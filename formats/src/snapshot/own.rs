//! The quick way to read what our own writer made: straight from the text to items, without a tree of values between.
//!
//! It knows only what the writer writes. Whatever else it meets (a key that it does not know or that is there twice, items
//! out of order, a value out of bounds), it gives up, and the thorough way reads the text and says what is wrong: so both
//! agree on every text, and this one needs no words for faults.

mod records;
mod tasks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use tasq_domain::backoff::Backoff;
use tasq_domain::{
    Actor, CancelRequest, Claim, CommandLine, Contents, Dependency, Description, Epic, EpicId,
    Feature, FeatureId, Hold, JsonObject, Name, Priority, Process, Proof, Question, Reason,
    RetryBudget, Settings, Source, Status, StoreId, Task, TaskId, TestCase, TestId, TestOwner,
    TestResult, TestStatus, Timestamp, Token, Worker,
};

pub use records::Before;
pub(super) use records::{attempt, event, operation};

use super::fields::{QUESTIONS, Reader, span_of};
use super::mend::{MAX_SEQ, Seq};
use super::read::{MAX_TICKS, questions};
use super::{Extra, Snapshot, VERSION};
use crate::json::{Document, Limits, to_text};
use crate::time;

/// How deep the metadata of an item lies in the text.
const METADATA_DEPTH: usize = 3;

/// A snapshot that [`super::encode`] wrote; `None` if it cannot be that.
pub(super) fn snapshot(bytes: &[u8], limits: Limits) -> Option<Snapshot> {
    if bytes.len() > limits.bytes || limits.depth < Limits::OWN.depth {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    if let Some((around, at, tasks)) = without_tasks(text) {
        let whole: Whole<'_> = serde_json::from_str(&around).ok()?;
        // Whatever else has such a key is not what was taken out.
        let found = whole.tasks.get().as_ptr().addr() - around.as_ptr().addr();
        return (found == at).then(|| put_together(whole, tasks)).flatten();
    }
    let whole: Whole<'_> = serde_json::from_str(text).ok()?;
    let tasks = tasks::tasks(whole.tasks.get())?;
    put_together(whole, tasks)
}

/// The tasks, which are most of the text, if they are laid out as our writer does; and before them the text with an
/// empty object in their place, and where that is.
fn without_tasks(text: &str) -> Option<(String, usize, Section<Task>)> {
    const KEY: &str = "\n  \"tasks\": ";
    let at = text.find(KEY)? + KEY.len();
    let (tasks, after) = tasks::as_laid_out(&text[at..])?;
    Some(([&text[..at], "{}", after].concat(), at, tasks))
}

fn put_together(whole: Whole<'_>, tasks: Section<Task>) -> Option<Snapshot> {
    if whole.tasq_snapshot != VERSION {
        return None;
    }
    let Below {
        waits: mut dependencies,
        questions,
    } = tasks.below;
    dependencies.sort();
    dependencies.dedup();
    let contents = Contents {
        settings: whole.settings.settings(&whole.store)?,
        epics: by_number(whole.epics.items)?,
        features: by_number(whole.features.items)?,
        tasks: by_number(tasks.items)?,
        tests: by_number(whole.tests.items)?,
        dependencies,
        questions,
        attempts: Vec::new(),
        checkpoints: Vec::new(),
        events: Vec::new(),
        operations: Vec::new(),
    };
    refers_to_what_is_there(&contents).then_some(Snapshot {
        contents,
        extra: Extra::default(),
        mended: Vec::new(),
    })
}

/// A text, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<'a> {
    tasq_snapshot: u64,
    #[serde(borrow)]
    store: Text<'a>,
    #[serde(borrow)]
    settings: SettingsRecord<'a>,
    #[serde(deserialize_with = "section::<EpicRecord<'de>, _>")]
    epics: Section<Epic>,
    #[serde(deserialize_with = "section::<FeatureRecord<'de>, _>")]
    features: Section<Feature>,
    #[serde(borrow)]
    tasks: &'a RawValue,
    #[serde(deserialize_with = "section::<TestRecord<'de>, _>")]
    tests: Section<TestCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsRecord<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    require_tests: bool,
    #[serde(borrow)]
    backoff_base_secs: &'a RawValue,
    #[serde(borrow)]
    backoff_cap_secs: &'a RawValue,
}

impl SettingsRecord<'_> {
    fn settings(self, store: &Text<'_>) -> Option<Settings> {
        Some(Settings {
            store: StoreId::new(store.0.as_ref()).ok()?,
            name: self.name.0.into_owned(),
            require_tests: self.require_tests,
            backoff: Backoff {
                base: span_of(self.backoff_base_secs.get())?,
                cap: span_of(self.backoff_cap_secs.get())?,
            },
        })
    }
}

/// What stands under an id.
trait Record<'a>: Deserialize<'a> {
    type Item;

    /// The item; what belongs to it is added to what is below.
    fn item(self, id: &str, below: &mut Below) -> Option<Self::Item>;
}

/// What stands inside of tasks and is a list of its own.
#[derive(Default)]
struct Below {
    waits: Vec<Dependency>,
    questions: Vec<Question>,
}

/// The items under rising ids.
struct Section<T> {
    items: Vec<T>,
    below: Below,
}

fn section<'de, R: Record<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Section<R::Item>, D::Error> {
    from.deserialize_map(Items::<R>(PhantomData))
}

struct Items<R>(PhantomData<R>);

impl<'de, R: Record<'de>> Visitor<'de> for Items<R> {
    type Value = Section<R::Item>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("items under rising ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut items, mut below) = (Vec::new(), Below::default());
        let mut last: Option<Text<'de>> = None;
        while let Some((id, record)) = map.next_entry::<Text<'de>, R>()? {
            if last.is_some_and(|last| last.0 >= id.0) {
                return Err(A::Error::custom("ids do not rise"));
            }
            let item = record.item(&id.0, &mut below);
            items.push(item.ok_or_else(|| A::Error::custom("out of bounds"))?);
            last = Some(id);
        }
        Ok(Section { items, below })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EpicRecord<'a> {
    seq: i64,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    own_status: Option<Text<'a>>,
    #[serde(borrow)]
    hold: Option<HoldRecord<'a>>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata_text: Option<Text<'a>>,
}

impl<'a> Record<'a> for EpicRecord<'a> {
    type Item = Epic;

    fn item(self, id: &str, _: &mut Below) -> Option<Epic> {
        let status = word(&self.status)?;
        Some(Epic {
            seq: self.seq,
            id: EpicId::new(id).ok()?,
            name: Name::new(self.name.0).ok()?,
            description: optional(self.description, Description::new)?,
            own_status: own_status(self.own_status.as_ref(), status)?,
            status,
            hold: held(self.hold)?,
            source: self.source.map(SourceRecord::source),
            metadata: metadata(self.metadata, self.metadata_text)?,
            created_at: instant(&self.created_at)?,
            updated_at: instant(&self.updated_at)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureRecord<'a> {
    seq: i64,
    #[serde(borrow)]
    epic: Option<Text<'a>>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    priority: u8,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    own_status: Option<Text<'a>>,
    #[serde(borrow)]
    hold: Option<HoldRecord<'a>>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata_text: Option<Text<'a>>,
}

impl<'a> Record<'a> for FeatureRecord<'a> {
    type Item = Feature;

    fn item(self, id: &str, _: &mut Below) -> Option<Feature> {
        let status = word(&self.status)?;
        Some(Feature {
            seq: self.seq,
            id: FeatureId::new(id).ok()?,
            epic: optional(self.epic, EpicId::new)?,
            name: Name::new(self.name.0).ok()?,
            description: optional(self.description, Description::new)?,
            priority: Priority::new(self.priority.into()).ok()?,
            own_status: own_status(self.own_status.as_ref(), status)?,
            status,
            hold: held(self.hold)?,
            source: self.source.map(SourceRecord::source),
            metadata: metadata(self.metadata, self.metadata_text)?,
            created_at: instant(&self.created_at)?,
            updated_at: instant(&self.updated_at)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskRecord<'a> {
    seq: i64,
    #[serde(borrow)]
    feature: Text<'a>,
    #[serde(borrow)]
    description: Text<'a>,
    priority: Option<u8>,
    #[serde(borrow, default)]
    depends_on: Vec<Text<'a>>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    blocked_reason: Option<Text<'a>>,
    retry_budget: u32,
    #[serde(default)]
    retries_used: u32,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    lost_in_a_row: u32,
    #[serde(borrow)]
    not_before: Option<Text<'a>>,
    #[serde(borrow)]
    claim: Option<Box<ClaimRecord<'a>>>,
    #[serde(borrow)]
    completed_at: Option<Text<'a>>,
    #[serde(borrow)]
    proof: Option<Text<'a>>,
    #[serde(borrow)]
    proof_by: Option<Text<'a>>,
    #[serde(borrow)]
    proof_reason: Option<Text<'a>>,
    #[serde(borrow)]
    questions: Option<&'a RawValue>,
    #[serde(borrow)]
    hold: Option<HoldRecord<'a>>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata_text: Option<Text<'a>>,
}

impl<'a> Record<'a> for TaskRecord<'a> {
    type Item = Task;

    fn item(self, id: &str, below: &mut Below) -> Option<Task> {
        let id = TaskId::new(id).ok()?;
        for on in self.depends_on {
            below.waits.push(Dependency {
                task: id.clone(),
                on: TaskId::new(on.0).ok()?,
            });
        }
        if let Some(questions) = self.questions {
            below.questions.extend(asked(&id, questions)?);
        }
        let priority = |number: u8| Priority::new(number.into());
        Some(Task {
            seq: self.seq,
            id,
            feature: FeatureId::new(self.feature.0).ok()?,
            description: Description::new(self.description.0).ok()?,
            own_priority: self.priority.map(priority).transpose().ok()?,
            retry_budget: RetryBudget::new(self.retry_budget.into()).ok()?,
            hold: held(self.hold)?,
            source: self.source.map(SourceRecord::source),
            metadata: metadata(self.metadata, self.metadata_text)?,
            created_at: instant(&self.created_at)?,
            updated_at: instant(&self.updated_at)?,
            status: word(&self.status)?,
            blocked_reason: optional(self.blocked_reason, Reason::new)?,
            retries_used: self.retries_used,
            not_before: instant_if_any(self.not_before.as_ref())?,
            attempts: self.attempts,
            lost_in_a_row: self.lost_in_a_row,
            claim: match self.claim {
                None => None,
                Some(claim) => Some(claim.claim()?),
            },
            completed_at: instant_if_any(self.completed_at.as_ref())?,
            proof: proof(self.proof, self.proof_by, self.proof_reason)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestRecord<'a> {
    seq: i64,
    #[serde(borrow)]
    task: Option<Text<'a>>,
    #[serde(borrow)]
    feature: Option<Text<'a>>,
    #[serde(borrow)]
    description: Text<'a>,
    #[serde(borrow)]
    command: Option<Text<'a>>,
    #[serde(default)]
    required: bool,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    last: Option<Box<ResultRecord<'a>>>,
    #[serde(borrow)]
    source: Option<SourceRecord<'a>>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata_text: Option<Text<'a>>,
}

impl<'a> Record<'a> for TestRecord<'a> {
    type Item = TestCase;

    fn item(self, id: &str, _: &mut Below) -> Option<TestCase> {
        let owner = match (self.task, self.feature) {
            (Some(task), None) => TestOwner::Task(TaskId::new(task.0).ok()?),
            (None, Some(feature)) => TestOwner::Feature(FeatureId::new(feature.0).ok()?),
            _ => return None,
        };
        Some(TestCase {
            seq: self.seq,
            id: TestId::new(id).ok()?,
            owner,
            description: Description::new(self.description.0).ok()?,
            command: optional(self.command, CommandLine::new)?,
            required: self.required,
            status: self.status.0.parse::<TestStatus>().ok()?,
            last: match self.last {
                None => None,
                Some(last) => Some(last.result()?),
            },
            source: self.source.map(SourceRecord::source),
            metadata: metadata(self.metadata, self.metadata_text)?,
            created_at: instant(&self.created_at)?,
            updated_at: instant(&self.updated_at)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldRecord<'a> {
    #[serde(borrow)]
    by: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow)]
    at: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceRecord<'a> {
    #[serde(borrow)]
    origin: Text<'a>,
    #[serde(borrow)]
    digest: Text<'a>,
}

impl SourceRecord<'_> {
    fn source(self) -> Source {
        Source {
            origin: self.origin.0.into_owned(),
            digest: self.digest.0.into_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimRecord<'a> {
    #[serde(borrow)]
    worker: Text<'a>,
    #[serde(borrow)]
    token: Text<'a>,
    #[serde(borrow)]
    started_at: Text<'a>,
    #[serde(borrow)]
    lease_secs: &'a RawValue,
    #[serde(borrow)]
    lease_expires_at: Text<'a>,
    #[serde(borrow)]
    cancel: Option<CancelRecord<'a>>,
    #[serde(borrow)]
    process: Option<ProcessRecord<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelRecord<'a> {
    #[serde(borrow)]
    by: Text<'a>,
    #[serde(borrow)]
    at: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcessRecord<'a> {
    #[serde(borrow)]
    place: Text<'a>,
    pid: u32,
    started_ticks: u64,
}

impl ClaimRecord<'_> {
    fn claim(self) -> Option<Claim> {
        let cancel = match self.cancel {
            None => None,
            Some(cancel) => Some(CancelRequest {
                by: Actor::new(cancel.by.0).ok()?,
                at: instant(&cancel.at)?,
            }),
        };
        let process = match self.process {
            None => None,
            Some(process) => Some(Process {
                place: process.place.0.parse().ok()?,
                pid: process.pid,
                started_ticks: Some(process.started_ticks).filter(|ticks| *ticks <= MAX_TICKS)?,
            }),
        };
        Some(Claim {
            worker: Worker::new(self.worker.0).ok()?,
            token: self.token.0.parse::<Token>().ok()?,
            started_at: instant(&self.started_at)?,
            lease: span_of(self.lease_secs.get())?,
            lease_expires_at: instant(&self.lease_expires_at)?,
            cancel,
            process,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultRecord<'a> {
    #[serde(borrow)]
    at: Text<'a>,
    #[serde(borrow)]
    by: Text<'a>,
    attempt: Option<u32>,
    exit_code: Option<i32>,
    duration_ms: Option<u64>,
    #[serde(borrow)]
    output_tail: Option<Text<'a>>,
}

impl ResultRecord<'_> {
    fn result(self) -> Option<TestResult> {
        Some(TestResult {
            at: instant(&self.at)?,
            by: Actor::new(self.by.0).ok()?,
            attempt: self.attempt,
            exit_code: self.exit_code,
            duration_ms: self.duration_ms,
            output_tail: self.output_tail.map(|tail| tail.0.into_owned()),
        })
    }
}

fn word(text: &Text<'_>) -> Option<Status> {
    text.0.parse().ok()
}

fn own_status(own: Option<&Text<'_>>, status: Status) -> Option<Status> {
    own.map_or(Some(status), word)
}

fn instant(text: &Text<'_>) -> Option<Timestamp> {
    moment(&text.0)
}

fn moment(text: &str) -> Option<Timestamp> {
    let parsed = time::parse(text).ok()?;
    Some(Timestamp::from_micros(parsed.micros))
}

/// The outer `None` is a fault.
fn instant_if_any(text: Option<&Text<'_>>) -> Option<Option<Timestamp>> {
    text.map_or(Some(None), |text| instant(text).map(Some))
}

/// The outer `None` is a fault.
fn optional<T, E>(
    text: Option<Text<'_>>,
    new: impl FnOnce(String) -> Result<T, E>,
) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => new(text.0.into_owned()).ok().map(Some),
    }
}

/// The outer `None` is a fault.
fn held(hold: Option<HoldRecord<'_>>) -> Option<Option<Hold>> {
    let Some(HoldRecord { by, reason, at }) = hold else {
        return Some(None);
    };
    Some(Some(Hold {
        by: Actor::new(by.0).ok()?,
        reason: Reason::new(reason.0).ok()?,
        at: instant(&at)?,
    }))
}

/// The outer `None` is a fault.
fn proof(
    word: Option<Text<'_>>,
    by: Option<Text<'_>>,
    reason: Option<Text<'_>>,
) -> Option<Option<Proof>> {
    let Some(word) = word else { return Some(None) };
    Some(Some(match word.0.as_ref() {
        "tests" => Proof::Tests,
        "none" => Proof::Unproven,
        "imported" => Proof::Imported,
        "override" => Proof::Override {
            by: Actor::new(by?.0).ok()?,
            reason: Reason::new(reason?.0).ok()?,
        },
        _ => return None,
    }))
}

/// What was asked about a task: few are asked anything, so these are read the thorough way.
fn asked(task: &TaskId, raw: &RawValue) -> Option<Vec<Question>> {
    let text = format!("{{\"{QUESTIONS}\":{raw}}}");
    let document = Document::parse_within(text.as_bytes(), Limits::OWN).ok()?;
    let mut from = Reader::new(document.root()).ok()?;
    let read = questions(task, &mut from).ok()?;
    read.into_iter()
        .map(|(question, unknown)| unknown.is_empty().then_some(question))
        .collect()
}

fn metadata(raw: Option<&RawValue>, text: Option<Text<'_>>) -> Option<JsonObject> {
    let Some(raw) = raw else {
        return text.is_none().then(JsonObject::default);
    };
    let limits = Limits {
        depth: Limits::OWN.depth - METADATA_DEPTH,
        ..Limits::OWN
    };
    let document = Document::parse_within(raw.get().as_bytes(), limits).ok()?;
    document.value().as_object()?;
    let as_spelled = text.filter(|text| {
        Document::parse_within(text.0.as_bytes(), Limits::FOREIGN)
            .is_ok_and(|spelled| spelled.value() == document.value())
    });
    let text = as_spelled.map_or_else(|| to_text(document.value()), |text| text.0.into_owned());
    JsonObject::new(text).ok()
}

/// By their numbers, which must all be different.
fn by_number<T: Seq>(items: Vec<T>) -> Option<Vec<T>> {
    // Numbers are sorted, not items, which are large.
    let mut order: Vec<(i64, usize)> = items.iter().map(Seq::seq).zip(0..).collect();
    order.sort_unstable();
    let rising = order.windows(2).all(|two| two[0].0 < two[1].0);
    let within = order.first().is_none_or(|first| first.0 >= 1)
        && order.last().is_none_or(|last| last.0 <= MAX_SEQ);
    if !(rising && within) {
        return None;
    }
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.iter().map(|&(_, at)| items[at].take()).collect()
}

fn refers_to_what_is_there(contents: &Contents) -> bool {
    let epics: HashSet<&EpicId> = contents.epics.iter().map(|epic| &epic.id).collect();
    let features: HashSet<&FeatureId> = contents
        .features
        .iter()
        .map(|feature| &feature.id)
        .collect();
    let in_epics = contents
        .features
        .iter()
        .filter_map(|feature| feature.epic.as_ref())
        .all(|epic| epics.contains(epic));
    let in_features = contents
        .tasks
        .iter()
        .all(|task| features.contains(&task.feature));
    if contents.dependencies.is_empty() && contents.tests.is_empty() {
        return in_epics && in_features;
    }
    let tasks: HashSet<&TaskId> = contents.tasks.iter().map(|task| &task.id).collect();
    let waits = contents
        .dependencies
        .iter()
        .all(|dependency| tasks.contains(&dependency.on));
    let owned = contents.tests.iter().all(|test| match &test.owner {
        TestOwner::Task(task) => tasks.contains(task),
        TestOwner::Feature(feature) => features.contains(feature),
    });
    in_epics && in_features && waits && owned
}
