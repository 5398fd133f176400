//! Queue files: `{project, features | tasks, …}`, whatever else they have.
//!
//! An entry under `features` is a task of ours, like one under `tasks`. The file becomes an epic, and what its records
//! say of a group (`feature_id`, `epic`, `phase`, `objective_id`, or the key asked for) becomes features. A record of
//! type `epic` that names child tasks becomes a feature as well, and holds them.

pub(super) mod fields;
mod record;
pub(super) mod words;

use std::collections::{HashMap, HashSet};

use tasq_domain::{
    Description, EntityKind, FeatureId, MAX_NAME_CHARS, Name, Status, TaskId, graph, is_blank,
};

use super::detect::{Format, QueueShape};
use super::draft::{Draft, EpicDraft, FeatureDraft, Key, Notes, On};
use super::kept::Kept;
use super::{ImportError, ReadOptions};
use crate::digest::{canonical_digest, sha256_hex};
use crate::json::{Document, JsonError, Object, ObjectNode, Value};
use fields::shown_text;
use record::Record;

/// The keys of a file under which records are listed.
pub(super) const LISTS: [&str; 2] = ["features", "tasks"];
/// The keys of a file that become fields of its epic.
pub(super) const EPIC_MAPPED: [&str; 4] = ["project", "description", "features", "tasks"];
/// The keys of a record that name its group; the first that any record has counts.
const GROUP_KEYS: [&str; 4] = ["feature_id", "epic", "phase", "objective_id"];
/// The name of a project that has none.
const NO_NAME: &str = "queue";

/// Reads a queue file into a draft.
///
/// # Errors
/// [`ImportError::Json`] for what has a wrong type, [`ImportError::Duplicate`] for an id that occurs twice,
/// [`ImportError::Cycle`] for tasks that wait for each other.
pub fn queue_file(
    document: &Document<'_>,
    shape: QueueShape,
    options: &ReadOptions,
) -> Result<Draft, ImportError> {
    let top = document.root().object()?;
    let mut notes = Notes::default();
    for key in document.repeated_keys() {
        notes.warn(format!(
            "line {}, column {}, at {}: the key is repeated, its last value counts",
            key.line, key.column, key.path
        ));
    }
    let epic = epic(top, options, &mut notes)?;
    let origin = format!("queue-file:{}", project(top, options)?);
    let records = records(top)?;
    let mut file = File {
        options,
        top,
        notes,
        features: Vec::new(),
        places: HashMap::new(),
    };
    let items = file.items(&records)?;
    let mut tasks = Vec::with_capacity(items.tasks.len());
    for (record, key, group) in &items.tasks {
        let feature = &file.features[*group];
        let name = feature.key.as_str().to_owned();
        tasks.push(record.task(key.clone(), (*group, &name), options, &mut file.notes)?);
    }
    for (place, (record, ..)) in items.tasks.iter().enumerate() {
        tasks[place].depends_on = items.waits_for(place, record, top, &mut file.notes);
    }
    let draft = Draft {
        origin,
        format: Format::QueueFile(shape),
        records: records.len() as u64,
        epics: vec![epic],
        features: file.features,
        tasks,
        notes: file.notes,
    };
    refuse_cycle(&draft)?;
    Ok(draft)
}

/// The records of every list of the file, in order.
fn records<'a>(top: ObjectNode<'a>) -> Result<Vec<Record<'a>>, JsonError> {
    let mut records = Vec::new();
    for list in LISTS {
        let Some(node) = top.opt(list) else { continue };
        for (at, node) in node.array()?.enumerate() {
            let record = Record {
                list,
                at,
                object: node.object()?,
            };
            record.check_types()?;
            records.push(record);
        }
    }
    Ok(records)
}

fn project<'a>(top: ObjectNode<'a>, options: &'a ReadOptions) -> Result<&'a str, JsonError> {
    let given = top.opt("project").map(|node| node.str()).transpose()?;
    let given = given.map(str::trim).filter(|name| !name.is_empty());
    Ok(given.or(options.name.as_deref()).unwrap_or(NO_NAME))
}

