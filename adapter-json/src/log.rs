//! The log: groups of records, one group for each unit of work that has any.
//!
//! A group is a head, `{"generation", "store", "lines", "base", "snapshot"}`, and as many lines after it, each
//! `{"generation", KIND: record}`. `base` and `snapshot` are the digests of the snapshot before and after the unit.
//! A group that is not whole was never committed: the snapshot is put in place after its group has reached the disk.

use std::io::BufRead as _;

use tasq_adapter_memory::History;
use tasq_domain::{
    AnyId, Attempt, Checkpoint, Contents, Event, EventKind, Operation, StoreId, TaskId,
};
use tasq_formats::json::{Document, Limits, Object, ObjectNode, Value, to_text};
use tasq_formats::snapshot::history::Before;
use tasq_formats::snapshot::{FieldError, history};

/// What a log says about a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The records that led to the snapshot, in order.
    pub(crate) records: Vec<Record>,
    /// The generation of the last group that counts.
    pub(crate) generation: u64,
    /// The bytes that count, from the beginning.
    pub(crate) keep: usize,
    /// How many records among them say nothing to this version.
    pub(crate) passed_over: u64,
    /// What the bytes after them are.
    pub(crate) rest: Rest,
}

/// The largest generation that is read. A larger one is damage, and would leave no room for those that follow it.
const MAX_GENERATION: u64 = 1 << 62;

/// The part of a log that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Rest {
    /// Nothing.
    #[default]
    None,
    /// What a writer left that stopped before its commit. It can go.
    Uncommitted,
    /// The history of another store, of a later state than this one, or damaged. It must be kept elsewhere.
    Foreign,
}

/// A line of a group.
#[derive(Debug)]
pub(crate) enum Record {
    Event(Event),
    Attempt(Box<Attempt>),
    Checkpoint(Checkpoint),
    /// An operation, and how many are kept with it.
    Operation(Operation, u64),
    /// A task was removed, with its attempts and checkpoints.
    Removed(TaskId),
    /// What was told of a task's attempts and checkpoints no longer holds; what does comes after it.
    Settled(TaskId),
}

/// A task's past, which an edit by someone else changed.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) task: TaskId,
    /// What it is now.
    pub(crate) past: Past,
}

/// What was done for a task.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Past {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) checkpoints: Vec<Checkpoint>,
}

/// The groups of a log, and what comes after them.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Vec<Group>,
    rest: Rest,
}

#[derive(Debug)]
struct Group {
    generation: u64,
    store: String,
    base: String,
    snapshot: String,
    records: Vec<Record>,
    /// How many records it has that say nothing to this version.
    passed_over: u64,
    /// The byte after its last line.
    end: usize,
}

/// The text of a group: first what an edit by someone else made of the past, then what the unit recorded.
///
/// # Errors
/// If the data of a record is no JSON.
pub(crate) fn group(
    generation: u64,
    store: &StoreId,
    base: &str,
    snapshot: &str,
    settled: &[Settled],
    records: &[History],
) -> Result<String, FieldError> {
    let told = |kind: &str, value: Value| {
        Object::new()
            .with("generation", generation)
            .with(kind, value)
    };
    let mut lines = Vec::new();
    for Settled { task, past } in settled {
        lines.push(told("settled", task.as_str().into()));
        for attempt in &past.attempts {
            lines.push(told("attempt", history::attempt(attempt)?.into()));
        }
        for checkpoint in &past.checkpoints {
            lines.push(told("checkpoint", history::checkpoint(checkpoint)?.into()));
        }
    }
    for record in records {
        let (kind, value): (&str, Value) = match record {
            History::Event(event) => ("event", history::event(event)?.into()),
            History::Attempt(attempt) => ("attempt", history::attempt(attempt)?.into()),
            History::Checkpoint(checkpoint) => {
                ("checkpoint", history::checkpoint(checkpoint)?.into())
            }
            History::Operation { operation, .. } => {
                ("operation", history::operation(operation).into())
            }
            History::Removed(task) => ("removed", task.as_str().into()),
        };
        let mut object = told(kind, value);
        if let History::Operation { keep, .. } = record {
            object.insert("keep", *keep);
        }
        lines.push(object);
    }
    let head = Object::new()
        .with("generation", generation)
        .with("store", store.as_str())
        .with("lines", lines.len())
        .with("base", base)
        .with("snapshot", snapshot);
    Ok(std::iter::once(head).chain(lines).map(line).collect())
}

