//! Which tool a file comes from.

use crate::json::{Document, Limits, Object, Value, lines};
use crate::snapshot::MARK;

/// How much of a database is searched for its tables.
const SCHEMA_BYTES: usize = 1024 * 1024;

/// What a file is, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A queue file: `{project, features | tasks, …}`.
    QueueFile(QueueShape),
    /// A snapshot or store of our own; it is not imported as a foreign file.
    Snapshot,
    /// The issues of beads, one JSON object a line.
    Beads,
    /// The tasks of Task Master.
    TaskMaster,
    /// The feature database of AutoForge.
    AutoForge,
    /// An SQLite database of the queue files' tool.
    QueueDatabase,
    /// Some other SQLite database.
    Database,
    /// A queue file whose features have lists of tasks of their own.
    NestedQueue,
    /// A compressed file.
    Compressed,
    /// Nothing known.
    Unknown,
}

/// The shapes in which queue files were seen. All are read alike, key by key; the shape is only told in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueShape {
    /// `{project, features}`.
    Features,
    /// … with `sequence, fingerprints`.
    Sequenced,
    /// … with `last_updated, updated_by, summary` and what belongs to a sprint.
    Sprint,
    /// … with `description, target_repo`.
    Repository,
    /// … with `project_path, queue_name`.
    Named,
    /// `{project, tasks}`.
    Tasks,
    /// … with `exported_at`.
    Export,
    /// … with `version, adr, phases`.
    Plan,
    /// … with `generated_at`.
    Generated,
    /// … with `queue_type`; tasks have a title only.
    Editorial,
}

impl Format {
    /// The name for reports and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFile(shape) => shape.as_str(),
            Self::Snapshot => "a snapshot of tasq",
            Self::Beads => "a beads issue file",
            Self::TaskMaster => "a Task Master file",
            Self::AutoForge => "an AutoForge database",
            Self::QueueDatabase => "a queue database",
            Self::Database => "an SQLite database",
            Self::NestedQueue => "a queue file with tasks inside of features",
            Self::Compressed => "a compressed file",
            Self::Unknown => "a file of an unknown shape",
        }
    }

    /// Why a file of this format is not imported, and what to do instead.
    #[must_use]
    pub(super) fn why_not(self) -> String {
        let name = self.as_str();
        match self {
            Self::Unknown => {
                "not a file that can be imported: expected an object with a list of records under \
                              \"features\" or \"tasks\""
                    .to_owned()
            }
            Self::Compressed => format!("this is {name}: unpack it first"),
            Self::Snapshot => format!("this is {name}, not a file of another tool"),
            Self::Database => format!("this is {name}, which cannot be imported"),
            _ => format!("this is {name}, which cannot be imported yet"),
        }
    }
}

impl QueueShape {
    /// The name for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Features => "queue file (features)",
            Self::Sequenced => "queue file (features, sequence)",
            Self::Sprint => "queue file (features, sprint)",
            Self::Repository => "queue file (features, repository)",
            Self::Named => "queue file (features, named)",
            Self::Tasks => "queue file (tasks)",
            Self::Export => "queue file (tasks, export)",
            Self::Plan => "queue file (tasks, plan)",
            Self::Generated => "queue file (tasks, generated)",
            Self::Editorial => "queue file (tasks, editorial)",
        }
    }
}

/// The format of a file that is not one JSON document, by its first bytes; `None` if it may be one.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(b"SQLite format 3\0") {
        // The schema stands at the front.
        let front = &bytes[..bytes.len().min(SCHEMA_BYTES)];
        let has = |name: &[u8]| front.windows(name.len()).any(|window| window == name);
        let format = match (has(b"needs_human_input"), has(b"CREATE TABLE epics")) {
            (true, _) => Format::AutoForge,
            (_, true) => Format::QueueDatabase,
            _ => Format::Database,
        };
        return Some(format);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"PK\x03\x04") {
        return Some(Format::Compressed);
    }
    let mut records = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let first = records.next()?;
    records.next()?;
    let first = lines(first, Limits::FOREIGN).next()?.ok()?;
    is_beads(first.value().as_object()?).then_some(Format::Beads)
}

/// The format of a JSON document.
#[must_use]
pub fn detect(document: &Document<'_>) -> Format {
    match document.value() {
        Value::Object(top) => detect_object(top),
        Value::Array(items) if items.iter().filter_map(Value::as_object).any(is_beads) => {
            Format::Beads
        }
        _ => Format::Unknown,
    }
}

fn detect_object(top: &Object) -> Format {
    if top.contains_key(MARK) {
        return Format::Snapshot;
    }
    if is_beads(top) {
        return Format::Beads;
    }
    let records = |key| top.get(key).and_then(Value::as_array);
    let (features, tasks) = (records("features"), records("tasks"));
    if features.is_none() && tasks.is_none() {
        let is_tag = |value: &Value| {
            value.as_object().is_some_and(|tag| {
                tag.get("tasks")
                    .is_some_and(|list| list.as_array().is_some())
            })
        };
        let tagged = !top.is_empty() && top.iter().all(|(_, value)| is_tag(value));
        return if tagged {
            Format::TaskMaster
        } else {
            Format::Unknown
        };
    }
    let has = |list: Option<&[Value]>, test: &dyn Fn(&Object) -> bool| {
        list.into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .any(test)
    };
    // A queue file may have such keys too, but it says its project.
    let is_theirs =
        |task: &Object| task.contains_key("testStrategy") || task.contains_key("subtasks");
    if !top.contains_key("project") && has(tasks, &is_theirs) {
        return Format::TaskMaster;
    }
    if has(features, &|feature| {
        feature.get("tasks").is_some_and(|list| {
            list.as_array()
                .is_some_and(|list| list.iter().any(|task| task.as_object().is_some()))
        })
    }) {
        return Format::NestedQueue;
    }
    Format::QueueFile(shape(top, features.is_some()))
}

fn shape(top: &Object, features: bool) -> QueueShape {
    let any = |keys: &[&str]| keys.iter().any(|key| top.contains_key(key));
    let rules: &[(&[&str], QueueShape)] = if features {
        &[
            (&["project_path", "queue_name"], QueueShape::Named),
            (&["target_repo"], QueueShape::Repository),
            (
                &["last_updated", "updated_by", "summary"],
                QueueShape::Sprint,
            ),
            (&["sequence", "fingerprints"], QueueShape::Sequenced),
        ]
    } else {
        &[
            (&["exported_at"], QueueShape::Export),
            (&["queue_type"], QueueShape::Editorial),
            (
                &["phases", "adr", "source_adr", "version"],
                QueueShape::Plan,
            ),
            (&["generated_at"], QueueShape::Generated),
        ]
    };
    let found = rules
        .iter()
        .find(|(keys, _)| any(keys))
        .map(|(_, shape)| *shape);
    found.unwrap_or(if features {
        QueueShape::Features
    } else {
        QueueShape::Tasks
    })
}

fn is_beads(issue: &Object) -> bool {
    issue.contains_key("id") && issue.contains_key("issue_type") && issue.contains_key("title")
}