fn epic(
    top: ObjectNode<'_>,
    options: &ReadOptions,
    notes: &mut Notes,
) -> Result<EpicDraft, JsonError> {
    let name = project(top, options)?;
    if top.opt("project").is_none() {
        notes.guessed(format!("no project: {}", shown_text(name)));
    }
    let description = top.opt("description").map(|node| node.str()).transpose()?;
    let description = description.and_then(|text| Description::new(text).ok());
    if description.is_none() && fields::text(top.value(), "description").is_some() {
        notes.warn("the description of the file is too long for an epic");
    }
    let mut kept = Kept::of(top.value(), &EPIC_MAPPED, "", 0, None);
    for list in LISTS {
        // Its records are kept by the items that they became.
        if top
            .value()
            .get(list)
            .is_some_and(|list| list.as_array().is_some())
        {
            kept.record.remove(list);
        }
    }
    let record = Object::from_iter(kept.record.clone().into_iter().chain(kept.rest.clone()));
    Ok(EpicDraft {
        key: Key::Made(String::new()),
        name: name_of(name, notes),
        description,
        metadata: kept.stored(top.node())?,
        digest: canonical_digest(&Value::Object(record)),
    })
}

/// `text` as far as a name may hold it.
pub(super) fn cut_name(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
        .chars()
        .take(MAX_NAME_CHARS)
        .collect()
}

/// `text` as a name; it is cut if it is too long.
fn name_of(text: &str, notes: &mut Notes) -> Name {
    let cut = cut_name(text);
    if cut != text {
        notes.warn(format!("the name {} was cut to fit", shown_text(text)));
    }
    Name::new(cut).unwrap_or_else(|_| Name::new(NO_NAME).expect("a word is a name"))
}

/// Sorting the records of a file into features and tasks.
struct File<'a> {
    options: &'a ReadOptions,
    top: ObjectNode<'a>,
    notes: Notes,
    features: Vec<FeatureDraft>,
    places: HashMap<Key, usize>,
}

/// The records of a file, sorted.
struct Items<'a> {
    /// The tasks, each with its key and its feature.
    tasks: Vec<(Record<'a>, Key, usize)>,
    /// The tasks that an id of the file means: one, or those of a record that holds others.
    meaning: HashMap<String, Vec<usize>>,
    /// What a task waits for because the record that holds it does.
    inherited: HashMap<usize, Vec<String>>,
}