impl Groups {
    /// Reads the whole groups from the beginning.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut groups = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match group_at(bytes, at) {
                Some(group) => {
                    at = group.end;
                    groups.push(group);
                }
                None => {
                    let rest = broken(&bytes[at..]);
                    return Self { groups, rest };
                }
            }
        }
        let rest = Rest::None;
        Self { groups, rest }
    }

    /// How many groups led to the snapshot with the given digest; `None` if it is none that we wrote.
    fn leading_to(&self, snapshot: &str) -> Option<usize> {
        let groups = self.groups.iter().enumerate().rev();
        groups.into_iter().find_map(|(at, group)| {
            if group.snapshot == snapshot {
                Some(at + 1)
            } else {
                (group.base == snapshot).then_some(at)
            }
        })
    }

    /// Whether the snapshot with the given digest is one that we wrote.
    pub(crate) fn know(&self, snapshot: &str) -> bool {
        self.leading_to(snapshot).is_some()
    }

    /// Takes the log as far as it leads to the snapshot with the given digest, whose content is `tree`.
    ///
    /// A snapshot that the log does not know was changed by someone else. Then all groups count, if they are of this
    /// store; but the last one, whose commit nothing proves, only if the snapshot shows what it tells.
    pub(crate) fn up_to(self, tree: &Contents, snapshot: &str) -> Log {
        let known = self.leading_to(snapshot);
        let Self { groups, rest } = self;
        let counted = known.unwrap_or_else(|| match groups.last() {
            None => 0,
            Some(last) if last.store != tree.settings.store.as_str() => 0,
            Some(last) if !shows(tree, &last.records) => groups.len() - 1,
            Some(_) => groups.len(),
        });
        let strange = known.is_none() && counted == 0 && !groups.is_empty();
        let rest = match groups.len() - counted {
            0 => rest,
            1 if rest != Rest::Foreign && !strange => Rest::Uncommitted,
            _ => Rest::Foreign,
        };
        let last = counted.checked_sub(1).map(|last| &groups[last]);
        let (generation, keep) = last.map_or((0, 0), |last| (last.generation, last.end));
        let passed_over = groups[..counted].iter().map(|group| group.passed_over);
        let passed_over = passed_over.sum();
        // The first is often the largest by far: what the queue was filled with.
        let mut counted = groups.into_iter().take(counted);
        let mut records = counted.next().map_or_else(Vec::new, |group| group.records);
        records.extend(counted.flat_map(|group| group.records));
        Log {
            records,
            generation,
            keep,
            passed_over,
            rest,
        }
    }
}

/// Whether a tree may be the outcome of what the records tell: what they made is there, and nobody holds what they
/// ended.
fn shows(tree: &Contents, records: &[Record]) -> bool {
    let task = |id: &TaskId| tree.tasks.iter().find(|task| task.id == *id);
    let is_there = |id: &AnyId| match id {
        AnyId::Epic(id) => tree.epics.iter().any(|epic| epic.id == *id),
        AnyId::Feature(id) => tree.features.iter().any(|feature| feature.id == *id),
        AnyId::Task(id) => task(id).is_some(),
        AnyId::Test(id) => tree.tests.iter().any(|test| test.id == *id),
    };
    records.iter().all(|record| match record {
        Record::Event(event) => {
            !matches!(event.kind, EventKind::Created | EventKind::Imported)
                || is_there(&event.entity)
        }
        Record::Attempt(attempt) => task(&attempt.task).is_none_or(|task| {
            let held = task
                .claim
                .as_ref()
                .is_some_and(|claim| claim.token == attempt.token);
            task.attempts >= attempt.token.attempt && !(held && attempt.end.is_some())
        }),
        Record::Checkpoint(_) | Record::Operation(..) | Record::Settled(_) => true,
        Record::Removed(id) => task(id).is_none(),
    })
}