impl<'a> File<'a> {
    fn items(&mut self, records: &[Record<'a>]) -> Result<Items<'a>, ImportError> {
        let keys = self.keys(records)?;
        let by_id: HashMap<String, usize> = records
            .iter()
            .enumerate()
            .filter_map(|(at, record)| Some((fields::id_text(record.value())?, at)))
            .collect();
        let holders = self.holders(records, &by_id);
        let group_key = self.group_key(records);
        let mut items = Items {
            tasks: Vec::new(),
            meaning: HashMap::new(),
            inherited: HashMap::new(),
        };
        let mut held_by: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            if holders.is_holder.contains(&at) {
                self.add_holder(record, &keys[at])?;
            }
        }
        for (at, record) in records.iter().enumerate() {
            if holders.is_holder.contains(&at) {
                continue;
            }
            let place = items.tasks.len();
            let group = match holders.of.get(&at) {
                Some(holder) => {
                    held_by.entry(*holder).or_default().push(place);
                    self.places[&keys[*holder]]
                }
                None => self.group(record, group_key.as_deref()),
            };
            items.tasks.push((*record, keys[at].clone(), group));
            if let Some(id) = fields::id_text(record.value()) {
                items.meaning.insert(id, vec![place]);
            }
        }
        for (holder, tasks) in held_by {
            let waits_for = records[holder].waits_for();
            for task in &tasks {
                items.inherited.insert(*task, waits_for.clone());
            }
            if let Some(id) = fields::id_text(records[holder].value()) {
                items.meaning.insert(id, tasks);
            }
        }
        Ok(items)
    }

    /// What each record is called; no two the same.
    fn keys(&mut self, records: &[Record<'a>]) -> Result<Vec<Key>, ImportError> {
        let mut first: HashMap<Key, usize> = HashMap::new();
        let mut keys = Vec::with_capacity(records.len());
        for (at, record) in records.iter().enumerate() {
            let (mut key, warning) = record.key();
            if let Some(warning) = warning {
                self.notes.warn(warning);
            }
            if let Some(earlier) = first.get(&key) {
                if let Some(id) = fields::id_text(record.value()) {
                    return Err(ImportError::Duplicate {
                        id: shown_text(&id),
                        first: records[*earlier].place(),
                        second: record.place(),
                    });
                }
                // Records without ids may well be alike; their place then tells them apart.
                key = Key::Made(format!("{}\0{}", key.as_str(), record.place()));
            }
            first.insert(key.clone(), at);
            keys.push(key);
        }
        Ok(keys)
    }

    /// Which records hold others, and which record holds which.
    fn holders(&mut self, records: &[Record<'a>], by_id: &HashMap<String, usize>) -> Holders {
        let mut holders = Holders {
            is_holder: HashSet::new(),
            of: HashMap::new(),
        };
        let is_epic = |record: &Record<'_>| {
            fields::text(record.value(), "type")
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("epic"))
        };
        let children = |record: &Record<'_>| fields::listed(record.value(), "child_tasks");
        for (at, record) in records.iter().enumerate() {
            let known = |id: &String| by_id.get(id).is_some_and(|child| *child != at);
            if is_epic(record) && children(record).iter().any(known) {
                holders.is_holder.insert(at);
            }
        }
        for (at, record) in records.iter().enumerate() {
            if !holders.is_holder.contains(&at) {
                continue;
            }
            let name = fields::id_text(record.value()).unwrap_or_else(|| record.place());
            for child in children(record) {
                match by_id.get(&child) {
                    None => self.notes.warn(format!(
                        "{}: its child task {} is not in the file",
                        shown_text(&name),
                        shown_text(&child)
                    )),
                    Some(place) if holders.is_holder.contains(place) => {
                        self.notes.warn(format!(
                            "{}: its child {} holds tasks too, so both stand in the epic",
                            shown_text(&name),
                            shown_text(&child)
                        ));
                    }
                    Some(place) => {
                        if holders.of.contains_key(place) {
                            self.notes.warn(format!(
                                "{}: its child task {} has another parent already",
                                shown_text(&name),
                                shown_text(&child)
                            ));
                        } else {
                            holders.of.insert(*place, at);
                        }
                    }
                }
            }
        }
        // One that is left without a task of its own is a task itself.
        let with_tasks: HashSet<usize> = holders.of.values().copied().collect();
        holders.is_holder.retain(|at| with_tasks.contains(at));
        holders
    }

    /// A feature of a record that holds others.
    fn add_holder(&mut self, record: &Record<'a>, key: &Key) -> Result<(), JsonError> {
        let whole = fields::description(record.value()).map(|(description, _)| description);
        let title = whole
            .as_ref()
            .map_or_else(|| key.as_str(), Description::title);
        let name = name_of(title, &mut self.notes);
        let description = whole.filter(|whole| whole.as_str() != name.as_str());
        self.notes.normalised("an epic with child tasks → feature");
        let priority = record
            .value()
            .get("priority")
            .and_then(|value| words::priority(value).ok().flatten());
        let status = record.status();
        let feature = FeatureDraft {
            key: key.clone(),
            epic: 0,
            name,
            description,
            priority,
            own_status: if status == Status::InProgress {
                Status::Pending
            } else {
                status
            },
            is_record: true,
            metadata: record.kept(None)?,
            digest: record.digest(),
        };
        self.places.insert(key.clone(), self.features.len());
        self.features.push(feature);
        Ok(())
    }

    /// The key by which the file groups its records.
    fn group_key(&mut self, records: &[Record<'a>]) -> Option<String> {
        let has = |key: &&str| {
            records
                .iter()
                .any(|record| group_value(record.value(), key).is_some())
        };
        match &self.options.group_by {
            None => GROUP_KEYS
                .iter()
                .find(|key| has(key))
                .map(|key| (*key).to_owned()),
            Some(key) => {
                if !has(&key.as_str()) {
                    self.notes
                        .warn(format!("no record has a group under {}", shown_text(key)));
                }
                Some(key.clone())
            }
        }
    }

    /// The feature of a task, which is made when it is first needed.
    fn group(&mut self, record: &Record<'a>, group_key: Option<&str>) -> usize {
        let group = group_key.and_then(|key| group_value(record.value(), key));
        let given = group_key == Some(GROUP_KEYS[0]);
        let key = match &group {
            Some(id) if given && FeatureId::new(id.as_str()).is_ok() => Key::Given(id.clone()),
            Some(name) => Key::Made(name.clone()),
            None => Key::Made(String::new()),
        };
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let (name, description) = match &group {
            Some(group) => self.phase(group).unwrap_or_else(|| {
                let is_number = group.bytes().all(|byte| byte.is_ascii_digit());
                let said = group_key.filter(|_| is_number);
                let name = said.map_or_else(|| group.clone(), |key| format!("{key} {group}"));
                (name, None)
            }),
            None => (
                project(self.top, self.options)
                    .unwrap_or(NO_NAME)
                    .to_owned(),
                None,
            ),
        };
        let digest = sha256_hex(key.as_str().as_bytes());
        let feature = FeatureDraft {
            name: name_of(&name, &mut self.notes),
            description: description.and_then(|text| Description::new(text).ok()),
            key: key.clone(),
            epic: 0,
            priority: None,
            own_status: Status::Pending,
            is_record: false,
            metadata: tasq_domain::JsonObject::default(),
            digest,
        };
        let place = self.features.len();
        self.features.push(feature);
        self.places.insert(key, place);
        place
    }

    /// Name and description of a phase that the file lists under `phases`.
    fn phase(&self, group: &str) -> Option<(String, Option<String>)> {
        let phases = self.top.value().get("phases")?.as_array()?;
        let is_meant = |phase: &&Object| {
            ["phase", "id"]
                .iter()
                .any(|key| group_value(phase, key).as_deref() == Some(group))
        };
        let phase = phases.iter().filter_map(Value::as_object).find(is_meant)?;
        let name = fields::text(phase, "name")?;
        Some((
            name.to_owned(),
            fields::text(phase, "description").map(str::to_owned),
        ))
    }
}

/// Which records hold others, by their places in the file.
struct Holders {
    is_holder: HashSet<usize>,
    of: HashMap<usize, usize>,
}

/// The group that a record names under `key`: a text, or a number as it is spelled.
pub(super) fn group_value(record: &Object, key: &str) -> Option<String> {
    match record.get(key)? {
        Value::Text(text) if !is_blank(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

impl Items<'_> {
    /// What the task at `place` waits for.
    fn waits_for(
        &self,
        place: usize,
        record: &Record<'_>,
        top: ObjectNode<'_>,
        notes: &mut Notes,
    ) -> Vec<On> {
        let mut seen = HashSet::new();
        let mut on = Vec::new();
        let own = record.waits_for();
        let inherited = self.inherited.get(&place).into_iter().flatten();
        for (id, is_own) in own
            .iter()
            .map(|id| (id, true))
            .chain(inherited.map(|id| (id, false)))
        {
            let Some(tasks) = self.meaning.get(id) else {
                if is_archived(top, id) {
                    notes.guessed("waits for an archived task: counted as done");
                } else if seen.insert(On::Elsewhere(id.clone())) {
                    on.push(On::Elsewhere(id.clone()));
                }
                continue;
            };
            let is_self = fields::id_text(record.value()).as_deref() == Some(id);
            if tasks.contains(&place) && !is_self {
                // Its siblings may say the same; waiting for each other they would wait for ever.
                if is_own {
                    notes.guessed("waits for what it is a part of: counted as nothing");
                }
                continue;
            }
            for task in tasks {
                if seen.insert(On::Task(*task)) {
                    on.push(On::Task(*task));
                }
            }
        }
        on
    }
}

/// Whether the file lists `id` under `archived`, as a text or as a record.
fn is_archived(top: ObjectNode<'_>, id: &str) -> bool {
    let archived = top.value().get("archived").and_then(Value::as_array);
    archived.into_iter().flatten().any(|item| match item {
        Value::Object(record) => fields::id_text(record).as_deref() == Some(id),
        other => other.as_str() == Some(id),
    })
}

fn refuse_cycle(draft: &Draft) -> Result<(), ImportError> {
    let ids: Vec<TaskId> = draft
        .tasks
        .iter()
        .map(|task| {
            TaskId::new(task.key.id(EntityKind::Task, &draft.origin)).expect("a key is a valid id")
        })
        .collect();
    let ids = &ids;
    let edges = draft.tasks.iter().zip(ids).flat_map(|(task, id)| {
        task.depends_on.iter().filter_map(move |on| match on {
            On::Task(place) => Some((id, &ids[*place])),
            On::Elsewhere(_) => None,
        })
    });
    graph::any_cycle(edges).map_or(Ok(()), |cycle| Err(ImportError::Cycle(cycle)))
}