/// Whether a text that is no whole group is the last one's beginning, or has later groups in it.
fn broken(bytes: &[u8]) -> Rest {
    let later = bytes
        .split(|byte| *byte == b'\n')
        .skip(1)
        .any(|line| line.starts_with(b"{\"generation\":") && head(line).is_some());
    if later {
        Rest::Foreign
    } else {
        Rest::Uncommitted
    }
}

fn group_at(bytes: &[u8], start: usize) -> Option<Group> {
    let mut at = start;
    let mut next_line = || {
        let mut after = &bytes[at..];
        let len = after.skip_until(b'\n').ok()?;
        let line = bytes[at..at + len].strip_suffix(b"\n")?;
        at += len;
        Some(line)
    };
    let (mut group, lines) = head(next_line()?)?;
    let begin = format!("{{\"generation\":{},\"", group.generation);
    let mut before = Before::default();
    for _ in 0..lines {
        let line = next_line()?;
        if let Some(record) = own_record(line, &begin, &mut before) {
            group.records.push(record);
            continue;
        }
        let document = Document::parse_within(line, Limits::OWN).ok()?;
        let object = document.root().object().ok()?;
        if object
            .opt("generation")?
            .u64_in(group.generation..=group.generation)
            .is_err()
        {
            return None;
        }
        // A record of a kind that a newer version knows is passed over, and stays in the file; so is a damaged one.
        match record(object) {
            Some(record) => group.records.push(record),
            None => group.passed_over += 1,
        }
    }
    group.end = at;
    Some(group)
}

/// The record in a line that begins as those of its group do, read quickly; `None` if it is not as [`group`] writes the
/// commonest ones.
fn own_record<'l>(line: &'l [u8], begin: &str, before: &mut Before<'l>) -> Option<Record> {
    let line = std::str::from_utf8(line).ok()?;
    let (kind, record) = line.strip_prefix(begin)?.split_once('"')?;
    let record = record.strip_prefix(':')?.strip_suffix('}')?;
    match kind {
        "event" => history::read_own_event(record, before).map(Record::Event),
        "attempt" => {
            let attempt = history::read_own_attempt(record)?;
            Some(Record::Attempt(Box::new(attempt)))
        }
        "operation" => {
            let (record, keep) = record.rsplit_once(",\"keep\":")?;
            let digits = keep.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || keep.starts_with('0') {
                return None;
            }
            let operation = history::read_own_operation(record)?;
            Some(Record::Operation(operation, keep.parse().ok()?))
        }
        _ => None,
    }
}

fn head(line: &[u8]) -> Option<(Group, u64)> {
    let document = Document::parse_within(line, Limits::OWN).ok()?;
    let object = document.root().object().ok()?;
    let text = |key: &str| Some(object.opt(key)?.str().ok()?.to_owned());
    let number = |key: &str, max: u64| object.opt(key)?.u64_in(0..=max).ok();
    let group = Group {
        generation: number("generation", MAX_GENERATION)?,
        store: text("store")?,
        base: text("base")?,
        snapshot: text("snapshot")?,
        records: Vec::new(),
        passed_over: 0,
        end: 0,
    };
    Some((group, number("lines", u64::MAX)?))
}

fn record(object: ObjectNode<'_>) -> Option<Record> {
    let (kind, node) = object.iter().find(|(key, _)| *key != "generation")?;
    match kind {
        "event" => history::read_event(node).ok().map(Record::Event),
        "attempt" => {
            let attempt = history::read_attempt(node).ok()?;
            Some(Record::Attempt(Box::new(attempt)))
        }
        "checkpoint" => history::read_checkpoint(node).ok().map(Record::Checkpoint),
        "operation" => {
            let keep = object.opt("keep")?.u64_in(0..=u64::MAX).ok()?;
            let operation = history::read_operation(node).ok()?;
            Some(Record::Operation(operation, keep))
        }
        "removed" => node.parsed(TaskId::new).ok().map(Record::Removed),
        "settled" => node.parsed(TaskId::new).ok().map(Record::Settled),
        _ => None,
    }
}

fn line(object: Object) -> String {
    let mut text = to_text(&Value::Object(object));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tasq_adapter_memory::State;
    use tasq_domain::backoff::Backoff;
    use tasq_domain::{Actor, JsonObject, Settings, Timestamp};

    use super::*;

    fn operation(id: &str) -> History {
        let operation = Operation {
            id: tasq_domain::OperationId::new(id).unwrap(),
            use_case: "claim".into(),
            digest: "d".into(),
            answer: "{}".into(),
        };
        History::Operation {
            operation: Arc::new(operation),
            keep: 9,
        }
    }

    fn store() -> StoreId {
        StoreId::new("S").unwrap()
    }

    fn tree(store: &str) -> Contents {
        State::new(Settings {
            store: StoreId::new(store).unwrap(),
            name: String::new(),
            require_tests: false,
            backoff: Backoff::default(),
        })
        .tree()
    }

    /// Three groups that lead from snapshot `a` to `d`, and where each ends.
    fn three() -> (String, Vec<usize>) {
        let mut text = String::new();
        let mut ends = Vec::new();
        for (generation, base, snapshot) in [(1, "a", "b"), (2, "b", "c"), (3, "c", "d")] {
            let records = [operation(base), operation(snapshot)];
            text += &group(generation, &store(), base, snapshot, &[], &records).unwrap();
            ends.push(text.len());
        }
        (text, ends)
    }

    fn told(text: &[u8], snapshot: &str) -> (usize, usize, u64, Rest) {
        let log = Groups::read(text).up_to(&tree("S"), snapshot);
        (log.records.len(), log.keep, log.generation, log.rest)
    }

    #[test]
    fn a_log_counts_as_far_as_it_leads_to_the_snapshot() {
        let (text, ends) = three();
        let text = text.as_bytes();
        assert_eq!(told(text, "d"), (6, ends[2], 3, Rest::None));
        assert_eq!(told(text, "c"), (4, ends[1], 2, Rest::Uncommitted));
        assert_eq!(told(text, "b"), (2, ends[0], 1, Rest::Foreign));
        assert_eq!(told(text, "a"), (0, 0, 0, Rest::Foreign));
        assert_eq!(told(b"", "a"), (0, 0, 0, Rest::None));
    }

    #[test]
    fn a_snapshot_that_someone_edited_keeps_its_history() {
        let (text, ends) = three();
        assert_eq!(told(text.as_bytes(), "edited"), (6, ends[2], 3, Rest::None));
    }

    #[test]
    fn the_last_group_does_not_count_if_an_edited_snapshot_lacks_what_it_made() {
        let (mut text, ends) = three();
        let created = History::Event(Arc::new(Event {
            seq: 1,
            at: Timestamp::from_micros(1),
            actor: Actor::new("ada").unwrap(),
            kind: EventKind::Created,
            entity: AnyId::Task(TaskId::new("A").unwrap()),
            data: JsonObject::default(),
        }));
        text += &group(4, &store(), "d", "e", &[], &[created]).unwrap();
        assert_eq!(
            told(text.as_bytes(), "edited"),
            (6, ends[2], 3, Rest::Uncommitted)
        );
        assert_eq!(told(text.as_bytes(), "e").0, 7);
    }

    #[test]
    fn a_group_cut_off_anywhere_never_happened() {
        let (text, ends) = three();
        for cut in ends[1] + 1..ends[2] {
            let told = told(&text.as_bytes()[..cut], "c");
            assert_eq!(told, (4, ends[1], 2, Rest::Uncommitted), "{cut}");
        }
    }

    #[test]
    fn a_log_broken_in_the_middle_or_of_another_store_is_kept_elsewhere() {
        let (text, ends) = three();
        let mut broken = text.clone().into_bytes();
        broken[ends[0] + 20] = b'\n';
        assert_eq!(told(&broken, "d"), (2, ends[0], 1, Rest::Foreign));
        let log = Groups::read(text.as_bytes()).up_to(&tree("other"), "edited");
        assert_eq!((log.keep, log.rest), (0, Rest::Foreign));
        let one = &text.as_bytes()[..ends[0]];
        let log = Groups::read(one).up_to(&tree("other"), "edited");
        assert_eq!((log.keep, log.rest), (0, Rest::Foreign));
    }

    #[test]
    fn the_quick_way_reads_a_line_as_the_thorough_one_or_not_at_all() {
        let (text, _) = three();
        let line = text.lines().nth(1).unwrap();
        let begin = "{\"generation\":1,\"";
        let quick = |line: &str| own_record(line.as_bytes(), begin, &mut Before::default());
        let Some(Record::Operation(quickly, 9)) = quick(line) else {
            panic!("{line} is read");
        };
        let document = Document::parse_within(line.as_bytes(), Limits::OWN).unwrap();
        let Some(Record::Operation(thoroughly, 9)) = record(document.root().object().unwrap())
        else {
            panic!("{line} is a record");
        };
        assert_eq!(quickly, thoroughly);
        for (from, to) in [
            ("\"generation\":1", "\"generation\":2"),
            ("\"keep\":9", "\"keep\":09"),
            ("\"keep\":9", "\"keep\":+9"),
            ("\"keep\":9", "\"keep\":9,\"keep\":9"),
            ("\"use_case\":\"claim\"", "\"use_case\":1"),
            ("\"operation\"", "\"checkpoint\""),
            ("\"id\":", "\"other\":1,\"id\":"),
        ] {
            assert!(line.contains(from), "{from}");
            assert!(
                quick(&line.replacen(from, to, 1)).is_none(),
                "{from} → {to}"
            );
        }
    }

    #[test]
    fn events_that_have_much_in_common_are_read_as_each_alone() {
        let event = |seq: i64, at: i64, actor: &str, data: &str| Event {
            seq,
            at: tasq_domain::Timestamp::from_micros(at),
            actor: tasq_domain::Actor::new(actor).unwrap(),
            kind: EventKind::Created,
            entity: AnyId::Task(TaskId::new(format!("T{seq}")).unwrap()),
            data: tasq_domain::JsonObject::new(data).unwrap(),
        };
        let mut events = Vec::new();
        for (seq, at) in (1..).zip([5, 5, 6, 5, 7, 7]) {
            for actor in ["ada", "ada", "bob"] {
                for data in ["{}", "{}", "{\"status\":\"pending\"}"] {
                    events.push(event(seq, at, actor, data));
                }
            }
        }
        let begin = "{\"generation\":1,\"";
        let lines: Vec<String> = events
            .iter()
            .map(|event| {
                let record = to_text(&history::event(event).unwrap().into());
                format!("{begin}event\":{record}}}")
            })
            .collect();
        let mut before = Before::default();
        for (line, event) in lines.iter().zip(&events) {
            let Some(Record::Event(read)) = own_record(line.as_bytes(), begin, &mut before) else {
                panic!("{line} is read quickly");
            };
            assert_eq!(read, *event);
        }
    }

    #[test]
    fn a_record_of_an_unknown_kind_is_passed_over() {
        let (text, ends) = three();
        let newer = text.replacen("operation", "oparation", 1);
        assert_eq!(told(newer.as_bytes(), "d"), (5, ends[2], 3, Rest::None));
    }
}
